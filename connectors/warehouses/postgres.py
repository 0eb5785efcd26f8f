"""PostgreSQL 15 or newer, through psycopg."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from connectors.errors import ConfigError, WarehouseError
from connectors.warehouses.arrow import batches_of
from connectors.warehouses.base import Column, Dialect, Session, Warehouse
from connectors.warehouses.literals import decimal_text, quoted, text_literal, without_values

if TYPE_CHECKING:
    import psycopg
    import pyarrow as pa

__all__ = ["PostgresDialect", "PostgresSession", "PostgresWarehouse"]

_LOGICAL = {
    "boolean": "boolean", "smallint": "integer", "integer": "integer", "bigint": "integer",
    "real": "float", "double precision": "float", "text": "text", "date": "date",
    "time without time zone": "time", "bytea": "binary", "uuid": "uuid", "json": "json", "jsonb": "json",
    "timestamp without time zone": "timestamp", "timestamp with time zone": "timestamptz",
}  # fmt: skip
_STORED = {
    "boolean": "boolean", "integer": "bigint", "float": "double precision", "text": "text", "date": "date",
    "time": "time", "binary": "bytea", "uuid": "uuid", "json": "jsonb", "decimal": "numeric",
    "timestamp": "timestamp", "timestamptz": "timestamp with time zone",
}  # fmt: skip
_OLDEST = 150000


def _logical(native: str) -> str:
    if native.startswith("numeric"):
        return "decimal"
    if native.endswith("[]"):
        return "list"
    base = native.split("(", maxsplit=1)[0] + (native.split(")")[1] if ")" in native else "")
    return _LOGICAL.get(base, "text")


class PostgresDialect(Dialect):
    """PostgreSQL's spelling."""

    name = "postgres"

    @override
    def quote(self, identifier: str) -> str:
        return quoted(identifier)

    @override
    def literal(self, value: Any) -> str:
        if isinstance(value, list | dict):
            return f"{text_literal(json.dumps(value))}::jsonb"
        if isinstance(value, bool):
            return "TRUE" if value else "FALSE"
        if isinstance(value, float):
            return f"{text_literal(repr(value))}::double precision"
        if value is None:
            return "NULL::text"
        return decimal_text(value) or f"{text_literal(str(value))}::text"

    @override
    def row_hash(self, expressions: Sequence[str]) -> str:
        return f"hash_record_extended(ROW({', '.join(expressions) or 'NULL::text'}), 0)"

    @override
    def canonical(self, expression: str, column: Column) -> tuple[str, Column]:
        """Integers to 64 bits, json and arrays to jsonb, dates within Python's, the rest as text.

        Texts are compared byte by byte, whatever collation their column has: `a` and `A` are two keys.
        """
        kind = "json" if column.logical == "list" else column.logical
        stored = Column(column.name, _STORED[kind], kind)
        if column.logical == "list":
            return f"to_jsonb({expression})", stored
        if column.native == "real":
            return f"({expression})::text::double precision", stored
        cast = expression if column.native == stored.native else f"({expression})::{stored.native}"
        if kind in {"date", "timestamp", "timestamptz"}:
            return f"CASE WHEN {cast} >= '0001-01-01' AND {cast} < '10000-01-01' THEN {cast} END", stored
        return (f'{cast} COLLATE "C"' if kind == "text" else cast), stored

    @override
    def json_object(self, pairs: Sequence[tuple[str, str]]) -> str:
        inner = ", ".join(f"{text_literal(name)}, {expression}" for name, expression in pairs)
        return f"jsonb_build_object({inner})::text"

    @override
    def exact_cast(self, expression: str, stored: Column, native: str) -> str:
        if native == "bigint" and stored.logical in {"decimal", "float"}:
            return f"CASE WHEN {expression} BETWEEN -9e18 AND 9e18 THEN ({expression})::bigint END"
        return f"({expression})::{native}"

    @override
    def portable(self, expression: str, column: Column) -> str:
        return f"({expression})::text" if column.logical in {"json", "uuid", "decimal"} else expression


