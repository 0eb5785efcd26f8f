"""Where a database is: its URL as a person writes it, and the engine that is opened for it."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from connectors.errors import ConfigError

__all__ = ["EMBEDDED", "SUPPORTED", "engine_of", "open_engine", "parsed"]

EMBEDDED = frozenset({"sqlite", "duckdb"})
"""Engines in a file: one writer at a time."""

SUPPORTED = ("postgresql", "mysql", "mariadb", "sqlite", "duckdb")

_DRIVERS = {
    "postgresql": ("postgresql+psycopg", "psycopg", "headrace[postgres]"),
    "postgres": ("postgresql+psycopg", "psycopg", "headrace[postgres]"),
    "mysql": ("mysql+pymysql", "pymysql", "headrace[mysql]"),
    "mariadb": ("mariadb+pymysql", "pymysql", "headrace[mysql]"),
    "sqlite": ("sqlite", "sqlite3", "Python with sqlite3"),
    "duckdb": ("duckdb", "duckdb_engine", "duckdb-engine"),
}


def parsed(url: str, project_root: Path | None = None) -> sa.URL:
    """The URL with the driver that headrace uses, a relative file taken from the project folder.

    Raises:
        ValueError: it is no URL, or of an engine that this destination does not know.
    """
    try:
        made = sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError):
        raise ValueError(
            "is no database URL; it looks like postgresql://user:password@host/database"
        ) from None
    family = made.drivername.partition("+")[0]
    if family not in _DRIVERS:
        raise ValueError(f"has the scheme '{family}'; one of {', '.join(SUPPORTED)} is supported")
    made = made.set(drivername=_DRIVERS[family][0])
    file = made.database
    if family in EMBEDDED:
        if not file or ":memory:" in file:
            raise ValueError("names a database in memory, which is gone when the run ends; name a file")
        if project_root and not file.startswith("file:"):
            made = made.set(database=str(project_root / file))
    return made


def engine_of(dialect: sa.Dialect) -> str:
    """The engine's name, one of postgresql, mysql (MariaDB too), sqlite, duckdb."""
    return "mysql" if dialect.name == "mariadb" else dialect.name


def open_engine(url: sa.URL, *, connections: int, timeout_seconds: float) -> sa.Engine:
    """An engine with at most that many connections, each of which speaks UTC and gives up after the timeout.

    Raises:
        ConfigError: the driver is not installed.
    """
    family = url.get_backend_name()
    _, module, package = _DRIVERS[family]
    if find_spec(module) is None:
        raise ConfigError(f"{family} needs a driver that is not installed: pip install '{package}'")
    options: dict[str, Any] = {"hide_parameters": True}
    if family == "duckdb":
        # The file is let go between batches: it may be the warehouse, which others wait for.
        options |= {"poolclass": NullPool}
    else:
        options |= {"pool_size": connections, "max_overflow": 0, "pool_pre_ping": True}
    engine = sa.create_engine(url, connect_args=_arguments(family, timeout_seconds), **options)
    sa.event.listen(engine, "connect", _Greeting(family, timeout_seconds))
    return engine


def _arguments(family: str, timeout_seconds: float) -> dict[str, Any]:
    whole = max(1, round(timeout_seconds))
    if family == "postgresql":
        return {"connect_timeout": whole}
    if family in {"mysql", "mariadb"}:
        return {
            "connect_timeout": whole,
            "read_timeout": whole,
            "write_timeout": whole,
            "charset": "utf8mb4",
        }
    if family == "sqlite":
        return {"timeout": timeout_seconds}
    return {}


class _Greeting:
    """What each new connection is told first."""

    def __init__(self, family: str, timeout_seconds: float) -> None:
        milliseconds = max(1, round(timeout_seconds * 1000))
        self._statements = {
            "postgresql": ["SET TIME ZONE 'UTC'", f"SET statement_timeout = {milliseconds}"],
            "duckdb": ["SET TimeZone = 'UTC'"],
            "sqlite": [],
        }.get(
            family,
            [
                # Without the strict mode MySQL cuts a value that is too long, and says nothing.
                "SET SESSION sql_mode = CONCAT(@@SESSION.sql_mode, ',STRICT_ALL_TABLES')",
                "SET SESSION time_zone = '+00:00'",
                # Gap locks of the default level make parallel batches wait for each other.
                "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
            ],
        )

    def __call__(self, connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        for statement in self._statements:
            cursor.execute(statement)
        cursor.close()
        if self._statements:
            connection.commit()
