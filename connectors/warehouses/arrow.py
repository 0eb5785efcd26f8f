"""Rows of a cursor as Arrow batches, by logical type."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from connectors.errors import WarehouseError
from connectors.warehouses.base import Column

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["arrow_type", "batches_of"]


_WORDS = {"integer": "integer of 64 bits"}


def arrow_type(logical: str) -> pa.DataType:
    """The Arrow type that holds a logical type; json, uuid and decimals without a fixed scale are text."""
    import pyarrow as pa

    types = {
        "boolean": pa.bool_(),
        "integer": pa.int64(),
        "float": pa.float64(),
        "date": pa.date32(),
        "timestamp": pa.timestamp("us"),
        "timestamptz": pa.timestamp("us", tz="UTC"),
        "time": pa.time64("us"),
        "binary": pa.binary(),
    }
    return types.get(logical, pa.string())


def _array(column: Column, values: Sequence[Any]) -> pa.Array:
    import pyarrow as pa

    wanted = arrow_type(column.logical)
    if wanted == pa.string():
        values = [_text(value) for value in values]
    try:
        return pa.array(values, wanted)
    except (pa.ArrowException, OverflowError, TypeError) as error:
        # The error itself may quote the value.
        raise WarehouseError(
            f"column {column.name!r} holds a value that is no {_WORDS.get(column.logical, column.logical)}"
        ) from error


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return format(value, "f") if isinstance(value, Decimal) else str(value)


def batches_of(
    columns: Sequence[Column], fetch: Callable[[], Sequence[Sequence[Any]]]
) -> Iterator[pa.RecordBatch]:
    """Call `fetch` until it returns no more rows.

    Raises:
        WarehouseError: a value does not fit its column's type.
    """
    import pyarrow as pa

    schema = pa.schema([pa.field(c.name, arrow_type(c.logical)) for c in columns])
    while rows := fetch():
        turned = list(zip(*rows, strict=True))
        arrays = [_array(column, values) for column, values in zip(columns, turned, strict=True)]
        yield pa.RecordBatch.from_arrays(arrays, schema=schema)
