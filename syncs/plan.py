"""Plan: numbered operations in the warehouse, made in one transaction and kept until they are settled."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from connectors.errors import WarehouseError
from connectors.operation import Kind, Mode
from connectors.warehouses import Column, Dialect, Session
from connectors.warehouses.base import NULLS
from syncs.diff import ADD, CHANGE, DIFF, DUPLICATED, REMOVE, Diff, Rows, compare, keep_back_rejected
from syncs.layout import Layout
from syncs.mapping import MappedQuery, Place, map_query
from syncs.names import Tables
from syncs.snapshot import (
    Bearing,
    adopt,
    forget,
    hash_of,
    moves,
    prepare,
    read_bearing,
    same_key,
    write_bearing,
)

if TYPE_CHECKING:
    from models.declarations import Sync
    from models.questions import Question
    from syncs.home import Home

__all__ = ["KINDS", "Plan", "Request", "make_plan"]

KINDS = {REMOVE: Kind.REMOVE, CHANGE: Kind.CHANGE, ADD: Kind.ADD}
_ALLOWED = {
    Mode.UPSERT: (CHANGE, ADD),
    Mode.UPDATE: (CHANGE, ADD),
    Mode.INSERT: (ADD,),
    Mode.APPEND: (ADD,),
    Mode.MIRROR: (REMOVE, CHANGE, ADD),
    Mode.REPLACE: (REMOVE, CHANGE, ADD),
}
_ONCE = {Mode.INSERT, Mode.APPEND}


@dataclass(frozen=True, slots=True)
class Request:
    """What a run wants planned. `resend` sends every present row again and removes nothing."""

    name: str
    sync: Sync
    question: Question
    run_id: str
    fence: int
    place: Place
    resend: bool = False

    @property
    def identity(self) -> dict[str, Any]:
        """What a snapshot belongs to."""
        return {
            "primary key": list(self.question.primary_key),
            "destination": self.sync.destination,
            "object": self.sync.object,
        }


@dataclass(slots=True)
class Plan:
    """Numbered operations: removes, then changes, then adds, `seq` dense from 0.

    `kept_back` are rows rejected before and not tried now; `baseline` the rows taken as delivered by a first
    run without backfill. `delivered` is what the destination had accepted before, `revision` of its snapshot.
    """

    run_id: str
    layout: Layout
    counts: dict[Kind, int]
    model_rows: int = 0
    delivered: int = 0
    invalid: int = 0
    kept_back: int = 0
    baseline: int = 0
    revision: int = 0
    whole: bool = False
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """Operations in all."""
        return sum(self.counts.values())

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to ask of the destination; a whole set may be an empty one."""
        return not self.total and not self.whole


def make_plan(home: Home, request: Request) -> Plan:
    """Plan in the warehouse, inside the caller's transaction.

    Raises:
        ConfigError: the mapping does not fit the model, or the snapshot belongs to something else.
        WarehouseError: the warehouse refused.
    """
    session, dialect, tables = home.session, home.dialect, Tables(request.name)
    mapped = map_query(request.sync, request.question, home.model_session, home.model_dialect, request.place)
    prepare(session)
    known = read_bearing(session, tables)
    with _incoming(home, mapped, known.layout if known else Layout(())) as (query, relation):
        wanted = query.slots(dialect)
        if request.resend and known and moves(session, dialect, tables, known, wanted, request.identity):
            forget(session, tables)
        bearing = adopt(session, dialect, tables, wanted, request.identity, request.sync.deadband)
        rows = _mapped_rows(session, dialect, query, relation, bearing.layout, request.sync)
        diff = compare(home, tables, bearing.layout, rows, request.sync.deadband, resend=request.resend)
        return _write_plan(home, request, tables, bearing, diff, rows)


