"""Runs: one execution of a sync each."""

from __future__ import annotations

import dataclasses
import datetime as dt
import secrets
from dataclasses import dataclass, field
from typing import Any, Literal

from sqlalchemy import ColumnElement, delete, insert, select, update

from models.state.database import State
from models.state.tables import runs

__all__ = ["Run", "RunStatus", "Runs", "new_run_id"]

RunStatus = Literal[
    "planning", "held", "delivering", "settling", "done", "failed", "interrupted", "cancelled"
]

_BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


def new_run_id() -> str:
    """A name for a run that sorts by time: `YYYYMMDDTHHMMSS-` in UTC and six random base32 characters."""
    now = dt.datetime.now(dt.UTC)
    return f"{now:%Y%m%dT%H%M%S}-{''.join(secrets.choice(_BASE32) for _ in range(6))}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run of a sync.

    `fence` is the lease's token under which it runs, `definition` a hash of what was declared, `total` the
    number of planned operations. `settled` says that nothing of it is left to merge into the snapshot, also
    where there never was. `counts` is what people see, `details` the engine's own.
    """

    sync: str
    id: str = field(default_factory=new_run_id)
    status: RunStatus = "planning"
    started_at: dt.datetime = field(default_factory=lambda: dt.datetime.now(dt.UTC))
    finished_at: dt.datetime | None = None
    fence: int = 0
    definition: str = ""
    total: int = 0
    settled: bool = False
    error: str | None = None
    counts: dict[str, Any] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)


class Runs:
    """The runs that a state knows."""

    def __init__(self, state: State) -> None:
        self._state = state

    def create(self, run: Run) -> None:
        """Store a new run."""
        row = {name.name: getattr(run, name.name) for name in dataclasses.fields(run)}
        with self._state.write() as connection:
            connection.execute(insert(runs), row)

    def update(self, run_id: str, **columns: Any) -> None:
        """Set columns of a run, named as the fields of `Run`.

        Raises:
            KeyError: there is no such run.
        """
        with self._state.write() as connection:
            changed = connection.execute(update(runs).where(runs.c.id == run_id).values(**columns)).rowcount
        if not changed:
            raise KeyError(run_id)

    def get(self, run_id: str) -> Run | None:
        """A run by its id."""
        return next(iter(self._select(runs.c.id == run_id)), None)

    def latest(self, sync: str) -> Run | None:
        """The newest run of a sync."""
        return next(iter(self.history(sync, limit=1)), None)

    def history(self, sync: str | None = None, limit: int = 50) -> list[Run]:
        """Runs of one sync, or of all, newest first."""
        return self._select(*_of(sync), limit=limit)

    def unsettled(self, sync: str) -> list[Run]:
        """Runs that may have outcomes not yet in the snapshot, oldest first; held ones have none."""
        return self._select(*_of(sync), runs.c.settled.is_(False), runs.c.status != "held")[::-1]

    def held(self, sync: str | None = None) -> list[Run]:
        """Runs that a guard holds, of one sync or of all, newest first."""
        return self._select(*_of(sync), runs.c.status == "held")

    def prune(self, before: dt.datetime) -> int:
        """Forget settled runs that finished before a moment, with their journal; how many."""
        old = delete(runs).where(runs.c.settled.is_(True), runs.c.finished_at < before)
        with self._state.write() as connection:
            return connection.execute(old).rowcount

    def _select(self, *where: ColumnElement[bool], limit: int | None = None) -> list[Run]:
        query = select(runs).where(*where).order_by(runs.c.started_at.desc(), runs.c.id.desc()).limit(limit)
        with self._state.read() as connection:
            return [Run(**row) for row in connection.execute(query).mappings()]


def _of(sync: str | None) -> list[ColumnElement[bool]]:
    return [] if sync is None else [runs.c.sync == sync]
