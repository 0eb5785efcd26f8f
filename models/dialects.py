"""Which SQL a warehouse speaks, by its URL, and how names are quoted in it."""

from __future__ import annotations

import re

__all__ = ["dialect_of", "quoted", "quoted_table"]

_NAMES = {
    "postgresql": "postgres",
    "mariadb": "mysql",
    "mssql": "tsql",
    "awsathena": "athena",
    "databricks": "databricks",
}
_BACKTICKS = frozenset(
    {"mysql", "bigquery", "databricks", "spark", "hive", "clickhouse", "doris", "starrocks"}
)
_UPPER = frozenset({"snowflake", "oracle"})
_PLAIN = re.compile(r"[a-z_][a-z0-9_]*")


def dialect_of(url: str) -> str:
    """The dialect's name in sqlglot, of a SQLAlchemy URL: `postgresql+psycopg://…` is `postgres`."""
    scheme = re.split(r"[:+]", url, maxsplit=1)[0].lower()
    return _NAMES.get(scheme, scheme)


def quoted(identifier: str, dialect: str) -> str:
    """An identifier in a dialect's quotes.

    Snowflake and Oracle take plain names for upper case ones: a plain lower-case name stays as it is there.
    """
    if dialect in _UPPER and _PLAIN.fullmatch(identifier):
        return identifier
    mark = "`" if dialect in _BACKTICKS else '"'
    return f"{mark}{identifier.replace(mark, mark * 2)}{mark}"


def quoted_table(name: str, dialect: str) -> str:
    """A table's name with each of its parts (`schema.table`) in quotes."""
    return ".".join(quoted(part, dialect) for part in name.split("."))
