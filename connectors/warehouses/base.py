"""The one small interface that the engine and the scoring module need of a warehouse."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["HUB_SCHEMA", "NULLS", "Column", "Dialect", "Session", "Warehouse"]

HUB_SCHEMA = "headrace"
"""The schema of the warehouse that is headrace's own: snapshots, plans, rejected rows, the log."""

NULLS = "null"
"""The native type of a column of which an engine knows no type and no value: all are null."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a query: its name, the warehouse's own type, and the logical type (`connectors.values`)."""

    name: str
    native: str
    logical: str


class Dialect(Protocol):
    """How one engine spells what the plan needs."""

    name: str
    """The dialect's name in sqlglot."""

    def quote(self, identifier: str) -> str:
        """An identifier, quoted."""
        ...

    def literal(self, value: Any) -> str:
        """A Python value (None, bool, int, float, Decimal, str, list, dict) as a literal."""
        ...

    def row_hash(self, expressions: Sequence[str]) -> str:
        """A 64-bit integer expression over the values of some expressions, nulls included."""
        ...

    def canonical(self, expression: str, column: Column) -> tuple[str, Column]:
        """The expression in a form that is stable from run to run and can be stored, hashed and compared."""
        ...

    def exact_cast(self, expression: str, stored: Column, native: str) -> str:
        """A stored number as another number type: null or another number where that cannot hold it."""
        ...

    def json_object(self, pairs: Sequence[tuple[str, str]]) -> str:
        """A text expression that holds a JSON object of (name, expression)."""
        ...

    def portable(self, expression: str, column: Column) -> str:
        """A canonical expression as every reader of Arrow takes it: json, uuid, huge numbers as text."""
        ...


class Session(Protocol):
    """An open connection. Statements commit one by one outside of `transaction`."""

    hash_version: str
    """Names the row hash function and its version: where it differs from a snapshot's, that is re-hashed."""

    def run(self, sql: str) -> int:
        """Run one statement; the number of rows it changed, -1 where the engine does not say."""
        ...

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """All rows of a small result."""
        ...

    def columns(self, query: str) -> list[Column]:
        """The columns that a query has, without running it."""
        ...

    def tables(self, schema: str) -> set[str]:
        """Names of the tables and views of a schema; empty where the schema does not exist."""
        ...

    def stream(self, query: str, batch_rows: int = 50_000) -> Iterator[pa.RecordBatch]:
        """A query's rows as Arrow batches, with memory that does not grow with their number.

        Types in Arrow are those of the logical types: integer int64 (or wider as decimal128), decimal as
        decimal128 or text marked in the field's metadata, timestamps in microseconds, json as text.
        """
        ...

    def load(self, table: str, batches: Iterable[pa.RecordBatch]) -> int:
        """Append Arrow batches to an existing table (quoted name), matching columns by name; rows added."""
        ...

    def transaction(self) -> AbstractContextManager[None]:
        """All statements inside see the tables of one moment, and commit together or not at all."""
        ...

    def lock(self, name: str) -> None:
        """Wait until no other session holds a name, and hold it until this session ends."""
        ...


class Warehouse(Protocol):
    """A warehouse by its URL."""

    dialect: Dialect
    writable: bool
    """Whether snapshots and plans can live in it; where not, an embedded DuckDB holds them."""

    def connect(self, doing: str) -> AbstractContextManager[Session]:
        """Open a session. `doing` is told to others who wait for an engine that takes one process at a time.

        Raises:
            WarehouseBusy: another process held the embedded engine for longer than we wait.
            WarehouseError: it cannot be reached.
        """
        ...
