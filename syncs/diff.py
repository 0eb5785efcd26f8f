"""What differs between a model's mapped rows and the snapshot: one full join by key, compared by hash."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from connectors.warehouses import Dialect, Session
from syncs.layout import Layout, Slot
from syncs.names import Tables
from syncs.snapshot import same_key

if TYPE_CHECKING:
    from syncs.home import Home

__all__ = ["ADD", "CHANGE", "DIFF", "DUPLICATED", "REMOVE", "Diff", "Rows", "compare", "keep_back_rejected"]

REMOVE, CHANGE, ADD = 0, 1, 2
"""Kinds in the order of their delivery."""

DIFF = "headrace_diff"
DUPLICATED = "headrace_duplicated"
"""The keys that the model has twice or more; made only where there are some."""
_MAPPED = "headrace_mapped"


@dataclass(frozen=True, slots=True)
class Rows:
    """The model's mapped rows, with the layout's columns and the hash `h`.

    Where they are not `stored` but asked of the warehouse by a question, they may be other ones the next time
    and cost as much again.
    """

    relation: str
    stored: bool

    def store(self, session: Session) -> Rows:
        """The same rows in a temporary table."""
        session.run(f"CREATE TEMP TABLE {_MAPPED} AS SELECT * FROM {self.relation} AS m")
        return Rows(_MAPPED, stored=True)


@dataclass(frozen=True, slots=True)
class Diff:
    """How many rows the model and the snapshot have, and how many of the model's are invalid."""

    model_rows: int
    snapshot_rows: int
    null_keys: int
    duplicated: int

    @property
    def invalid(self) -> int:
        """Rows that cannot be sent."""
        return self.null_keys + self.duplicated


def compare(
    home: Home, tables: Tables, layout: Layout, rows: Rows, deadband: Mapping[str, float], *, resend: bool
) -> Diff:
    """Fill the temporary table `DIFF` with the rows that differ, without invalid ones, which are listed.

    With `resend`, every row of the model differs.
    """
    session = home.session
    snapshot_rows = _one(session, f"SELECT count(*) FROM {tables.snapshot}")
    everything = resend or not snapshot_rows
    session.run(_differing(tables, layout, rows, deadband, everything=everything))
    keyed = " AND ".join(f"{key.column} IS NOT NULL" for key in layout.keys)
    keys = ", ".join(key.column for key in layout.keys)
    unchanged, added, removed, changed, nulls = (int(n or 0) for n in session.rows(_counts(keyed))[0])
    model_rows = unchanged + added + changed + nulls
    if rows.stored and not everything:
        model_rows = _one(session, f"SELECT count(*) FROM {rows.relation} AS m")
    unique = f"SELECT DISTINCT {keys} FROM {DIFF} WHERE {keyed}"
    distinct = _one(session, f"SELECT count(*) FROM ({unique}) AS d")
    # Snapshot keys are unique. So without duplicates the matched rows are as many on both sides, and every
    # key of the differing rows is there once; only where that fails is the costly search for duplicates made.
    matched = model_rows - added - nulls
    suspicious = matched != snapshot_rows - removed or distinct != added + changed + removed
    if suspicious and not rows.stored:
        session.run(f"DROP TABLE {DIFF}")
        return compare(home, tables, layout, rows.store(session), deadband, resend=resend)
    duplicated = _set_duplicates_aside(session, layout, rows.relation, keyed, keys) if suspicious else 0
    _list_invalid(session, home.dialect, tables, layout, keyed, duplicated=bool(duplicated))
    return Diff(model_rows, snapshot_rows, nulls, duplicated)


def keep_back_rejected(
    session: Session,
    tables: Tables,
    layout: Layout,
    policy: Literal["every_run", "on_change", "never"],
    kinds: Sequence[int],
) -> int:
    """Take rows out of `DIFF` that were rejected before and are not to be tried again now; how many.

    A rejected row that differs no more, or not in one of the `kinds` that are sent, is forgotten.
    """
    same = same_key(layout, "r", "d")
    if not _one(session, f"SELECT count(*) FROM {tables.rejected}"):
        return 0
    session.run(
        f"DELETE FROM {tables.rejected} AS r WHERE NOT EXISTS (SELECT 1 FROM {DIFF} AS d "
        f"WHERE {same} AND d.kind IN ({', '.join(map(str, kinds))}))"
    )
    if policy == "every_run":
        return 0
    unchanged = " AND r.kind = d.kind AND r.h IS NOT DISTINCT FROM d.h" if policy == "on_change" else ""
    return session.run(
        f"DELETE FROM {DIFF} AS d USING {tables.rejected} AS r WHERE {same} AND NOT r.again{unchanged}"
    )


