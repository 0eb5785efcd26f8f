"""What all tests share: databases of their own on the servers of this machine."""

from __future__ import annotations

import os
import secrets
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import URL, create_engine, make_url, text
from sqlalchemy.exc import OperationalError

if TYPE_CHECKING:
    from models.state import State

_SERVERS = {
    "PostgreSQL": ("HEADRACE_TEST_POSTGRES_URL", "postgresql+psycopg://root@127.0.0.1:5432/test"),
    "MariaDB": ("HEADRACE_TEST_MARIADB_URL", "mysql+pymysql://root@127.0.0.1:3306/test"),
    "Redis": ("HEADRACE_TEST_REDIS_URL", "redis://127.0.0.1:6379/0"),
}
_NO_ANSWER = "server does not answer: "


def _server(name: str) -> str:
    variable, default = _SERVERS[name]
    return os.environ.get(variable) or default


def _skip(name: str) -> None:
    pytest.skip(f"{_NO_ANSWER}{name} ({_SERVERS[name][0]})")


def _fresh_database(name: str, server: URL, drop: str) -> Iterator[str]:
    database = f"headrace_test_{secrets.token_hex(6)}"
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {database}"))
    except OperationalError:
        engine.dispose()
        _skip(name)
    try:
        yield server.set(database=database).render_as_string(hide_password=False)
    finally:
        with engine.connect() as connection:
            connection.execute(text(drop.format(database)))
        engine.dispose()


@pytest.fixture
def postgres_url() -> Iterator[str]:
    """A SQLAlchemy URL (`postgresql://`) to an empty PostgreSQL database of the test's own."""
    server = make_url(_server("PostgreSQL")).set(drivername="postgresql+psycopg")
    for url in _fresh_database("PostgreSQL", server, "DROP DATABASE {} WITH (FORCE)"):
        yield url.replace("postgresql+psycopg://", "postgresql://", 1)


@pytest.fixture(params=["sqlite", "postgresql"])
def state_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A URL to a state database that does not exist yet, on each kind of database that can hold one."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/.headrace/state.db"
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture
def state(state_url: str) -> Iterator[State]:
    """An open state, on each kind of database."""
    from models.state import open_state

    with open_state(state_url) as opened:
        yield opened


@pytest.fixture
def mariadb_url() -> Iterator[str]:
    """A SQLAlchemy URL (`mysql+pymysql://`) to an empty MariaDB database of the test's own."""
    server = make_url(_server("MariaDB")).set(drivername="mysql+pymysql")
    yield from _fresh_database("MariaDB", server, "DROP DATABASE {}")


@pytest.fixture
def redis_url() -> str:
    """A URL to a Redis that other tests use too: keep to `redis_prefix`."""
    import redis

    url = _server("Redis")
    with redis.Redis.from_url(url, socket_connect_timeout=2) as client:
        try:
            client.ping()
        except redis.ConnectionError:
            _skip("Redis")
    return url


@pytest.fixture
def redis_prefix(redis_url: str) -> Iterator[str]:
    """A prefix of keys that is the test's own; they are deleted afterwards."""
    import redis

    prefix = f"headrace_test_{secrets.token_hex(6)}:"
    yield prefix
    with redis.Redis.from_url(redis_url) as client:
        for key in client.scan_iter(match=f"{prefix}*", count=1000):
            client.delete(key)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """List the tests that did not run because a server did not answer, by server."""
    skipped: dict[str, list[str]] = defaultdict(list)
    for report in terminalreporter.stats.get("skipped", []):
        words = report.longrepr[2] if isinstance(report.longrepr, tuple) else ""
        if _NO_ANSWER in words:
            skipped[words.rpartition(_NO_ANSWER)[2]].append(report.nodeid)
    for server, tests in sorted(skipped.items()):
        terminalreporter.section(f"not run: {server} does not answer; `make services` starts it")
        for test in sorted(tests):
            terminalreporter.write_line(test)
