"""The table that rows go into: found or created, and looked at before the first row is written."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql import quoted_name

from connectors.destinations.sql import catalog
from connectors.destinations.sql.address import engine_of
from connectors.destinations.sql.columns import column_type
from connectors.errors import ConfigError

__all__ = ["Existing", "Layout", "add_columns", "create", "describe", "existing", "staging_name"]

_LONGEST_NAME = 60
"""In bytes; PostgreSQL cuts a longer name than 63 in silence, MySQL takes 64 characters."""


@dataclass(frozen=True, slots=True)
class Layout:
    """What one sync writes of a table: the identity's columns, then the others."""

    name: str
    schema: str | None
    identity: tuple[str, ...]
    others: tuple[str, ...]
    types: Mapping[str, str]
    """Each column's logical type (`connectors.values`)."""

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns' names, the identity's first."""
        return self.identity + self.others

    @property
    def label(self) -> str:
        """The table's name for people."""
        return f"{self.schema}.{self.name}" if self.schema else self.name

    @property
    def _schema(self) -> quoted_name | None:
        return _quoted(self.schema) if self.schema else None

    def table(self, name: str | None = None) -> sa.Table:
        """The table for statements. Its columns' keys are c0, c1…: no name is ever a parameter's name."""
        columns: Iterable[sa.Column[Any]] = (
            sa.Column(_quoted(column), key=f"c{at}") for at, column in enumerate(self.columns)
        )
        return sa.Table(_quoted(name or self.name), sa.MetaData(), *columns, schema=self._schema)

    def definition(self, dialect: sa.Dialect) -> sa.Table:
        """The table as it is created: the identity is its primary key."""
        columns: Iterable[sa.Column[Any]] = (
            sa.Column(
                _quoted(column),
                column_type(self.types[column], dialect, is_key=column in self.identity),
                primary_key=column in self.identity,
                autoincrement=False,
                key=f"c{at}",
            )
            for at, column in enumerate(self.columns)
        )
        return sa.Table(_quoted(self.name), sa.MetaData(), *columns, schema=self._schema)


def _quoted(name: str) -> quoted_name:
    # Always: which words are reserved, SQLAlchemy does not know of each engine.
    return quoted_name(name, quote=True)


@dataclass(frozen=True, slots=True)
class Existing:
    """A table as it stands in the database."""

    columns: Mapping[str, sa.types.TypeEngine[Any]]
    unique: frozenset[frozenset[str]]
    """Sets of columns that are unique together."""


def existing(connection: sa.Connection, name: str, schema: str | None) -> Existing | None:
    """The table or view of that name, None where there is none."""
    if engine_of(connection.dialect) in catalog.ASKED_DIRECTLY:
        found = catalog.columns(connection, schema, name)
        if not found:
            return None
        return Existing(
            {c.name: sa.JSON() if c.type.lower() == "json" else sa.types.NULLTYPE for c in found},
            catalog.unique(connection, schema, name),
        )
    inspector = sa.inspect(connection)
    try:
        columns = inspector.get_columns(name, schema)
    except sa.exc.NoSuchTableError:
        return None
    return Existing(
        {column["name"]: column["type"] for column in columns},
        frozenset(_unique(inspector, name, schema)),
    )


def _unique(inspector: sa.Inspector, name: str, schema: str | None) -> Iterable[frozenset[str]]:
    key = inspector.get_pk_constraint(name, schema)
    if key and key["constrained_columns"]:
        yield frozenset(key["constrained_columns"])
    for constraint in inspector.get_unique_constraints(name, schema):
        yield frozenset(constraint["column_names"])
    for index in inspector.get_indexes(name, schema):
        options = index.get("dialect_options", {})
        # A partial index, one over expressions or over prefixes makes no column unique.
        is_whole = not any(options.get(f"{engine}_where") for engine in ("postgresql", "sqlite"))
        is_whole = is_whole and not options.get("mysql_length") and not options.get("mariadb_length")
        names = index["column_names"]
        if index["unique"] and is_whole and None not in names:
            yield frozenset(column for column in names if column is not None)


def create(connection: sa.Connection, layout: Layout) -> None:
    """Create the table where nobody has."""
    connection.execute(sa.schema.CreateTable(layout.definition(connection.dialect), if_not_exists=True))


def add_columns(connection: sa.Connection, layout: Layout, names: Sequence[str]) -> None:
    """Add columns to a table that lacks them.

    Raises:
        ConfigError: one of them belongs to the identity, which cannot be added to rows that exist.
    """
    lacking = [name for name in names if name in layout.identity]
    if lacking:
        raise ConfigError(
            f"table {layout.label} has no column {', '.join(lacking)}; a column that identifies rows cannot "
            f"be added to a table that exists: add it by hand, or match on a column that is there"
        )
    definition = layout.definition(connection.dialect)
    preparer = connection.dialect.identifier_preparer
    for column in definition.columns:
        if column.name in names:
            made = sa.schema.CreateColumn(column).compile(dialect=connection.dialect)
            connection.exec_driver_sql(f"ALTER TABLE {preparer.format_table(definition)} ADD COLUMN {made}")


def describe(
    connection: sa.Connection, schema: str | None
) -> Iterator[tuple[str, list[tuple[str, str, bool]]]]:
    """A schema's tables by name, each with its columns' names, types and whether each row must name them."""
    if engine_of(connection.dialect) in catalog.ASKED_DIRECTLY:
        for table in catalog.tables(connection, schema):
            found = catalog.columns(connection, schema, table)
            yield table, [(column.name, column.type, column.is_required) for column in found]
        return
    inspector = sa.inspect(connection)
    for table in sorted(inspector.get_table_names(schema)):
        columns = inspector.get_columns(table, schema)
        yield table, [(column["name"], str(column["type"]), _is_required(column)) for column in columns]


def _is_required(column: Mapping[str, Any]) -> bool:
    filled = column.get("default") is not None or column.get("identity") or column.get("computed")
    return not column["nullable"] and not filled and column.get("autoincrement") is not True


def staging_name(table: str) -> str:
    """The table in which a new set is gathered: `<table>__headrace_new`, or a digest of a long name."""
    name = f"{table}__headrace_new"
    if len(name.encode()) <= _LONGEST_NAME:
        return name
    return f"headrace_new_{hashlib.blake2b(table.encode(), digest_size=16).hexdigest()}"
