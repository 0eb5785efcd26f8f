"""Brings a state database to the schema this version knows, without alembic where it is there already."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, inspect, text

from connectors.errors import StateError

if TYPE_CHECKING:
    from models.state.database import State

__all__ = ["HEAD", "VERSION_TABLE", "ensure_schema"]

HEAD = "0001"
"""The newest revision under `migrations/versions`, known here so that opening need not ask alembic."""

VERSION_TABLE = "headrace_alembic_version"

_MIGRATION_LOCK = 0x68656164726163
"""PostgreSQL's advisory lock that lets one process migrate at a time."""


def ensure_schema(state: State) -> None:
    """Migrate a state that is behind; several processes may try at once.

    Raises:
        StateError: the schema is newer than this version of headrace, or the database fails.
    """
    with state.read() as connection:
        if _is_current(connection, state.url):
            return
    with state.write() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _MIGRATION_LOCK})
        if not _is_current(connection, state.url):
            _migrate(connection)


def _is_current(connection: Connection, url: str) -> bool:
    if not inspect(connection).has_table(VERSION_TABLE):
        return False
    found: str | None = connection.scalar(text(f"SELECT version_num FROM {VERSION_TABLE}"))
    if found is not None and (not found.isdecimal() or int(found) > int(HEAD)):
        raise StateError(
            f"the state {url} has schema {found}, this headrace knows up to {HEAD}: "
            "upgrade headrace, or point `state` to another database"
        )
    return found == HEAD


def _migrate(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    folder = str(Path(__file__).parent / "migrations")
    config.set_main_option("script_location", folder.replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, HEAD)
