"""Files read in chunks: CSV as texts, JSONL as JSON values, Parquet as it is typed.

A line that cannot be read costs that line: it goes to `bad`, with the reason, and reading goes on.
"""

from __future__ import annotations

import csv
import io
import itertools
import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import IO, TYPE_CHECKING, Any

import orjson

from connectors.errors import SourceError
from connectors.sources.kinds import Values

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["BadLine", "Chunk", "read"]

Chunk = Mapping[str, Values]
"""Columns by name, all of one length."""

BadLine = Callable[[Any, str], None]
"""Takes a row that could not be read, and the reason."""

_LONG_INTEGER = re.compile(rb"[0-9]{19}")
"""Where a line may hold an integer that orjson would read as a float."""

_ROWS = 20_000
_PARQUET_ROWS = 50_000
_CSV_BLOCK = 8 * 2**20
_DELIMITERS = ",;\t|"


def read(format_: str, file: IO[bytes], bad: BadLine) -> Iterator[Chunk]:
    """The rows of an open file, in chunks, with memory that does not grow with the file.

    Raises:
        SourceError: the file as a whole cannot be read.
    """
    readers = {"csv": _csv, "jsonl": _jsonl, "parquet": _parquet}
    return readers[format_](file, bad)


def _parquet(file: IO[bytes], _bad: BadLine) -> Iterator[Chunk]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        for batch in pq.ParquetFile(file).iter_batches(batch_size=_PARQUET_ROWS):
            yield dict(zip(batch.schema.names, batch.columns, strict=True))
    except pa.ArrowInvalid as error:
        raise SourceError(f"it is no readable Parquet file ({error})") from error


def _jsonl(file: IO[bytes], bad: BadLine) -> Iterator[Chunk]:
    lines = iter(file)
    first = next(lines, b"").removeprefix(b"\xef\xbb\xbf")
    rows: list[dict[str, Any]] = []
    for number, line in enumerate(itertools.chain([first], lines), 1):
        text = line.strip()
        if not text:
            continue
        try:
            row = (json if _LONG_INTEGER.search(text) else orjson).loads(text)
        except ValueError as error:
            bad(text.decode(errors="backslashreplace"), f"line {number} is no JSON: {error}")
            continue
        if not isinstance(row, dict):
            bad(row, f"line {number} is no JSON object")
            continue
        rows.append(row)
        if len(rows) == _ROWS:
            yield _columns(rows)
            rows = []
    if rows:
        yield _columns(rows)


def _columns(rows: list[dict[str, Any]]) -> Chunk:
    names = dict.fromkeys(itertools.chain.from_iterable(rows))
    return {name: [row.get(name) for row in rows] for name in names}


def _csv(file: IO[bytes], bad: BadLine) -> Iterator[Chunk]:
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    header = _Header(file)
    if not header.names:
        return

    def misshapen(row: Any) -> str:
        reason = f"{row.actual_columns} fields where the header has {row.expected_columns}"
        text = row.text if isinstance(row.text, str) else row.text.decode(errors="backslashreplace")
        bad(text, reason)
        return "skip"

    reader = arrow_csv.open_csv(
        header.rest,
        arrow_csv.ReadOptions(use_threads=False, block_size=_CSV_BLOCK, column_names=header.names),
        arrow_csv.ParseOptions(
            delimiter=header.delimiter, newlines_in_values=True, invalid_row_handler=misshapen
        ),
        arrow_csv.ConvertOptions(
            column_types=dict.fromkeys(header.names, pa.binary()),
            check_utf8=False,
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )
    for batch in reader:
        yield from _as_texts(batch, bad)


def _as_texts(batch: pa.RecordBatch, bad: BadLine) -> Iterator[Chunk]:
    """Bytes as texts; a row that is no UTF-8 is kept back."""
    import pyarrow as pa

    def texts(part: pa.RecordBatch) -> dict[str, Any]:
        return {name: part[name].cast(pa.string()) for name in part.schema.names}

    try:
        yield texts(batch)
    except pa.ArrowInvalid:
        kept = []
        for position, row in enumerate(batch.to_pylist()):
            try:
                for value in row.values():
                    (value or b"").decode()
                kept.append(position)
            except UnicodeDecodeError:
                shown = {
                    k: None if v is None else v.decode(errors="backslashreplace") for k, v in row.items()
                }
                bad(shown, "the row is no UTF-8")
        if kept:
            yield texts(batch.take(pa.array(kept)))


class _Header:
    """The first record of a CSV file: its names, and the delimiter (the most frequent of `,` `;` `|` tab)."""

    def __init__(self, file: IO[bytes]) -> None:
        head = file.readline().removeprefix(b"\xef\xbb\xbf")
        while head.count(b'"') % 2:  # a name may hold a line break
            more = file.readline()
            if not more:
                break
            head += more
        try:
            text = head.decode()
        except UnicodeDecodeError as error:
            raise SourceError("its header is no UTF-8; save the file as UTF-8") from error
        outside = "".join(text.split('"')[::2])
        self.delimiter = max(_DELIMITERS, key=outside.count)
        self.names = next(csv.reader(io.StringIO(text, newline=""), delimiter=self.delimiter), [])
        if len(set(self.names)) < len(self.names) or (self.names and not all(self.names)):
            raise SourceError(
                f"its header has an empty or a repeated name: {', '.join(map(repr, self.names))}"
            )
        self.rest = _Rest(file)


class _Rest(io.RawIOBase):
    """What is left of a file after its header, never empty: pyarrow takes no empty CSV."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._some = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._file.read(len(buffer))
        if not data and not self._some:
            data = b"\n"
        self._some = True
        buffer[: len(data)] = data
        return len(data)
