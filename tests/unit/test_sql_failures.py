"""What databases' errors are taken for."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pymysql
import pytest
import sqlalchemy as sa
from psycopg import errors as pg
from pydantic import ValidationError

from connectors.destinations.sql import SqlSettings
from connectors.destinations.sql.failures import failure
from connectors.errors import BatchRefused, ConfigError, OutcomeUnknown, Unauthorized, Unavailable


def wrapped(origin: Exception, *, is_lost: bool = False) -> sa.exc.DBAPIError:
    """A driver's error as SQLAlchemy hands it on."""
    return sa.exc.OperationalError("INSERT", {}, origin, connection_invalidated=is_lost)


@pytest.mark.parametrize(
    ("engine", "origin", "expected"),
    [
        ("postgresql", pg.DeadlockDetected("x"), Unavailable),
        ("postgresql", pg.SerializationFailure("x"), Unavailable),
        ("postgresql", pg.LockNotAvailable("x"), Unavailable),
        ("postgresql", pg.AdminShutdown("x"), Unavailable),
        ("postgresql", pg.DiskFull("x"), Unavailable),
        ("postgresql", pg.InsufficientPrivilege("x"), Unauthorized),
        ("postgresql", pg.InvalidPassword("x"), Unauthorized),
        ("postgresql", pg.UndefinedTable("x"), ConfigError),
        ("postgresql", pg.UniqueViolation("secret"), BatchRefused),
        ("postgresql", pg.NumericValueOutOfRange("secret"), BatchRefused),
        ("postgresql", pg.RaiseException("secret"), BatchRefused),
        ("postgresql", psycopg.OperationalError('password authentication failed for user "x"'), Unauthorized),
        ("postgresql", psycopg.OperationalError("Connection refused"), Unavailable),
        ("mysql", pymysql.err.OperationalError(1213, "Deadlock found"), Unavailable),
        ("mysql", pymysql.err.OperationalError(1205, "Lock wait timeout"), Unavailable),
        ("mysql", pymysql.err.OperationalError(2013, "Lost connection"), Unavailable),
        ("mysql", pymysql.err.OperationalError(1142, "INSERT command denied"), Unauthorized),
        ("mysql", pymysql.err.ProgrammingError(1146, "no table"), ConfigError),
        ("mysql", pymysql.err.IntegrityError(1062, "Duplicate entry 'secret' for key 'x'"), BatchRefused),
        ("mysql", pymysql.err.OperationalError(1153, "packet bigger"), BatchRefused),
        ("mysql", pymysql.err.DataError(1366, "Incorrect value: 'secret' for column 'x'"), BatchRefused),
    ],
)
def test_errors_are_told_by_what_comes_next(engine: str, origin: Exception, expected: type) -> None:
    """Retry, stop, edit or halve: and never a value in the words."""
    told = failure(wrapped(origin), engine)
    assert type(told) is expected
    assert "secret" not in str(told)


def test_a_connection_lost_in_the_commit_is_unknown() -> None:
    """Only there may the batch have been written; lost before it, nothing was."""
    lost = wrapped(psycopg.OperationalError("server closed the connection"), is_lost=True)
    assert isinstance(failure(lost, "postgresql", committing=True), OutcomeUnknown)
    assert isinstance(failure(lost, "postgresql"), Unavailable)


def test_sqlite_says_busy_denied_or_refused(tmp_path: Path) -> None:
    """The extended result code decides."""

    def told(path: str, *statements: str, uri: bool = False) -> Any:
        with closing(sqlite3.connect(path, uri=uri, timeout=0)) as connection:
            try:
                for statement in statements:
                    connection.execute(statement)
            except sqlite3.Error as error:
                return failure(wrapped(error), "sqlite")
        raise AssertionError(statements)

    file = str(tmp_path / "db")
    holder = sqlite3.connect(file)
    holder.execute("CREATE TABLE t (id INTEGER PRIMARY KEY)")
    holder.execute("BEGIN EXCLUSIVE")
    assert isinstance(told(file, "INSERT INTO t VALUES (1)"), Unavailable)
    holder.rollback()
    holder.close()
    assert isinstance(told(file, "INSERT INTO t VALUES (1)", "INSERT INTO t VALUES (1)"), BatchRefused)
    assert isinstance(told(f"file:{file}?mode=ro", "INSERT INTO t VALUES (1)", uri=True), Unauthorized)
    assert isinstance(told(file, "INSERT INTO nowhere VALUES (1)"), ConfigError)


@pytest.mark.parametrize("url", ["", "x", "oracle://h/d", "http://h", "postgresql://h:port/d", "sqlite://"])
def test_urls_of_no_known_database_are_refused(url: str) -> None:
    """The error names what is supported, and not the URL, which may hold a password."""
    with pytest.raises(ValidationError) as refused:
        SqlSettings.model_validate({"url": url})
    assert not url or f"'{url}'" not in str(refused.value)


def test_a_relative_file_starts_at_the_project(tmp_path: Path) -> None:
    """As every path in a project; absolute paths stay."""
    for given, expected in (
        ("sqlite:///a/b.db", f"sqlite:///{tmp_path}/a/b.db"),
        ("sqlite:////abs.db", "sqlite:////abs.db"),
    ):
        made = SqlSettings.model_validate({"url": given}, context={"project_root": tmp_path})
        assert made.url.get_secret_value() == expected


def test_the_url_does_not_show() -> None:
    """Neither the settings' words nor their dump hold the password."""
    made = SqlSettings.model_validate({"url": "postgresql://u:hunter22@h/d"})
    assert "hunter22" not in repr(made) + str(made.model_dump())
