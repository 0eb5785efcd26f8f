"""The snapshot: what a destination has accepted, kept as the mapping changes.

Beside each snapshot stands what it was made for (`Bearing.identity`), its layout and its hash function. Where
a mapping edit, another type or another hash function makes these differ, the stored records are carried over
and hashed anew: so an edit re-sends the rows whose record differs, an engine upgrade none. A row that must be
sent whatever its record says has no hash.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from connectors.errors import ConfigError
from connectors.warehouses import Dialect, Session
from connectors.warehouses.base import HUB_SCHEMA
from connectors.warehouses.literals import text_literal
from syncs.carry_over import carry_over, moved_keys
from syncs.layout import Layout, Slot
from syncs.names import LOG, SNAPSHOTS, Tables

__all__ = [
    "Bearing",
    "adopt",
    "forget",
    "hash_of",
    "moves",
    "prepare",
    "read_bearing",
    "same_key",
    "write_bearing",
]


@dataclass(slots=True)
class Bearing:
    """What stands beside a snapshot.

    `identity` is the sync's primary key, destination and object; `hashed` the hash function and the columns
    it covers; `revision` grows with every settling; `plan` is what the unsettled plan was made for, with its
    `plan_run`; `fence` is the lease's token of whoever planned last. `doubtful` says that the destination may
    hold another whole set than the snapshot.
    """

    identity: dict[str, Any]
    layout: Layout
    hashed: dict[str, Any] = field(default_factory=dict)
    revision: int = 0
    fence: int = 0
    plan_run: str | None = None
    plan: dict[str, Any] = field(default_factory=dict)
    doubtful: bool = False


def prepare(session: Session) -> None:
    """Create what all syncs share."""
    if {"snapshots", "sync_log"} <= session.tables(HUB_SCHEMA):
        return
    session.lock("schema")  # CREATE IF NOT EXISTS fails where two sessions create at once
    session.run(f"CREATE SCHEMA IF NOT EXISTS {HUB_SCHEMA}")
    session.run(
        f"CREATE TABLE IF NOT EXISTS {SNAPSHOTS} (sync VARCHAR(64) NOT NULL, bearing TEXT NOT NULL, "
        "revision BIGINT NOT NULL, fence BIGINT NOT NULL, plan_run VARCHAR(64))"
    )
    session.run(
        f'CREATE TABLE IF NOT EXISTS {LOG} (run VARCHAR(64), sync VARCHAR(64), "key" TEXT, '
        'operation VARCHAR(16), outcome VARCHAR(16), code TEXT, message TEXT, "at" TIMESTAMP WITH TIME ZONE)'
    )


def read_bearing(session: Session, tables: Tables) -> Bearing | None:
    """What stands beside the sync's snapshot, None where there is no snapshot."""
    found = session.rows(
        f"SELECT bearing, revision, fence, plan_run FROM {SNAPSHOTS} WHERE sync = {text_literal(tables.sync)}"
    )
    if not found:
        return None
    stored, revision, fence, plan_run = found[0]
    parts = json.loads(stored)
    layout = Layout.from_json(parts["layout"])
    known = parts["identity"], layout, parts["hashed"], revision, fence, plan_run, parts["plan"]
    return Bearing(*known, doubtful=parts.get("doubtful", False))


def write_bearing(session: Session, tables: Tables, bearing: Bearing) -> None:
    """Keep it; inside the transaction that changed the snapshot or the plan."""
    parts = {
        "identity": bearing.identity,
        "layout": bearing.layout.to_json(),
        "hashed": bearing.hashed,
        "plan": bearing.plan,
        "doubtful": bearing.doubtful,
    }
    run = "NULL" if bearing.plan_run is None else text_literal(bearing.plan_run)
    session.run(f"DELETE FROM {SNAPSHOTS} WHERE sync = {text_literal(tables.sync)}")
    session.run(
        f"INSERT INTO {SNAPSHOTS} VALUES ({text_literal(tables.sync)}, {text_literal(json.dumps(parts))}, "
        f"{bearing.revision}, {bearing.fence}, {run})"
    )


def same_key(layout: Layout, left: str, right: str) -> str:
    """A condition that two relations' rows have the same primary key."""
    return " AND ".join(f"{left}.{key.column} = {right}.{key.column}" for key in layout.keys)


def hash_of(dialect: Dialect, layout: Layout, deadband: Mapping[str, float]) -> str:
    """The row hash over everything that is compared exactly."""
    return dialect.row_hash([slot.column for slot in _hashed(layout, deadband)])


