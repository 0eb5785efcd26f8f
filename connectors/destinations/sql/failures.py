"""What a database's error means for the batch, in words that hold none of the batch's values.

PostgreSQL: classes of SQLSTATE (https://www.postgresql.org/docs/current/errcodes-appendix.html). MySQL and
MariaDB: error numbers (https://dev.mysql.com/doc/mysql-errors/8.4/en/server-error-reference.html). SQLite:
extended result codes (https://sqlite.org/rescode.html). DuckDB: classes of exceptions.
"""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy.exc import DataError, DBAPIError, IntegrityError

from connectors.errors import BatchRefused, ConfigError, HubError, OutcomeUnknown, Unauthorized, Unavailable
from connectors.redaction import redactor

__all__ = ["failure"]


def failure(error: DBAPIError, engine: str, *, committing: bool = False) -> HubError:
    """The error to raise about a batch (or about a connection) in place of the driver's."""
    if committing and error.connection_invalidated:
        return OutcomeUnknown("the connection was lost while a batch was committed")
    return _BY_ENGINE[engine](error)


def _first_line(error: BaseException | None) -> str:
    lines = str(error).strip().splitlines()
    return redactor.redact(lines[0]) if lines else type(error).__name__


def _words(name: str) -> str:
    """`UniqueViolation` as `unique violation`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name).lower()


# --- PostgreSQL

_DENIED = re.compile(
    r"authentication failed|no password supplied|role .* does not exist|pg_hba|permitted to log in"
)
_CONTENT = ("21", "22", "23", "27", "44", "54", "P0")
_CONFIGURATION = ("0A", "3D", "3F", "42")


def _postgresql(error: DBAPIError) -> HubError:
    origin: Any = error.orig
    state = getattr(origin, "sqlstate", None)
    if state is None:
        return _postgresql_without_state(error)
    words = _words(type(origin).__name__)
    if state.startswith("28") or (state == "42501" and "row-level security" not in str(origin)):
        return Unauthorized(f"PostgreSQL says: {words}{_place(origin)}")
    if state == "42501" or state.startswith(_CONTENT):
        return BatchRefused(f"{words}{_place(origin)}", code=words.replace(" ", "_"))
    if state.startswith(_CONFIGURATION):
        return ConfigError(f"PostgreSQL says: {words}: {_first_line(origin)}")
    return Unavailable(f"PostgreSQL says: {words}")


def _postgresql_without_state(error: DBAPIError) -> HubError:
    text = str(error.orig)
    if _DENIED.search(text):
        return Unauthorized(f"PostgreSQL refuses the login: {_first_line(error.orig)}")
    if isinstance(error, DataError):
        # The driver refuses before it sends, as with NUL in a text; its words may show the value.
        return BatchRefused("a value that PostgreSQL cannot hold", code="data_error")
    if re.search(r'database ".*" does not exist', text):
        return ConfigError(f"PostgreSQL says: {_first_line(error.orig)}")
    return Unavailable(f"PostgreSQL does not answer: {_first_line(error.orig)}")


def _place(origin: Any) -> str:
    diagnosis = origin.diag
    named = (("constraint", diagnosis.constraint_name), ("column", diagnosis.column_name))
    found = ", ".join(f"{what} {name}" for what, name in named if name)
    return f" ({found})" if found else ""


# --- MySQL, MariaDB

_MYSQL_WORDS = {
    1022: "duplicate key",
    1048: "a column that must not be null is null",
    1062: "duplicate key",
    1153: "the batch is larger than max_allowed_packet",
    1264: "a number out of its column's range",
    1265: "a value that its column would cut",
    1292: "a date or number that its column cannot hold",
    1364: "a column without a default is not mapped",
    1366: "a value that its column cannot hold",
    1406: "a text longer than its column",
    1451: "foreign key violation",
    1452: "foreign key violation",
    3140: "invalid JSON",
    3819: "check violation",
    4025: "check violation",
}
_MYSQL_DENIED = frozenset({1044, 1045, 1142, 1143, 1227, 1370, 1410, 1698, 1820, 1862, 3118})
_MYSQL_CONFIGURATION = frozenset({1046, 1049, 1054, 1064, 1071, 1103, 1146, 1170, 1347, 1348, 1471})
_MYSQL_BUSY = frozenset(
    {1020, 1021, 1028, 1037, 1038, 1040, 1041, 1053, 1114, 1129, 1135, 1158, 1159, 1160, 1161, 1180, 1203}
    | {1205, 1206, 1213, 1226, 1290, 1317, 1613, 1614, 1792, 1836, 1969, 1927, 3024, 3572, 3989}
)
_MYSQL_FIRST_SERVER_ERROR = 1000
_MYSQL_CLIENT_ERRORS = range(2000, 3000)
_MYSQL_COLUMN = re.compile(r"^(?:Data too long for|Out of range value for)? ?[Cc]olumn '([^']+)'")


def _mysql(error: DBAPIError) -> HubError:
    arguments: tuple[Any, ...] = getattr(error.orig, "args", ())
    number = arguments[0] if arguments and isinstance(arguments[0], int) else 0
    text = str(arguments[1]) if len(arguments) > 1 else ""
    if number in _MYSQL_DENIED:
        return Unauthorized(f"MySQL refuses ({number}): {redactor.redact(text)}")
    if number in _MYSQL_CONFIGURATION:
        return ConfigError(f"MySQL says ({number}): {redactor.redact(text)}")
    is_lost = error.connection_invalidated or number in _MYSQL_CLIENT_ERRORS
    if is_lost or number in _MYSQL_BUSY:
        return Unavailable(f"MySQL does not answer or is busy ({number})")
    if number < _MYSQL_FIRST_SERVER_ERROR and not isinstance(error, DataError | IntegrityError):
        return Unavailable(f"MySQL does not answer ({_words(type(error.orig).__name__)})")
    words = _MYSQL_WORDS.get(number, f"MySQL refuses it with error {number}")
    column = _MYSQL_COLUMN.match(text)
    return BatchRefused(f"{words} (column {column[1]})" if column else words, code=str(number))


# --- SQLite

_SQLITE_CONTENT = ("SQLITE_CONSTRAINT", "SQLITE_MISMATCH", "SQLITE_TOOBIG")
_SQLITE_DENIED = ("SQLITE_READONLY", "SQLITE_PERM", "SQLITE_AUTH")


def _sqlite(error: DBAPIError) -> HubError:
    code = getattr(error.orig, "sqlite_errorname", "") or ""
    if code.startswith(_SQLITE_CONTENT) or (not code and isinstance(error, IntegrityError | DataError)):
        return BatchRefused(_first_line(error.orig), code=code.removeprefix("SQLITE_").lower() or "refused")
    if code.startswith(_SQLITE_DENIED):
        return Unauthorized(f"SQLite says: {_first_line(error.orig)}")
    if code in {"SQLITE_ERROR", "SQLITE_NOTADB", "SQLITE_CORRUPT", "SQLITE_SCHEMA"}:
        return ConfigError(f"SQLite says: {_first_line(error.orig)}")
    return Unavailable(f"SQLite says: {_first_line(error.orig)}")


# --- DuckDB

_DUCKDB_CONFIGURATION = frozenset(
    {"BinderException", "CatalogException", "ParserException", "SyntaxException"}
)
_DUCKDB_CONTENT = frozenset(
    {"ConstraintException", "ConversionException", "OutOfRangeException", "InvalidInputException"}
    | {
        "TypeMismatchException",
        "DataError",
        "IntegrityError",
        "InvalidTypeException",
        "NotImplementedException",
    }
)


def _duckdb(error: DBAPIError) -> HubError:
    name = type(error.orig).__name__
    words = _words(name.removesuffix("Exception"))
    if name in _DUCKDB_CONTENT:
        return BatchRefused(f"DuckDB refuses it: {words} error", code=words.replace(" ", "_"))
    if name == "PermissionException":
        return Unauthorized("DuckDB says: permission error")
    if name in _DUCKDB_CONFIGURATION:
        return ConfigError(f"DuckDB says: {_first_line(error.orig)}")
    if name == "IOException":
        return Unavailable(f"DuckDB says: {_first_line(error.orig)}")
    return Unavailable(f"DuckDB says: {words} error")


_BY_ENGINE = {"postgresql": _postgresql, "mysql": _mysql, "sqlite": _sqlite, "duckdb": _duckdb}
