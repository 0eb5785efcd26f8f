"""DuckDB: the embedded warehouse, one file, one process at a time."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
from typing_extensions import override

from connectors.errors import WarehouseBusy, WarehouseError
from connectors.warehouses.base import Column, Dialect, Session, Warehouse
from connectors.warehouses.literals import decimal_text, quoted, text_literal, without_values

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["DuckDBDialect", "DuckDBSession", "DuckDBWarehouse"]

_SCALARS = {
    "BOOLEAN": "boolean",
    "TINYINT": "integer", "SMALLINT": "integer", "INTEGER": "integer", "BIGINT": "integer",
    "UTINYINT": "integer", "USMALLINT": "integer", "UINTEGER": "integer", "UBIGINT": "integer",
    "HUGEINT": "integer", "UHUGEINT": "integer", "BIGNUM": "integer",
    "FLOAT": "float", "DOUBLE": "float",
    "VARCHAR": "text", "DATE": "date", "TIME": "time", "UUID": "uuid", "JSON": "json", "BLOB": "binary",
    "TIMESTAMP": "timestamp", "TIMESTAMP_S": "timestamp", "TIMESTAMP_MS": "timestamp",
    "TIMESTAMP_NS": "timestamp",
    "TIMESTAMP WITH TIME ZONE": "timestamptz",
}  # fmt: skip
_HUGE = {"UBIGINT", "HUGEINT", "UHUGEINT", "BIGNUM"}
_STORED = {
    "boolean": "BOOLEAN", "integer": "BIGINT", "float": "DOUBLE", "text": "VARCHAR", "date": "DATE",
    "time": "TIME", "uuid": "UUID", "binary": "BLOB", "timestamp": "TIMESTAMP",
    "timestamptz": "TIMESTAMP WITH TIME ZONE",
}  # fmt: skip


def _logical(native: str) -> str:
    if native.endswith("]"):
        return "list"
    if native.startswith(("STRUCT", "MAP")):
        return "struct"
    if native.startswith("DECIMAL"):
        return "decimal"
    return _SCALARS.get(native, "text")


class DuckDBDialect(Dialect):
    """DuckDB's spelling."""

    name = "duckdb"

    @override
    def quote(self, identifier: str) -> str:
        return quoted(identifier)

    @override
    def literal(self, value: Any) -> str:
        if isinstance(value, list | dict):
            return f"{text_literal(json.dumps(value))}::JSON"
        if isinstance(value, bool):
            return "TRUE" if value else "FALSE"
        if isinstance(value, float):
            return f"{text_literal(repr(value))}::DOUBLE"
        return "NULL" if value is None else decimal_text(value) or text_literal(str(value))

    @override
    def row_hash(self, expressions: Sequence[str]) -> str:
        return f"hash({', '.join(expressions) or 'NULL'})"

    @override
    def canonical(self, expression: str, column: Column) -> tuple[str, Column]:
        """Integers to 64 or 128 bits, short floats by their text, dates within Python's, the rest as text."""
        kind = column.logical
        if kind == "decimal" and column.native == "VARCHAR":
            return _shortest(expression), column
        if kind in {"decimal", "list", "struct"}:
            return expression, column
        if kind == "json":
            return f"json({expression})::VARCHAR", Column(column.name, "VARCHAR", "json")
        native = "HUGEINT" if column.native in _HUGE else _STORED[kind]
        stored = Column(column.name, native, kind)
        if column.native == "FLOAT":
            return f"({expression})::VARCHAR::DOUBLE", stored
        if kind in {"date", "timestamp", "timestamptz"}:
            cast = f"({expression})::{native}"
            return f"CASE WHEN {cast} >= '0001-01-01' AND {cast} < '10000-01-01' THEN {cast} END", stored
        return (expression if column.native == native else f"({expression})::{native}"), stored

    @override
    def json_object(self, pairs: Sequence[tuple[str, str]]) -> str:
        inner = ", ".join(f"{text_literal(name)}, {expression}" for name, expression in pairs)
        return f"json_object({inner})::VARCHAR"

    @override
    def exact_cast(self, expression: str, stored: Column, native: str) -> str:
        if native == "VARCHAR":
            return _shortest(f"({expression})::VARCHAR")
        return f"TRY_CAST({expression} AS {native})"

    @override
    def portable(self, expression: str, column: Column) -> str:
        if column.logical in {"json", "uuid"} or column.native == "HUGEINT":
            return f"({expression})::VARCHAR"
        return expression


def _shortest(decimal: str) -> str:
    """A decimal of no fixed scale, held as text, in the one text of its value."""
    return f"CASE WHEN contains({decimal}, '.') THEN rtrim(rtrim({decimal}, '0'), '.') ELSE {decimal} END"


