"""Opens the state database, SQLite or PostgreSQL, and hands out its transactions."""

from __future__ import annotations

import datetime as dt
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Self

from sqlalchemy import URL, Connection, Engine, create_engine, event, func, make_url, select
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from connectors.errors import ConfigError, StateError
from models.state.schema import ensure_schema
from models.state.tables import to_json

__all__ = ["State", "open_state"]

_BUSY_SECONDS = 30.0


class State:
    """The state database. Threads may share it; each transaction has a connection of its own.

    `url` is fit to be shown: without password and options.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.url = _shown(engine.url)
        self._writer = engine.execution_options(headrace_writes=True)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that only reads.

        Raises:
            StateError: the database fails or cannot be reached.
        """
        with _told(self.engine.url), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that writes: committed at the end, rolled back on an error.

        On SQLite it holds the write lock from its start, so what it reads cannot change under it.

        Raises:
            StateError: the database fails, cannot be reached, or was locked by others for 30 seconds.
        """
        with _told(self.engine.url), self._writer.begin() as connection:
            yield connection

    @staticmethod
    def now(connection: Connection) -> dt.datetime:
        """The clock that all users of this database share: the server's, or this host's for SQLite."""
        if connection.dialect.name == "postgresql":
            moment: dt.datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
            return moment.astimezone(dt.UTC)
        return dt.datetime.now(dt.UTC)

    def close(self) -> None:
        """Close every idle connection."""
        self.engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_state(url: str, folder: Path | None = None) -> State:
    """Open the state database, create it where it is missing, migrate it where it is behind.

    Args:
        url: `sqlite:///path` or `postgresql://…`.
        folder: what a relative SQLite path is relative to; the current folder without it.

    Raises:
        ConfigError: the URL is none of a state, or PostgreSQL's driver is not installed.
        StateError: the database cannot be opened, is damaged, or is of a newer headrace.
    """
    parsed = _parse(url)
    state = State(_sqlite(parsed, folder) if parsed.get_backend_name() == "sqlite" else _postgres(parsed))
    try:
        ensure_schema(state)
    except BaseException:
        state.close()
        raise
    return state


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        # The cause would repeat the URL, and with it a password.
        raise ConfigError(
            "state: not a database URL; write sqlite:///.headrace/state.db or postgresql://user@host/database"
        ) from None
    if parsed.drivername not in {"sqlite", "sqlite+pysqlite", "postgresql", "postgresql+psycopg"}:
        raise ConfigError(
            f"state: {parsed.drivername}:// cannot hold the state; write sqlite:/// or postgresql://"
        )
    return parsed


def _postgres(url: URL) -> Engine:
    options: dict[str, Any] = {
        "connect_timeout": 10,
        "tcp_user_timeout": 30_000,
        "application_name": "headrace",
    }
    try:
        engine = create_engine(
            url.set(drivername="postgresql+psycopg"),
            connect_args={name: value for name, value in options.items() if name not in url.query},
            json_serializer=to_json,
            hide_parameters=True,
            pool_pre_ping=True,
        )
    except ModuleNotFoundError as missing:
        raise ConfigError(
            "state: PostgreSQL needs a driver that is not installed; run `pip install headrace[postgres]`"
        ) from missing
    event.listen(engine, "connect", _limit_waits)
    return engine


def _limit_waits(connection: DBAPIConnection, _record: object) -> None:
    # A process paused inside a transaction loses it before those that wait for its locks give up.
    cursor = connection.cursor()
    cursor.execute("SET idle_in_transaction_session_timeout = '20s'")
    cursor.execute(f"SET lock_timeout = '{_BUSY_SECONDS:.0f}s'")
    cursor.close()
    connection.commit()


def _sqlite(url: URL, folder: Path | None) -> Engine:
    if not url.database or url.database == ":memory:" or url.database.startswith("file:"):
        raise ConfigError("state: a state outlives the process; write a file, sqlite:///.headrace/state.db")
    if url.query:
        raise ConfigError(f"state: a SQLite URL takes no options here; found {', '.join(url.query)}")
    path = (folder or Path()) / url.database
    _create_file(path, _shown(url))
    with _told(url):
        _use_wal(path)
    engine = create_engine(
        url.set(drivername="sqlite", database=str(path)),
        connect_args={"timeout": _BUSY_SECONDS},
        json_serializer=to_json,
        hide_parameters=True,
    )
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


def _create_file(path: Path, shown: str) -> None:
    try:
        if not path.parent.exists():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except (OSError, ValueError) as error:
        raise StateError(f"the state {shown} cannot be opened: {error}") from error


def _prepare(connection: sqlite3.Connection, _record: object) -> None:
    # SQLAlchemy's own advice: the driver's implicit transactions off, ours by the `begin` event.
    connection.isolation_level = None
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("headrace_writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _use_wal(path: Path) -> None:
    # The mode stays with the file. Switching does not wait for SQLite's busy timeout, so we do.
    deadline = time.monotonic() + _BUSY_SECONDS
    with closing(sqlite3.connect(path, timeout=_BUSY_SECONDS)) as connection:
        while True:
            try:
                connection.execute("PRAGMA journal_mode = WAL")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
            else:
                return


def _shown(url: URL) -> str:
    return url.set(query={}).render_as_string(hide_password=True)


@contextmanager
def _told(url: URL) -> Iterator[None]:
    try:
        yield
    except IntegrityError:
        raise
    except (DBAPIError, sqlite3.Error, PoolTimeout) as error:
        words = str(getattr(error, "orig", None) or error).strip()
        if url.password:
            words = words.replace(url.password, "***")
        raise StateError(f"the state {_shown(url)} fails: {words}") from error
