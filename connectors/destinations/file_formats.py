"""Rows as the bytes of a CSV, JSON lines or Parquet file."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

import orjson

from connectors.errors import BatchRefused
from connectors.values import on_wire

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["COMPRESSIONS", "Format", "encode"]

Format = Literal["csv", "jsonl", "parquet"]

COMPRESSIONS: dict[str, tuple[str, ...]] = {
    "csv": ("none", "gzip"),
    "jsonl": ("none", "gzip"),
    "parquet": ("none", "gzip", "zstd", "snappy"),
}
"""What each format can be compressed with."""

_JSON = frozenset({"json", "list", "struct"})
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def encode(
    rows: Sequence[Mapping[str, Any]],
    types: Mapping[str, str],
    file_format: Format,
    compression: str = "none",
    *,
    escape_formulas: bool = False,
) -> bytes:
    """The file's bytes, the same for the same rows. `types` gives columns in order, with logical types.

    Raises:
        BatchRefused: a value does not fit its column.
    """
    if file_format == "parquet":
        return _parquet(rows, types, compression)
    try:
        content = _csv(rows, types, escape=escape_formulas) if file_format == "csv" else _jsonl(rows)
    except UnicodeEncodeError:
        raise BatchRefused("a text that UTF-8 cannot encode", code="unencodable") from None
    # Without the time of day in its head a part that is written again is the same part.
    return gzip.compress(content, mtime=0) if compression == "gzip" else content


def _jsonl(rows: Sequence[Mapping[str, Any]]) -> bytes:
    try:
        return b"".join(orjson.dumps(on_wire(row)) + b"\n" for row in rows)
    except orjson.JSONEncodeError:
        raise BatchRefused("a value that JSON cannot hold", code="unencodable") from None


def _csv(rows: Sequence[Mapping[str, Any]], types: Mapping[str, str], *, escape: bool) -> bytes:
    """RFC 4180, in UTF-8, with a header. Null and the empty text are both an empty field."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(types)
    for row in rows:
        writer.writerow([_cell(row.get(name), is_json=types[name] in _JSON, escape=escape) for name in types])
    return text.getvalue().encode()


def _cell(value: Any, *, is_json: bool, escape: bool) -> str:
    if value is None:
        return ""
    if isinstance(value, str) and not is_json:
        return f"'{value}" if escape and value.startswith(_FORMULA_STARTS) else value
    if isinstance(value, Decimal) and value.is_finite():
        return format(value, "f")
    form = on_wire(value)
    if form is None:
        return ""
    return form if isinstance(form, str) and not is_json else orjson.dumps(form).decode()


def _parquet(rows: Sequence[Mapping[str, Any]], types: Mapping[str, str], compression: str) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet

    columns = []
    for name, logical in types.items():
        kind, convert = _arrow(logical)
        try:
            values = [None if row.get(name) is None else convert(row[name]) for row in rows]
            columns.append(pa.array(values, kind))
        except (pa.ArrowException, OverflowError, UnicodeEncodeError, ValueError, TypeError):
            # `from None`: Arrow's words may hold the value.
            raise BatchRefused(f"a value does not fit column {name} ({kind})", code="unfit") from None
    sink = pa.BufferOutputStream()
    table = pa.Table.from_arrays(columns, names=list(types))
    pyarrow.parquet.write_table(table, sink, compression=compression)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def _arrow(logical: str) -> tuple[pa.DataType, Callable[[Any], Any]]:
    """The Arrow type of a logical type, the same for every part, and how a value is brought to it."""
    import pyarrow as pa

    return {
        "boolean": (pa.bool_(), _same),
        "integer": (pa.int64(), _same),
        "decimal": (pa.decimal128(38, 18), _finite),
        "float": (pa.float64(), _same),
        "date": (pa.date32(), _same),
        "timestamp": (pa.timestamp("us"), _same),
        "timestamptz": (pa.timestamp("us", tz="UTC"), _same),
        "time": (pa.time64("us"), _same),
        "binary": (pa.binary(), _same),
        **dict.fromkeys(_JSON, (pa.string(), lambda value: orjson.dumps(on_wire(value)).decode())),
    }.get(logical, (pa.string(), _text))


def _same(value: Any) -> Any:
    return value


def _finite(value: Any) -> Any:
    return None if isinstance(value, Decimal) and not value.is_finite() else value


def _text(value: Any) -> str:
    form = on_wire(value)
    return form if isinstance(form, str) else orjson.dumps(form).decode()
