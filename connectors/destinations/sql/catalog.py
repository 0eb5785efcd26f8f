"""The catalogues of DuckDB and MySQL, asked directly.

duckdb_engine asks for tables of PostgreSQL's that DuckDB 2 does not have; SQLAlchemy reads MySQL's
SHOW CREATE TABLE with patterns that stumble over a quote in a name.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import sqlalchemy as sa

from connectors.destinations.sql.address import engine_of

__all__ = ["ASKED_DIRECTLY", "CatalogColumn", "columns", "tables", "unique"]

ASKED_DIRECTLY = frozenset({"duckdb", "mysql"})

_DUCKDB = (
    "database_name = current_database() "
    "AND schema_name = coalesce(CAST(:schema AS VARCHAR), current_schema())"
)
_MYSQL = "table_schema = coalesce(:schema, database())"

_TABLES = {
    "duckdb": f"SELECT table_name FROM duckdb_tables() WHERE {_DUCKDB} ORDER BY 1",
    "mysql": f"SELECT table_name FROM information_schema.tables WHERE {_MYSQL} "
    "AND table_type = 'BASE TABLE' ORDER BY 1",
}
_COLUMNS = {
    "duckdb": f"SELECT column_name, data_type, NOT is_nullable AND column_default IS NULL "
    f"FROM duckdb_columns() WHERE {_DUCKDB} AND table_name = :table ORDER BY column_index",
    "mysql": f"SELECT column_name, CAST(column_type AS CHAR), is_nullable = 'NO' AND column_default IS NULL "
    f"AND extra = '' FROM information_schema.columns WHERE {_MYSQL} AND table_name = :table "
    "ORDER BY ordinal_position",
}
_UNIQUE = {
    "duckdb": f"SELECT CAST(constraint_index AS VARCHAR), unnest(constraint_column_names) "
    f"FROM duckdb_constraints() WHERE {_DUCKDB} AND table_name = :table "
    "AND constraint_type IN ('PRIMARY KEY', 'UNIQUE') UNION ALL "
    # The list of an index's columns is a text: [id, '"first name"'].
    "SELECT index_name, trim(unnest(string_split(trim(expressions, '[]'), ',')), ' ''\"') "
    f"FROM duckdb_indexes() WHERE {_DUCKDB} AND table_name = :table AND is_unique",
    # An index over prefixes or expressions makes no column unique: its columns are null here.
    "mysql": "SELECT index_name, CASE WHEN sub_part IS NULL THEN column_name END "
    f"FROM information_schema.statistics WHERE {_MYSQL} AND table_name = :table AND non_unique = 0",
}


@dataclass(frozen=True, slots=True)
class CatalogColumn:
    """A column, its type as the engine spells it, and whether each new row must name it."""

    name: str
    type: str
    is_required: bool


def tables(connection: sa.Connection, schema: str | None) -> list[str]:
    """Names of the schema's tables."""
    statement = sa.text(_TABLES[engine_of(connection.dialect)])
    return [name for (name,) in connection.execute(statement, {"schema": schema})]


def columns(connection: sa.Connection, schema: str | None, table: str) -> list[CatalogColumn]:
    """Columns of a table or view, none where it does not exist."""
    statement = sa.text(_COLUMNS[engine_of(connection.dialect)])
    found = connection.execute(statement, {"schema": schema, "table": table})
    return [CatalogColumn(name, kind, bool(is_required)) for name, kind, is_required in found]


def unique(connection: sa.Connection, schema: str | None, table: str) -> frozenset[frozenset[str]]:
    """Sets of columns that a primary key, a unique constraint or a unique index holds unique."""
    statement = sa.text(_UNIQUE[engine_of(connection.dialect)])
    keys: defaultdict[str, set[str | None]] = defaultdict(set)
    for key, column in connection.execute(statement, {"schema": schema, "table": table}):
        keys[key].add(column)
    return frozenset(
        frozenset(name for name in names if name is not None) for names in keys.values() if None not in names
    )
