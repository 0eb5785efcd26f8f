"""A column's type in each engine, and a value in the form that the engine's driver takes.

| logical | PostgreSQL | MySQL, MariaDB | SQLite | DuckDB |
| --- | --- | --- | --- | --- |
| integer | BIGINT | BIGINT | BIGINT | BIGINT |
| decimal | NUMERIC | DECIMAL(65,30) | NUMERIC | DECIMAL(38,18) |
| float | DOUBLE PRECISION | DOUBLE | DOUBLE | DOUBLE |
| text | TEXT | LONGTEXT, in a key VARCHAR(255) by code point | TEXT | VARCHAR |
| timestamp, timestamptz | TIMESTAMP, TIMESTAMPTZ | DATETIME(6) in UTC | DATETIME in UTC | as PostgreSQL |
| json, list, struct | JSONB | JSON | TEXT | JSON |
| uuid | UUID | VARCHAR(36) | TEXT | UUID |
"""

from __future__ import annotations

import datetime as dt
import math
import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql

from connectors.destinations.sql.address import engine_of
from connectors.values import holds_in_double, on_wire

__all__ = ["UnstorableError", "column_type", "from_driver", "to_driver"]

_JSON = frozenset({"json", "list", "struct"})
_SQLITE_INTEGERS = 2**63

_Type = sa.types.TypeEngine[Any]


class UnstorableError(ValueError):
    """The engine has no place for a value."""


_EVERYWHERE: dict[str, _Type] = {
    "boolean": sa.Boolean(),
    "integer": sa.BigInteger(),
    "decimal": sa.Numeric(),
    "float": sa.Double(),
    "date": sa.Date(),
    "timestamp": sa.DateTime(),
    "timestamptz": sa.DateTime(timezone=True),
    "time": sa.Time(),
    "binary": sa.LargeBinary(),
    "uuid": sa.Uuid(),
    "json": sa.JSON(),
}
_OWN: dict[str, dict[str, _Type]] = {
    "postgresql": {"json": postgresql.JSONB()},
    "mysql": {
        "text": mysql.LONGTEXT(charset="utf8mb4"),
        "decimal": sa.Numeric(65, 30),
        "timestamp": mysql.DATETIME(fsp=6),
        "timestamptz": mysql.DATETIME(fsp=6),
        "time": mysql.TIME(fsp=6),
        "binary": mysql.LONGBLOB(),
        "uuid": sa.String(36),
    },
    "sqlite": {"uuid": sa.Text(), "json": sa.Text()},
    # DuckDB's own default, DECIMAL(18,3), would round.
    "duckdb": {"decimal": sa.Numeric(38, 18)},
}


def column_type(logical: str, dialect: sa.Dialect, *, is_key: bool = False) -> _Type:
    """The type of a new column."""
    engine = engine_of(dialect)
    if is_key and engine == "mysql" and logical in {"text", "uuid"}:
        # Compared by code point and with trailing spaces: 'a', 'A' and 'a ' are three keys.
        collation = "utf8mb4_nopad_bin" if getattr(dialect, "is_mariadb", False) else "utf8mb4_0900_bin"
        return mysql.VARCHAR(255, charset="utf8mb4", collation=collation)
    name = "json" if logical in _JSON else logical
    return _OWN[engine].get(name) or _EVERYWHERE.get(name) or sa.Text()


def to_driver(engine: str, logical: str, native: _Type | None = None) -> Callable[[Any], Any]:
    """How values of a logical type are handed to an engine's driver, for a column of a native type."""
    if logical in _JSON and not (engine == "postgresql" and isinstance(native, sa.ARRAY)):
        return lambda value: None if value is None else _json(value)
    convert = _TO_DRIVER[engine]
    return lambda value: None if value is None else convert(value)


def _json(value: Any) -> str:
    return orjson.dumps(on_wire(value)).decode()


def _postgresql(value: Any) -> Any:
    return _json(value) if isinstance(value, dict) else value


def _duckdb(value: Any) -> Any:
    if isinstance(value, dict | list | tuple):
        return _json(value)
    if isinstance(value, Decimal) and not value.is_finite():
        return None
    return value


def _mysql(value: Any) -> Any:
    if isinstance(value, dict | list | tuple):
        return _json(value)
    if isinstance(value, float | Decimal) and not math.isfinite(value):
        return None
    if isinstance(value, dt.datetime):
        return _in_utc(value)
    return str(value) if isinstance(value, uuid.UUID) else value


def _sqlite(value: Any) -> Any:
    if isinstance(value, Decimal):
        return _sqlite_decimal(value)
    if isinstance(value, int) and not -_SQLITE_INTEGERS <= value < _SQLITE_INTEGERS:
        raise UnstorableError("an integer of more than 64 bits")
    value = _mysql(value)
    if isinstance(value, dt.datetime):
        return value.isoformat(sep=" ", timespec="microseconds")
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    return value


def _sqlite_decimal(value: Decimal) -> int | float | None:
    if not value.is_finite():
        return None
    if not holds_in_double(value):
        raise UnstorableError("a decimal of more digits than SQLite keeps")
    is_integer = value == value.to_integral_value() and abs(value) < _SQLITE_INTEGERS
    return int(value) if is_integer else float(value)


_TO_DRIVER: dict[str, Callable[[Any], Any]] = {
    "postgresql": _postgresql,
    "mysql": _mysql,
    "sqlite": _sqlite,
    "duckdb": _duckdb,
}


def _in_utc(value: dt.datetime) -> dt.datetime:
    return value.astimezone(dt.UTC).replace(tzinfo=None) if value.tzinfo else value


def from_driver(value: Any, logical: str) -> Any:
    """A value as the driver gives it, as a Python value of a logical type."""
    if value is None:
        return None
    convert = _FROM_DRIVER.get(logical)
    return value if convert is None else convert(value)


def _instant(value: Any) -> Any:
    read = dt.datetime.fromisoformat(value) if isinstance(value, str) else value
    if not isinstance(read, dt.datetime):
        return read
    return read.astimezone(dt.UTC) if read.tzinfo else read.replace(tzinfo=dt.UTC)


def _time(value: Any) -> Any:
    if isinstance(value, dt.timedelta):  # pymysql reads a TIME as the span since midnight
        return (dt.datetime(1, 1, 1, tzinfo=dt.UTC) + value).time()
    return dt.time.fromisoformat(value) if isinstance(value, str) else value


_FROM_DRIVER: dict[str, Callable[[Any], Any]] = {
    "boolean": lambda v: bool(v) if isinstance(v, int) else v,
    "decimal": lambda v: v if isinstance(v, Decimal) else Decimal(str(v)),
    "date": lambda v: dt.date.fromisoformat(v) if isinstance(v, str) else v,
    "timestamp": lambda v: dt.datetime.fromisoformat(v) if isinstance(v, str) else v,
    "timestamptz": _instant,
    "time": _time,
    "uuid": lambda v: uuid.UUID(v) if isinstance(v, str) else v,
    **dict.fromkeys(_JSON, lambda v: orjson.loads(v) if isinstance(v, str | bytes) else v),
}
