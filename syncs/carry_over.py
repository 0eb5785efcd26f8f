"""Carries a snapshot over to another layout: a field more or less, a column of another type.

A number's type may change: where its value stays what it is, nothing is sent. A field whose value the new
type cannot hold is sent anew. A primary key of another type names other rows, unless all its values stay.
"""

from __future__ import annotations

from connectors.warehouses import Dialect, Session
from connectors.warehouses.base import HUB_SCHEMA
from syncs.layout import Layout, Slot
from syncs.names import Tables

__all__ = ["carry_over", "moved_keys"]

_NUMBERS = {"integer", "decimal", "float"}


def moved_keys(
    session: Session, dialect: Dialect, tables: Tables, old: Layout, wanted: list[Slot]
) -> list[tuple[Slot, Slot]]:
    """Key columns, before and now, with stored values that the wanted type cannot hold."""
    before = {slot.name: slot for slot in old.keys}
    pairs = [(before[slot.name], slot) for slot in wanted if slot.role == "key"]
    return [
        (was, now)
        for was, now in pairs
        if not _same_type(was, now)
        and any(
            session.rows(f"SELECT 1 FROM {table} WHERE {_lost(dialect, was, now)} LIMIT 1")
            for table in (tables.snapshot, tables.rejected)
        )
    ]


def carry_over(session: Session, dialect: Dialect, tables: Tables, old: Layout, new: Layout) -> None:
    """Rebuild the snapshot in the new layout. A value that the new type cannot hold makes its row dirty."""
    before = {slot.column: slot for slot in old.slots}
    parts, dirty = [], ["h IS NULL"]
    for slot in new.slots:
        was = before.get(slot.column)
        if was is None:
            parts.append(f"CAST(NULL AS {slot.native}) AS {slot.column}")
            continue
        parts.append(f"{_cast(dialect, was, slot)} AS {slot.column}")
        if not _same_type(was, slot):
            dirty.append(_lost(dialect, was, slot))
    kept = f"CASE WHEN {' OR '.join(dirty)} THEN NULL ELSE h END AS h"
    bare = tables.snapshot.split(".", 1)[1]
    aside = f"{bare[:-1]}__old{bare[-1]}"
    session.run(f"ALTER TABLE {tables.snapshot} RENAME TO {aside}")
    session.run(
        f"CREATE TABLE {tables.snapshot} AS SELECT {', '.join(parts)}, {kept} FROM {HUB_SCHEMA}.{aside}"
    )
    session.run(f"DROP TABLE {HUB_SCHEMA}.{aside}")
    for key in new.keys:
        was = before[key.column]
        if was.native != key.native:
            session.run(
                f"ALTER TABLE {tables.rejected} ALTER COLUMN {key.column} TYPE {key.native} "
                f"USING {_cast(dialect, was, key)}"
            )


def _same_type(was: Slot, now: Slot) -> bool:
    return (was.native, was.logical) == (now.native, now.logical)


def _cast(dialect: Dialect, was: Slot, now: Slot) -> str:
    """The stored column in the new type, null where nothing can be said."""
    if _same_type(was, now):
        return was.column
    if {was.logical, now.logical} <= _NUMBERS:
        return dialect.exact_cast(was.column, was.stored, now.native)
    return f"CAST(NULL AS {now.native})"


def _lost(dialect: Dialect, was: Slot, now: Slot) -> str:
    """A condition that the stored value is another one, or none, in the new type: it does not come back."""
    there = f"{was.column} IS NOT NULL"
    if not {was.logical, now.logical} <= _NUMBERS:
        return f"({there})"
    back = dialect.exact_cast(f"({_cast(dialect, was, now)})", now.stored, was.native)
    return f"({there} AND ({back} = {was.column}) IS NOT TRUE)"