class DuckDBSession(Session):
    """An open connection to a DuckDB file."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self.hash_version = f"duckdb.hash/{duckdb.__version__}"

    @override
    def run(self, sql: str) -> int:
        rows = self._execute(sql).fetchall()
        return int(rows[0][0]) if len(rows) == 1 and len(rows[0]) == 1 and isinstance(rows[0][0], int) else -1

    @override
    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return self._execute(sql).fetchall()

    @override
    def columns(self, query: str) -> list[Column]:
        described = self.rows(f"DESCRIBE {query}")
        return [Column(row[0], row[1], _logical(row[1])) for row in described]

    @override
    def tables(self, schema: str) -> set[str]:
        found = self.rows(
            "SELECT table_name FROM information_schema.tables "
            f"WHERE table_catalog = current_database() AND table_schema = {text_literal(schema)}"
        )
        return {row[0] for row in found}

    @override
    def stream(self, query: str, batch_rows: int = 50_000) -> Iterator[pa.RecordBatch]:
        try:
            yield from self._connection.sql(query).to_arrow_reader(batch_rows)
        except duckdb.Error as error:
            raise WarehouseError(_words(error)) from error

    @override
    def load(self, table: str, batches: Iterable[pa.RecordBatch]) -> int:
        loaded = 0
        for batch in batches:
            self._connection.register("headrace_incoming", batch)
            self.run(f"INSERT INTO {table} BY NAME SELECT * FROM headrace_incoming")
            self._connection.unregister("headrace_incoming")
            loaded += batch.num_rows
        return loaded

    @override
    @contextmanager
    def transaction(self) -> Iterator[None]:
        self.run("BEGIN TRANSACTION")
        try:
            yield
        except BaseException:
            self._connection.rollback()
            raise
        self.run("COMMIT")

    @override
    def lock(self, name: str) -> None:
        """Nothing to do: one process at a time has the file."""

    def _execute(self, sql: str) -> duckdb.DuckDBPyConnection:
        try:
            return self._connection.execute(sql)
        except duckdb.Error as error:
            raise WarehouseError(_words(error)) from error


def _words(error: duckdb.Error) -> str:
    """The first paragraph: what follows quotes the statement, which may hold values."""
    first = str(error).strip().split("\n\n")[0].strip()
    about_data = isinstance(error, duckdb.DataError | duckdb.IntegrityError | duckdb.InvalidInputException)
    return f"DuckDB: {without_values(first) if about_data else first}"


class DuckDBWarehouse(Warehouse):
    """A DuckDB file. Whoever opens it keeps other processes out: hold it only while something runs."""

    writable = True

    def __init__(
        self,
        path: Path | None,
        *,
        memory_limit: str | None = None,
        threads: int | None = None,
        wait_seconds: float = 120.0,
    ) -> None:
        self.dialect: Dialect = DuckDBDialect()
        self._path = path
        self._wait_seconds = wait_seconds
        self._config: dict[str, Any] = {
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
        }
        if memory_limit:
            self._config["memory_limit"] = memory_limit
        if threads:
            self._config["threads"] = str(threads)

    @override
    @contextmanager
    def connect(self, doing: str) -> Iterator[DuckDBSession]:
        """Open the file, waiting for another process that has it; the holder is named when we give up."""
        connection = self._open()
        holder = None if self._path is None else self._path.with_name(f"{self._path.name}.holder")
        try:
            if holder is not None:
                holder.write_text(json.dumps({"pid": os.getpid(), "doing": doing}))
            connection.execute("SET TimeZone = 'UTC'")
            yield DuckDBSession(connection)
        finally:
            if holder is not None:
                holder.unlink(missing_ok=True)
            connection.close()

    def _open(self) -> duckdb.DuckDBPyConnection:
        if self._path is not None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
        deadline = time.monotonic() + self._wait_seconds
        pause = 0.02
        while True:
            try:
                return duckdb.connect(
                    ":memory:" if self._path is None else str(self._path), config=self._config
                )
            except duckdb.IOException as error:
                if "lock" not in str(error):
                    raise WarehouseError(_words(error)) from error
                if time.monotonic() > deadline:
                    raise WarehouseBusy(self._busy_words(str(error))) from error
            except duckdb.Error as error:
                raise WarehouseError(_words(error)) from error
            time.sleep(pause)
            pause = min(pause * 1.5, 0.5)

    def _busy_words(self, error: str) -> str:
        pid = re.search(r"PID (\d+)", error)
        by = f"process {pid.group(1)}" if pid else "another process"
        doing = ""
        if self._path is not None:
            try:
                doing = json.loads(self._path.with_name(f"{self._path.name}.holder").read_text())["doing"]
            except (OSError, ValueError, KeyError):
                doing = "something that is not headrace"
        return (
            f"the warehouse {self._path} is held by {by} ({doing}); DuckDB takes one process at a time. "
            f"Waited {self._wait_seconds:g} s: end that process or try again later"
        )
