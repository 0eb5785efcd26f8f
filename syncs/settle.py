"""Settle: what the destination accepted is merged into the snapshot, what it refused is kept with its words.

One transaction in the warehouse: it can be repeated after a crash at any moment, and does nothing the second
time, because the plan that it settles is gone with the first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from connectors.errors import LeaseLost
from connectors.warehouses import Session
from connectors.warehouses.literals import text_literal
from syncs.home import Home
from syncs.journal import Entry, RejectedSeq, merged_ranges
from syncs.layout import Layout
from syncs.names import LOG, Tables
from syncs.plan import KINDS
from syncs.snapshot import Bearing, read_bearing, same_key, write_bearing

__all__ = ["Outcome", "drop_plan", "settle"]

_DONE, _REFUSED = "headrace_done", "headrace_refused"
_ROWS_A_STATEMENT = 500


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a run's plan.

    Ranges that are `unfinished` stay planned. `doubtful` says that a whole set may have become the visible
    one or not, so that the next one is sent whatever the snapshot says.
    """

    run_id: str
    entries: Sequence[Entry]
    unfinished: Sequence[tuple[int, int]] = ()
    doubtful: bool = False


def settle(home: Home, tables: Tables, fence: int, outcome: Outcome, *, keep_log_days: int = 30) -> None:
    """Merge a run's journalled outcomes into the snapshot, and drop of its plan what is not unfinished.

    Raises:
        LeaseLost: somebody with a newer lease has planned meanwhile.
        WarehouseError: the warehouse refused; nothing is settled.
    """
    session, run_id = home.session, outcome.run_id
    with session.transaction():
        bearing = read_bearing(session, tables)
        if bearing is None or bearing.plan_run != run_id:
            return
        if bearing.fence > fence:
            raise LeaseLost(f"{tables.sync}: another run has taken over; this one settles nothing")
        if outcome.entries:
            _load(session, outcome.entries)
            _merge(session, tables, bearing)
            _keep_rejected(session, tables, bearing.layout, run_id)
            _write_log(home, tables, bearing.layout, run_id, keep_log_days)
            bearing.revision += 1
        bearing.doubtful = outcome.doubtful
        bearing.fence = fence
        _leave(session, tables, bearing, outcome.unfinished)


def drop_plan(session: Session, tables: Tables, fence: int) -> None:
    """Forget a plan of which nothing was sent; the next run plans anew."""
    with session.transaction():
        bearing = read_bearing(session, tables)
        if bearing is not None and bearing.plan_run is not None:
            bearing.fence = max(fence, bearing.fence)
            _leave(session, tables, bearing, ())


def _leave(session: Session, tables: Tables, bearing: Bearing, unfinished: Sequence[tuple[int, int]]) -> None:
    if unfinished:
        kept = " OR ".join(f"(seq >= {a} AND seq < {b})" for a, b in unfinished)
        session.run(f"DELETE FROM {tables.plan} WHERE NOT ({kept})")
    else:
        session.run(f"DROP TABLE IF EXISTS {tables.plan}")
        bearing.plan_run = None
    write_bearing(session, tables, bearing)


def _load(session: Session, entries: Sequence[Entry]) -> None:
    """Temporary tables of the ranges with an outcome and of the rows refused in them."""
    for table in (_DONE, _REFUSED):
        session.run(f"DROP TABLE IF EXISTS {table}")
    session.run(f"CREATE TEMP TABLE {_DONE} (first BIGINT, after BIGINT)")
    session.run(f"CREATE TEMP TABLE {_REFUSED} (seq BIGINT, code TEXT, message TEXT, retryable BOOLEAN)")
    _insert(session, _DONE, [f"({a}, {b})" for a, b in merged_ranges(entries)])
    _insert(session, _REFUSED, [_row(rejected) for entry in entries for rejected in entry.rejections])


def _row(rejected: RejectedSeq) -> str:
    code, message = (text_literal(words.replace("\x00", "�")) for words in (rejected.code, rejected.message))
    return f"({rejected.seq}, {code}, {message}, {'TRUE' if rejected.retryable else 'FALSE'})"


def _insert(session: Session, table: str, rows: list[str]) -> None:
    for part in _parts(rows):
        session.run(f"INSERT INTO {table} VALUES {', '.join(part)}")