@contextmanager
def _incoming(home: Home, mapped: MappedQuery, known: Layout) -> Iterator[tuple[MappedQuery, str | None]]:
    """The mapped query where plans live, and the relation of its rows where they had to be copied there.

    A column of nulls that has no type of its own gets the one that the known layout has for it.
    """
    if home.model_session is home.session:
        yield mapped, None
        return
    typed = {(slot.role, slot.name): slot.stored for slot in known.slots}
    columns = [
        _embedded(column, typed.get((expression.role, expression.name)))
        for expression, column in zip(mapped.expressions, mapped.columns, strict=True)
    ]
    spelled = ", ".join(f"{column.name} {column.native}" for column in columns)
    home.session.run(f"CREATE TEMP TABLE headrace_incoming_rows ({spelled})")
    home.session.load("headrace_incoming_rows", home.model_session.stream(mapped.raw))
    copied = MappedQuery(mapped.source, mapped.is_stored, mapped.expressions, tuple(columns))
    yield copied, "headrace_incoming_rows"


def _embedded(column: Column, known: Column | None) -> Column:
    """How the embedded DuckDB stores a column of another engine; decimals of unknown scale as text."""
    if column.native == NULLS and known is not None:
        return Column(column.name, known.native, known.logical)
    native = {
        "boolean": "BOOLEAN", "integer": "BIGINT", "float": "DOUBLE", "date": "DATE", "time": "TIME",
        "timestamp": "TIMESTAMP", "timestamptz": "TIMESTAMP WITH TIME ZONE", "binary": "BLOB", "uuid": "UUID",
        "json": "JSON",
    }.get(column.logical, "VARCHAR")  # fmt: skip
    return Column(column.name, native, column.logical)


def _mapped_rows(
    session: Session, dialect: Dialect, query: MappedQuery, relation: str | None, layout: Layout, sync: Sync
) -> Rows:
    """Mapped rows with their hash: stored rows are read where they stand, other questions asked once only."""
    hashed = (
        f"SELECT *, {hash_of(dialect, layout, sync.deadband)} AS h "
        f"FROM ({query.canonical(dialect, layout, relation)}) AS canonical"
    )
    rows = Rows(f"({hashed})", stored=query.is_stored or relation is not None)
    return rows if rows.stored or sync.mode is not Mode.REPLACE else rows.store(session)


def _write_plan(
    home: Home, request: Request, tables: Tables, bearing: Bearing, diff: Diff, rows: Rows
) -> Plan:
    session, sync, layout = home.session, request.sync, bearing.layout
    policy = "every_run" if request.resend else sync.retry_rejected
    kept_back = keep_back_rejected(session, tables, layout, policy, _allowed(request))
    plan = Plan(
        request.run_id,
        layout,
        dict.fromkeys(Kind, 0),
        model_rows=diff.model_rows,
        delivered=diff.snapshot_rows,
        invalid=diff.invalid,
        kept_back=kept_back,
        revision=bearing.revision,
    )
    if not sync.backfill and not bearing.revision and not request.resend:
        plan.baseline = _take_as_delivered(session, tables, layout)
        bearing.revision += 1
    else:
        whole = _whole_set(tables, layout, rows.relation, duplicates=bool(diff.duplicated))
        plan.counts, differs = _number(home, request, tables, bearing, whole)
        plan.whole = differs and sync.mode is Mode.REPLACE
    bearing.fence = request.fence
    bearing.plan_run = None if plan.is_empty else request.run_id
    bearing.plan = _settings(request, plan)
    plan.settings = bearing.plan
    write_bearing(session, tables, bearing)
    return plan


def _allowed(request: Request) -> tuple[int, ...]:
    """The kinds of operations that may be planned."""
    kinds = _ALLOWED[request.sync.mode]
    return tuple(kind for kind in kinds if not (request.resend and kind == REMOVE))


def _settings(request: Request, plan: Plan) -> dict[str, Any]:
    """What delivery must know of the sync as it was when it was planned."""
    sync = request.sync
    return {
        "mode": sync.mode.value,
        "destination": sync.destination,
        "object": sync.object,
        "on_removed": sync.on_removed,
        "counts": {kind.value: count for kind, count in plan.counts.items()},
    }


def _take_as_delivered(session: Session, tables: Tables, layout: Layout) -> int:
    columns = ", ".join([slot.column for slot in layout.slots] + ["h"])
    return session.run(
        f"INSERT INTO {tables.snapshot} ({columns}) SELECT {columns} FROM {DIFF} WHERE kind = {ADD}"
    )