def _one(session: Session, query: str) -> int:
    return int(session.rows(query)[0][0])


def _differing(
    tables: Tables, layout: Layout, rows: Rows, deadband: Mapping[str, float], *, everything: bool
) -> str:
    """The statement that makes `DIFF`. Each of its rows stands for `n` of the same.

    Of rows that can be read but once, those that do not differ become a single one without a kind, to be
    counted.
    """
    first = layout.keys[0].column
    kind = f"CASE WHEN m.h IS NULL THEN {REMOVE} WHEN s.{first} IS NULL THEN {ADD} ELSE {CHANGE} END"
    columns = {"kind": kind}
    columns |= {key.column: f"coalesce(m.{key.column}, s.{key.column})" for key in layout.keys}
    columns |= {column: f"m.{column}" for column in (*(slot.column for slot in layout.values), "h")}
    joined = f"FROM {rows.relation} AS m FULL JOIN {tables.snapshot} AS s ON {same_key(layout, 'm', 's')}"
    differs = " OR ".join(["(m.h = s.h) IS NOT TRUE", *_moves(layout, deadband)])
    counted = not everything and not rows.stored
    if counted:
        columns = {name: f"CASE WHEN {differs} THEN {value} END" for name, value in columns.items()}
    picked = ", ".join(f"{value} AS {name}" for name, value in columns.items())
    if counted:
        numbers = ", ".join(str(i + 1) for i in range(len(columns)))
        return f"CREATE TEMP TABLE {DIFF} AS SELECT {picked}, count(*) AS n {joined} GROUP BY {numbers}"
    where = "" if everything else f" WHERE {differs}"
    return f"CREATE TEMP TABLE {DIFF} AS SELECT {picked}, 1 AS n {joined}{where}"


def _counts(keyed: str) -> str:
    """How many rows of `DIFF` are unchanged, added, removed, changed, and without a key."""
    conditions = ("kind IS NULL", f"kind = {ADD} AND {keyed}", f"kind = {REMOVE}", f"kind = {CHANGE}")
    nulls = f"kind = {ADD} AND NOT ({keyed})"
    counted = ", ".join(f"sum(n) FILTER (WHERE {condition})" for condition in (*conditions, nulls))
    return f"SELECT {counted} FROM {DIFF}"


def _moves(layout: Layout, deadband: Mapping[str, float]) -> list[str]:
    """Conditions that a field with a deadband has moved far enough, or to or from null or NaN."""
    return [
        f"(m.{slot.column} IS DISTINCT FROM s.{slot.column} AND "
        f"(abs({_number('m', slot)} - {_number('s', slot)}) >= {deadband[slot.name]!r}) IS NOT FALSE)"
        for slot in layout.fields
        if slot.name in deadband
    ]


def _number(table: str, slot: Slot) -> str:
    column = f"{table}.{slot.column}"
    return f"CAST({column} AS DOUBLE)" if slot.native == "VARCHAR" else column


def _set_duplicates_aside(session: Session, layout: Layout, relation: str, keyed: str, keys: str) -> int:
    session.run(
        f"CREATE TEMP TABLE {DUPLICATED} AS SELECT {keys}, count(*) AS n FROM {relation} AS m WHERE {keyed} "
        f"GROUP BY {keys} HAVING count(*) > 1"
    )
    session.run(f"DELETE FROM {DIFF} AS d USING {DUPLICATED} AS u WHERE {same_key(layout, 'd', 'u')}")
    return _one(session, f"SELECT coalesce(sum(n), 0) FROM {DUPLICATED}")


def _list_invalid(
    session: Session, dialect: Dialect, tables: Tables, layout: Layout, keyed: str, *, duplicated: bool
) -> None:
    key = dialect.json_object([(slot.name, slot.column) for slot in layout.keys])
    session.run(f"DELETE FROM {tables.invalid}")
    session.run(
        f"INSERT INTO {tables.invalid} SELECT 'null_key', {key}, sum(n) FROM {DIFF} "
        f"WHERE kind = {ADD} AND NOT ({keyed}) GROUP BY {key}"
    )
    session.run(f"DELETE FROM {DIFF} WHERE NOT ({keyed})")
    if duplicated:
        session.run(f"INSERT INTO {tables.invalid} SELECT 'duplicate_key', {key}, n FROM {DUPLICATED}")