def _parts(rows: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(rows), _ROWS_A_STATEMENT):
        yield rows[start : start + _ROWS_A_STATEMENT]


def _with_outcome(tables: Tables, outcome: str) -> str:
    """Planned rows in a journalled range, those refused or those not."""
    refused = f"EXISTS (SELECT 1 FROM {_REFUSED} AS r WHERE r.seq = p.seq)"
    return (
        f"SELECT p.* FROM {tables.plan} AS p JOIN {_DONE} AS d ON p.seq >= d.first AND p.seq < d.after "
        f"WHERE {'' if outcome == 'rejected' else 'NOT '}{refused}"
    )


def _merge(session: Session, tables: Tables, bearing: Bearing) -> None:
    """Put accepted rows in the place of the old ones; DuckDB's MERGE takes ten times as long as these two."""
    layout = bearing.layout
    every = ", ".join(slot.column for slot in (*layout.keys, *layout.values)) + ", h"
    accepted = _with_outcome(tables, "accepted")
    one_by_one = f" USING ({accepted}) AS a WHERE {same_key(layout, 's', 'a')}"
    session.run(
        f"DELETE FROM {tables.snapshot} AS s{'' if bearing.plan.get('mode') == 'replace' else one_by_one}"
    )
    session.run(
        f"INSERT INTO {tables.snapshot} ({every}) SELECT {every} FROM ({accepted}) AS a WHERE kind <> 0"
    )


def _keep_rejected(session: Session, tables: Tables, layout: Layout, run_id: str) -> None:
    """Rows accepted now are rejected no more; rows refused are kept with the words and number of tries."""
    if session.rows(f"SELECT 1 FROM {tables.rejected} LIMIT 1"):
        session.run(
            f"DELETE FROM {tables.rejected} AS t USING ({_with_outcome(tables, 'accepted')}) AS a "
            f"WHERE {same_key(layout, 't', 'a')}"
        )
    keys = [key.column for key in layout.keys]
    picked = ", ".join(f"p.{column}" for column in keys)
    refused = (
        f"SELECT {picked}, p.kind, p.h, r.code, r.message, r.retryable "
        f"FROM {tables.plan} AS p JOIN {_REFUSED} AS r ON r.seq = p.seq"
    )
    now = {name: f"n.{name}" for name in (*keys, "kind", "h", "code", "message", "retryable")}
    now |= {"again": "FALSE", "attempts": "1", "run": text_literal(run_id), "first_at": "now()"}
    now["last_at"] = "now()"
    again = {**now, "attempts": "t.attempts + 1", "first_at": "t.first_at"}
    changed = ", ".join(f"{name} = {value}" for name, value in again.items() if name not in keys)
    session.run(
        f"MERGE INTO {tables.rejected} AS t USING ({refused}) AS n ON {same_key(layout, 't', 'n')} "
        f"WHEN MATCHED THEN UPDATE SET {changed} "
        f"WHEN NOT MATCHED THEN INSERT ({', '.join(now)}) VALUES ({', '.join(now.values())})"
    )


def _write_log(home: Home, tables: Tables, layout: Layout, run_id: str, keep_days: int) -> None:
    session = home.session
    key = home.dialect.json_object([(slot.name, f"p.{slot.column}") for slot in layout.keys])
    kinds = " ".join(f"WHEN {number} THEN '{kind.value}'" for number, kind in KINDS.items())
    session.run(
        f"INSERT INTO {LOG} SELECT {text_literal(run_id)}, {text_literal(tables.sync)}, {key}, "
        f"CASE p.kind {kinds} END, CASE WHEN r.seq IS NULL THEN 'accepted' ELSE 'rejected' END, r.code, "
        f"r.message, now() FROM {tables.plan} AS p JOIN {_DONE} AS d ON p.seq >= d.first AND p.seq < d.after "
        f"LEFT JOIN {_REFUSED} AS r ON r.seq = p.seq"
    )
    session.run(
        f"DELETE FROM {LOG} WHERE sync = {text_literal(tables.sync)} "
        f"""AND "at" < now() - INTERVAL '{int(keep_days)} days'"""
    )