def _number(
    home: Home, request: Request, tables: Tables, bearing: Bearing, whole: str
) -> tuple[dict[Kind, int], bool]:
    """Write the plan table; the number of operations by kind, and whether anything differs at all."""
    layout = bearing.layout
    session, mode = home.session, request.sync.mode
    allowed = _allowed(request)
    if mode in _ONCE and request.resend:
        session.run(f"UPDATE {DIFF} SET kind = {ADD} WHERE kind = {CHANGE}")
    source = f"(SELECT * FROM {DIFF} WHERE kind IN ({', '.join(map(str, allowed))}))"
    some = session.rows(f"SELECT 1 FROM {source} AS d LIMIT 1")
    if mode is Mode.REPLACE and (some or bearing.doubtful):
        source, some = whole, [()]
    session.run(f"DROP TABLE IF EXISTS {tables.plan}")
    if not some:
        return dict.fromkeys(Kind, 0), False
    session.run(_plan_table(home.dialect, tables, layout, source, whole=mode is Mode.REPLACE))
    return _numbered(session, tables), True


def _numbered(session: Session, tables: Tables) -> dict[Kind, int]:
    """How many operations of each kind the plan has.

    Raises:
        WarehouseError: the engine has not numbered them in the order that they were sorted in.
    """
    counts, reached = dict.fromkeys(Kind, 0), 0
    numbered = f"SELECT kind, count(*), min(seq), max(seq) FROM {tables.plan} GROUP BY kind ORDER BY kind"
    for number, count, first, last in session.rows(numbered):
        if (first, last) != (reached, reached + count - 1):
            raise WarehouseError("the warehouse numbered a plan out of order; nothing of it is sent")
        counts[KINDS[number]] = count
        reached += count
    return counts


def _whole_set(tables: Tables, layout: Layout, rows: str, *, duplicates: bool) -> str:
    """All valid rows as adds: what differs no longer matters, only what is.

    A key that is there twice now and was delivered before stays as it was accepted: being invalid removes
    nothing.
    """
    keys = ", ".join(key.column for key in layout.keys)
    keyed = " AND ".join(f"{key.column} IS NOT NULL" for key in layout.keys)
    columns = f"{keys}{''.join(f', {slot.column}' for slot in layout.values)}, h"
    valid = (
        f"SELECT {ADD} AS kind, {columns} FROM (SELECT *, count(*) OVER (PARTITION BY {keys}) AS same "
        f"FROM {rows} AS m WHERE {keyed}) AS w WHERE same = 1"
    )
    if not duplicates:
        return f"({valid})"
    known = f"SELECT 1 FROM {DUPLICATED} AS u WHERE {same_key(layout, 'u', 's')}"
    return f"({valid} UNION ALL SELECT {ADD}, {columns} FROM {tables.snapshot} AS s WHERE EXISTS ({known}))"


def _plan_table(dialect: Dialect, tables: Tables, layout: Layout, source: str, *, whole: bool) -> str:
    """`o` identifies an operation by all its values, whichever run plans it."""
    keys = [f"d.{key.column}" for key in layout.keys]
    now = [f"d.{slot.column}" for slot in layout.values]
    before = [f"s.{slot.column}" for slot in layout.values]
    previous = "".join(f", s.{slot.column} AS p{slot.column}" for slot in layout.values)
    condition = "FALSE" if whole else same_key(layout, "d", "s")
    # Sorted first and numbered as they come: a window with an order of its own costs half as much again.
    return (
        f"CREATE TABLE {tables.plan} AS SELECT row_number() OVER () - 1 AS seq, o.* FROM ("
        f"SELECT d.kind, {', '.join(keys + now)}, d.h{previous}, "
        f"{dialect.row_hash(['d.kind', *keys, *now, *before])} AS o "
        f"FROM {source} AS d LEFT JOIN {tables.snapshot} AS s ON {condition} "
        f"ORDER BY d.kind, {', '.join(keys)}) AS o"
    )
