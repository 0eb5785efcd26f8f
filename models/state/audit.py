"""The audit trail: what people did to runs, syncs and models."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import insert, select

from models.state.database import State
from models.state.tables import audit

__all__ = ["Audit", "Deed"]


@dataclass(frozen=True, slots=True)
class Deed:
    """Who did what to which run, sync or model version, and when."""

    at: dt.datetime
    actor: str
    action: str
    subject: str
    details: dict[str, Any]


class Audit:
    """The trail that a state keeps; nothing removes from it."""

    def __init__(self, state: State) -> None:
        self._state = state

    def record(self, actor: str, action: str, subject: str, details: Mapping[str, Any] | None = None) -> None:
        """Note a deed, such as `approve` of a run or `promote` of a model version."""
        row = {
            "at": dt.datetime.now(dt.UTC),
            "actor": actor,
            "action": action,
            "subject": subject,
            "details": dict(details or {}),
        }
        with self._state.write() as connection:
            connection.execute(insert(audit), row)

    def history(self, subject: str | None = None, limit: int = 50) -> list[Deed]:
        """Deeds done to one subject, or to all, newest first."""
        columns = audit.c
        query = select(columns.at, columns.actor, columns.action, columns.subject, columns.details)
        if subject is not None:
            query = query.where(columns.subject == subject)
        with self._state.read() as connection:
            return [Deed(*row) for row in connection.execute(query.order_by(columns.id.desc()).limit(limit))]
