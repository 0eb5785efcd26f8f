"""Any other database with a SQLAlchemy driver, read only: plans live in an embedded DuckDB."""

from __future__ import annotations

import datetime as dt
import json
import re
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NoReturn

from typing_extensions import override

from connectors.errors import ConfigError, WarehouseError
from connectors.warehouses.arrow import batches_of
from connectors.warehouses.base import NULLS, Column, Dialect, Session, Warehouse
from connectors.warehouses.literals import decimal_text, text_literal

if TYPE_CHECKING:
    import pyarrow as pa
    from sqlalchemy import Connection, Engine
    from sqlalchemy.sql.compiler import IdentifierPreparer

__all__ = ["ReadOnlyDialect", "ReadOnlySession", "ReadOnlyWarehouse"]

_LOGICAL: tuple[tuple[type, str], ...] = (
    (bool, "boolean"),
    (int, "integer"),
    (float, "float"),
    (Decimal, "decimal"),
    (dt.datetime, "timestamp"),
    (dt.date, "date"),
    (dt.time, "time"),
    (bytes, "binary"),
    (uuid.UUID, "uuid"),
    (dict, "json"),
    (list, "json"),
)
_WITHIN = {
    "decimal": {"decimal", "integer"},
    "float": {"float", "integer"},
}
_SQLGLOT_NAMES = {"mariadb": "mysql", "mssql": "tsql", "postgresql": "postgres"}


def _logical(value: Any) -> str:
    if isinstance(value, dt.datetime) and value.tzinfo is not None:
        return "timestamptz"
    return next((logical for kind, logical in _LOGICAL if isinstance(value, kind)), "text")


class ReadOnlyDialect(Dialect):
    """The spelling of quotes and literals; what only a writable warehouse needs is absent by design."""

    def __init__(self, engine: Engine) -> None:
        self._preparer = engine.dialect.identifier_preparer
        self.name = _SQLGLOT_NAMES.get(engine.dialect.name, engine.dialect.name)

    @override
    def quote(self, identifier: str) -> str:
        return _spelled(self._preparer, identifier)

    @override
    def literal(self, value: Any) -> str:
        if value is None:
            return "NULL"
        if isinstance(value, bool):
            return "(1 = 1)" if value else "(1 = 0)"
        if isinstance(value, float):
            return repr(value)
        text = json.dumps(value) if isinstance(value, list | dict) else str(value)
        if self.name == "mysql":
            text = text.replace("\\", "\\\\")
        return decimal_text(value) or text_literal(text)

    @override
    def row_hash(self, expressions: Sequence[str]) -> str:
        return _no_plan()

    @override
    def canonical(self, expression: str, column: Column) -> tuple[str, Column]:
        return expression, column

    @override
    def exact_cast(self, expression: str, stored: Column, native: str) -> str:
        return _no_plan()

    @override
    def json_object(self, pairs: Sequence[tuple[str, str]]) -> str:
        return _no_plan()

    @override
    def portable(self, expression: str, column: Column) -> str:
        return expression


def _quoted(connection: Connection, identifier: str) -> str:
    return _spelled(connection.dialect.identifier_preparer, identifier)


def _spelled(preparer: IdentifierPreparer, identifier: str) -> str:
    """Quoted, percent signs as they are: SQLAlchemy's own `quote_identifier` doubles some drivers'."""
    if not identifier or "\x00" in identifier:
        raise ConfigError(f"{identifier!r} cannot be the name of a column or table")
    inner = identifier.replace(preparer.escape_quote, preparer.escape_to_quote)
    return f"{preparer.initial_quote}{inner}{preparer.final_quote}"


def _no_plan() -> NoReturn:
    raise WarehouseError("plans and tables cannot be made in a read-only warehouse")


