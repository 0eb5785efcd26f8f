"""Loads: the history of what was ingested."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import insert, select, update

from models.state.database import State
from models.state.tables import loads

__all__ = ["Load", "LoadStatus", "Loads"]

LoadStatus = Literal["running", "done", "failed"]


@dataclass(frozen=True, slots=True)
class Load:
    """One ingest of a source. `tables` maps each table to what it received: `{"rows": …, "rejected": …}`."""

    id: int
    source: str
    started_at: dt.datetime
    finished_at: dt.datetime | None
    status: LoadStatus
    tables: dict[str, Any]


class Loads:
    """The loads that a state knows."""

    def __init__(self, state: State) -> None:
        self._state = state

    def start(self, source: str) -> int:
        """Note that an ingest begins; the load's id."""
        row = {"source": source, "started_at": dt.datetime.now(dt.UTC), "status": "running", "tables": {}}
        with self._state.write() as connection:
            load_id: int = connection.execute(insert(loads).values(row).returning(loads.c.id)).scalar_one()
        return load_id

    def finish(self, load_id: int, status: LoadStatus, tables: Mapping[str, Any]) -> None:
        """Note how an ingest ended and what each table received.

        Raises:
            KeyError: there is no such load.
        """
        end = {"finished_at": dt.datetime.now(dt.UTC), "status": status, "tables": dict(tables)}
        with self._state.write() as connection:
            changed = connection.execute(update(loads).where(loads.c.id == load_id).values(end)).rowcount
        if not changed:
            raise KeyError(load_id)

    def history(self, source: str | None = None, limit: int = 50) -> list[Load]:
        """Loads of one source, or of all, newest first."""
        query = select(loads).order_by(loads.c.id.desc()).limit(limit)
        if source is not None:
            query = query.where(loads.c.source == source)
        with self._state.read() as connection:
            return [Load(**row) for row in connection.execute(query).mappings()]