class PostgresSession(Session):
    """An open connection, committing statement by statement outside of a transaction.

    A transaction sees the tables of one moment (REPEATABLE READ): a plan reads a model's table several times.
    """

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        self.hash_version = f"postgres.hash_record_extended/{connection.info.server_version // 10000}"

    @override
    def run(self, sql: str) -> int:
        with _in_words():
            return self._connection.execute(_plain(sql)).rowcount

    @override
    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with _in_words():
            return self._connection.execute(_plain(sql)).fetchall()

    @override
    def columns(self, query: str) -> list[Column]:
        with _in_words(), self._connection.cursor() as cursor:
            cursor.execute(_plain(f"SELECT * FROM ({query}) AS described LIMIT 0"))
            described = cursor.description or []
            result = cursor.pgresult
            types = [(c.type_code, result.fmod(i) if result else -1) for i, c in enumerate(described)]
            listed = ", ".join(f"({i}, {oid}::oid, {mod})" for i, (oid, mod) in enumerate(types))
            names = self.rows(f"SELECT format_type(o, m) FROM (VALUES {listed}) AS t(i, o, m) ORDER BY i")
        return [Column(c.name, row[0], _logical(row[0])) for c, row in zip(described, names, strict=True)]

    @override
    def tables(self, schema: str) -> set[str]:
        found = self.rows(
            f"SELECT table_name FROM information_schema.tables WHERE table_schema = {text_literal(schema)}"
        )
        return {row[0] for row in found}

    @override
    def stream(self, query: str, batch_rows: int = 50_000) -> Iterator[pa.RecordBatch]:
        columns = self.columns(query)
        name = f"headrace_{uuid.uuid4().hex}"
        with _in_words(), self._connection.transaction(), self._connection.cursor(name=name) as cursor:
            cursor.itersize = batch_rows
            cursor.execute(_plain(query))
            yield from batches_of(columns, lambda: cursor.fetchmany(batch_rows))

    @override
    def load(self, table: str, batches: Iterable[pa.RecordBatch]) -> int:
        loaded = 0
        for batch in batches:
            names = ", ".join(quoted(name) for name in batch.schema.names)
            with (
                _in_words(),
                self._connection.cursor() as cursor,
                cursor.copy(_plain(f"COPY {table} ({names}) FROM STDIN")) as copy,
            ):
                for row in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                    copy.write_row(row)
            loaded += batch.num_rows
        return loaded

    @override
    @contextmanager
    def transaction(self) -> Iterator[None]:
        with _in_words(), self._connection.transaction():
            yield

    @override
    def lock(self, name: str) -> None:
        self.run(f"SELECT pg_advisory_lock(hashtextextended({text_literal(f'headrace {name}')}, 0))")


def _plain(sql: str) -> Any:
    """Bytes: psycopg types its text arguments as literals of the source code, which ours are not."""
    return sql.encode()


@contextmanager
def _in_words() -> Iterator[None]:
    import psycopg

    try:
        yield
    except psycopg.Error as error:
        # The primary message alone: DETAIL quotes the values of rows.
        words = error.diag.message_primary or str(error).split("\n", maxsplit=1)[0]
        if isinstance(error, psycopg.DataError | psycopg.IntegrityError):
            words = without_values(words)
        raise WarehouseError(f"PostgreSQL: {words}") from error


class PostgresWarehouse(Warehouse):
    """A PostgreSQL database by its SQLAlchemy or libpq URL."""

    writable = True

    def __init__(self, url: str) -> None:
        self.dialect: Dialect = PostgresDialect()
        scheme, rest = url.split("://", 1)
        self._conninfo = f"{scheme.split('+')[0]}://{rest}"

    @override
    @contextmanager
    def connect(self, doing: str) -> Iterator[PostgresSession]:
        """Open a connection in UTC; `doing` shows as its application name."""
        try:
            import psycopg
        except ImportError as error:
            raise ConfigError(
                "a PostgreSQL warehouse needs its driver: pip install 'headrace[postgres]'"
            ) from error
        with _in_words():
            connection = psycopg.connect(
                self._conninfo, autocommit=True, application_name=f"headrace {doing}"[:63], connect_timeout=10
            )
        try:
            if connection.info.server_version < _OLDEST:
                raise WarehouseError("PostgreSQL 15 or newer is needed (MERGE)")
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            connection.execute("SET TIME ZONE 'UTC'")
            connection.execute("SET standard_conforming_strings = on")
            connection.execute("SET client_min_messages = warning")
            yield PostgresSession(connection)
        finally:
            connection.close()