class ReadOnlySession(Session):
    """A connection that runs queries."""

    hash_version = "none"

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @override
    def run(self, sql: str) -> int:
        return _no_plan()

    @override
    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with _in_words():
            return [tuple(row) for row in self._connection.exec_driver_sql(_escaped(self._connection, sql))]

    @override
    def columns(self, query: str) -> list[Column]:
        """Names from the driver, types from each one's values; text, natively `null`, where all are null."""
        with _in_words():
            result = self._connection.exec_driver_sql(
                _escaped(self._connection, f"SELECT * FROM ({query}) AS described")
            )
            names, head = list(result.keys()), [tuple(row) for row in result.fetchmany(1000)]
            result.close()
        return [self._column(query, name, [row[i] for row in head]) for i, name in enumerate(names)]

    def _column(self, query: str, name: str, values: Sequence[Any]) -> Column:
        known = {_logical(value) for value in values if value is not None}
        if not known:
            found = self.rows(f"SELECT max({_quoted(self._connection, name)}) FROM ({query}) AS described")
            known = {_logical(row[0]) for row in found if row[0] is not None}
        if not known:
            return Column(name, NULLS, "text")
        # SQLite's numbers may be of several types in one column.
        widest = next((kind for kind in _WITHIN if known <= _WITHIN[kind]), None)
        return Column(name, "unknown", known.pop() if len(known) == 1 else widest or "text")

    @override
    def tables(self, schema: str) -> set[str]:
        from sqlalchemy import inspect

        with _in_words():
            inspector = inspect(self._connection)
            return {*inspector.get_table_names(schema), *inspector.get_view_names(schema)}

    @override
    def stream(self, query: str, batch_rows: int = 50_000) -> Iterator[pa.RecordBatch]:
        columns = self.columns(query)
        streaming = self._connection.execution_options(stream_results=True, max_row_buffer=batch_rows)
        with _in_words():
            result = streaming.exec_driver_sql(_escaped(self._connection, query))
            yield from batches_of(columns, lambda: result.fetchmany(batch_rows))

    @override
    def load(self, table: str, batches: Iterable[pa.RecordBatch]) -> int:
        return _no_plan()

    @override
    def transaction(self) -> AbstractContextManager[None]:
        return _no_plan()

    @override
    def lock(self, name: str) -> None:
        _no_plan()


def _escaped(connection: Connection, sql: str) -> str:
    """Drivers with percent placeholders read a bare percent sign as one."""
    return sql.replace("%", "%%") if connection.dialect.paramstyle in {"format", "pyformat"} else sql


@contextmanager
def _in_words() -> Iterator[None]:
    from sqlalchemy.exc import DBAPIError, SQLAlchemyError

    try:
        yield
    except DBAPIError as error:
        raise WarehouseError(f"the warehouse refused: {str(error.orig).splitlines()[0]}") from error
    except SQLAlchemyError as error:
        raise WarehouseError(f"the warehouse refused: {type(error).__name__}") from error


class ReadOnlyWarehouse(Warehouse):
    """A database that models may be read from."""

    writable = False

    def __init__(self, url: str) -> None:
        from sqlalchemy import create_engine
        from sqlalchemy.exc import ArgumentError, NoSuchModuleError

        try:
            self._engine = create_engine(re.sub("^mysql://", "mysql+pymysql://", url), pool_pre_ping=True)
        except (NoSuchModuleError, ArgumentError, ImportError) as error:
            scheme = url.split(":", 1)[0]
            raise ConfigError(
                f"no driver for a {scheme} warehouse is installed (pip install 'headrace[{scheme}]' "
                "or the SQLAlchemy dialect of that name)"
            ) from error
        self.dialect: Dialect = ReadOnlyDialect(self._engine)

    @override
    @contextmanager
    def connect(self, doing: str) -> Iterator[ReadOnlySession]:
        """Open a connection; MySQL and MariaDB speak in UTC."""
        with _in_words(), self._engine.connect() as connection:
            if self.dialect.name == "mysql":
                connection.exec_driver_sql("SET time_zone = '+00:00'")
            yield ReadOnlySession(connection)
