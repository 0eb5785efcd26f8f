"""The state's tables. A change here needs a migration; a test holds the two together."""

from __future__ import annotations

import datetime as dt
import json
import math
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    TypeDecorator,
)

__all__ = [
    "UtcDateTime",
    "Words",
    "audit",
    "journal",
    "leases",
    "loads",
    "metadata",
    "model_versions",
    "runs",
    "to_json",
]


class UtcDateTime(TypeDecorator[dt.datetime]):
    """A moment: aware datetimes in, aware datetimes in UTC out, on every database."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: dt.datetime | None, dialect: Dialect) -> dt.datetime | None:
        """The value in UTC, without zone where the database has none.

        Raises:
            ValueError: for a datetime without zone.
        """
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a datetime without a time zone is no moment")
        utc = value.astimezone(dt.UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: dt.datetime | None, dialect: Dialect) -> dt.datetime | None:
        """The stored moment, aware, in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=dt.UTC) if dialect.name == "sqlite" else value.astimezone(dt.UTC)


class Words(TypeDecorator[str]):
    """Text from outside, such as an error's words: what a database cannot store becomes U+FFFD."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002 - SQLAlchemy calls it so
        """The text without NUL characters and lone surrogates."""
        if value is None:
            return None
        return value.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: _finite(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return value


def to_json(value: Any) -> str:
    """JSON text in ASCII; NaN and infinities, which JSON does not have, become null."""
    return json.dumps(_finite(value), allow_nan=False)


metadata = MetaData()

runs = Table(
    "headrace_runs",
    metadata,
    Column("id", Text, primary_key=True),
    Column("sync", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("started_at", UtcDateTime, nullable=False),
    Column("finished_at", UtcDateTime),
    Column("fence", BigInteger, nullable=False),
    Column("definition", Text, nullable=False),
    Column("total", BigInteger, nullable=False),
    Column("settled", Boolean, nullable=False),
    Column("error", Words),
    Column("counts", JSON, nullable=False),
    Column("details", JSON, nullable=False),
    Index("headrace_runs_by_sync", "sync", "started_at"),
)

journal = Table(
    "headrace_journal",
    metadata,
    Column("run_id", Text, ForeignKey("headrace_runs.id", ondelete="CASCADE"), primary_key=True),
    Column("from_seq", BigInteger, primary_key=True, autoincrement=False),
    Column("to_seq", BigInteger, nullable=False),
    Column("rejections", JSON, nullable=False),
    Column("at", UtcDateTime, nullable=False),
)

leases = Table(
    "headrace_leases",
    metadata,
    Column("name", Text, primary_key=True),
    Column("holder", Text),
    Column("process", Text),
    Column("token", BigInteger, nullable=False),
    Column("acquired_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("heartbeat_at", UtcDateTime, nullable=False),
    Column("doing", Words, nullable=False),
)

audit = Table(
    "headrace_audit",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    Column("actor", Words, nullable=False),
    Column("action", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("details", JSON, nullable=False),
    Index("headrace_audit_by_subject", "subject", "at"),
)

model_versions = Table(
    "headrace_model_versions",
    metadata,
    Column("prediction", Text, primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("status", Text, nullable=False),
    Column("model_file", Text, nullable=False),
    Column("metrics", JSON, nullable=False),
    Column("parameters", JSON, nullable=False),
    Column("features", JSON, nullable=False),
    Column("data", JSON, nullable=False),
    Column("code_version", Text, nullable=False),
    Column("promoted_at", UtcDateTime),
    Column("promoted_by", Words),
)

loads = Table(
    "headrace_loads",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("source", Text, nullable=False),
    Column("started_at", UtcDateTime, nullable=False),
    Column("finished_at", UtcDateTime),
    Column("status", Text, nullable=False),
    Column("tables", JSON, nullable=False),
    Index("headrace_loads_by_source", "source", "started_at"),
)