def adopt(
    session: Session,
    dialect: Dialect,
    tables: Tables,
    wanted: list[Slot],
    identity: dict[str, Any],
    deadband: Mapping[str, float],
) -> Bearing:
    """The sync's snapshot, made or carried over to today's mapping; its bearing is not written yet.

    Raises:
        ConfigError: it was made for another primary key, destination or object.
    """
    bearing = read_bearing(session, tables)
    if bearing is None:
        bearing = Bearing(identity, Layout(()).merged(wanted, ()))
        _create(session, tables, bearing.layout)
    elif moved := moves(session, dialect, tables, bearing, wanted, identity):
        raise ConfigError(_moved_words(tables.sync, moved))
    layout = bearing.layout.merged(wanted, _in_use(session, tables, bearing.layout, wanted))
    hashed = {
        "function": session.hash_version,
        "columns": [[slot.column, slot.native] for slot in _hashed(layout, deadband)],
    }
    if [slot.stored for slot in layout.slots] != [slot.stored for slot in bearing.layout.slots]:
        carry_over(session, dialect, tables, bearing.layout, layout)
        bearing.hashed = {}
    if bearing.hashed != hashed and bearing.revision:
        session.run(
            f"UPDATE {tables.snapshot} SET h = {hash_of(dialect, layout, deadband)} WHERE h IS NOT NULL"
        )
    bearing.layout, bearing.hashed = layout, hashed
    return bearing


def forget(session: Session, tables: Tables) -> None:
    """Drop everything the warehouse holds of a sync but its log."""
    for table in tables.all:
        session.run(f"DROP TABLE IF EXISTS {table}")
    session.run(f"DELETE FROM {SNAPSHOTS} WHERE sync = {text_literal(tables.sync)}")


def _hashed(layout: Layout, deadband: Mapping[str, float]) -> list[Slot]:
    return [slot for slot in layout.values if slot.role == "match" or slot.name not in deadband]


def _create(session: Session, tables: Tables, layout: Layout) -> None:
    keys = ", ".join(f"{slot.column} {slot.native} NOT NULL" for slot in layout.keys)
    values = "".join(f", {slot.column} {slot.native}" for slot in layout.values)
    forget(session, tables)
    session.run(f"CREATE TABLE {tables.snapshot} ({keys}{values}, h {_hash_type(session)})")
    session.run(
        f"CREATE TABLE {tables.rejected} ({keys}, kind SMALLINT NOT NULL, h {_hash_type(session)}, "
        "code TEXT, message TEXT, retryable BOOLEAN, again BOOLEAN, attempts INTEGER, run VARCHAR(64), "
        "first_at TIMESTAMP WITH TIME ZONE, last_at TIMESTAMP WITH TIME ZONE)"
    )
    session.run(f"CREATE TABLE {tables.invalid} (reason VARCHAR(16), key_json TEXT, n BIGINT)")


def _hash_type(session: Session) -> str:
    return "UBIGINT" if session.hash_version.startswith("duckdb") else "BIGINT"


def _in_use(session: Session, tables: Tables, layout: Layout, wanted: list[Slot]) -> list[str]:
    """Columns of fields that are not wanted any more but were delivered with a value."""
    names = {(slot.role, slot.name) for slot in wanted}
    unwanted = [slot.column for slot in layout.slots if (slot.role, slot.name) not in names]
    if not unwanted:
        return []
    counts = session.rows(f"SELECT {', '.join(f'count({c})' for c in unwanted)} FROM {tables.snapshot}")[0]
    return [column for column, used in zip(unwanted, counts, strict=True) if used]


def moves(
    session: Session,
    dialect: Dialect,
    tables: Tables,
    bearing: Bearing,
    wanted: list[Slot],
    identity: dict[str, Any],
) -> list[str]:
    """What a snapshot was made for and is no more, in words; empty where it fits."""
    was = bearing.identity
    if was != identity:
        return [
            f"{part} was {was.get(part)!r} and is {identity[part]!r}"
            for part in identity
            if was.get(part) != identity[part]
        ]
    return [
        f"primary key {old.name} was {old.logical} and is {new.logical}"
        for old, new in moved_keys(session, dialect, tables, bearing.layout, wanted)
    ]


def _moved_words(sync: str, moved: list[str]) -> str:
    return (
        f"sync {sync}: {'; '.join(moved)}. What was delivered there is known only for the old one. "
        f"'headrace sync resync {sync}' sends every row to the new one and removes nothing; "
        f"'headrace sync reset {sync}' forgets the old one and sends nothing now"
    )
