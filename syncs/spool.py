"""The spool: a plan as a Parquet file. No warehouse is held while a slow destination is written to."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from connectors.batch import Batch
from connectors.operation import Kind
from connectors.warehouses import Dialect, Session
from syncs.deliver.slice import Slice
from syncs.layout import Layout, Slot
from syncs.names import Tables
from syncs.plan import KINDS
from syncs.records import can_be_json, json_batches, operations

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Range", "Spool", "cut", "plan_query", "write_spool"]

Range = tuple[int, int]
"""Sequence numbers from the first to before the second."""

_ROWS_A_GROUP = 20_000


def cut(counts: dict[Kind, int], batch_size: int) -> Iterator[Range]:
    """All batches of a plan in the order of their delivery; a batch holds one kind of operation only."""
    start = 0
    for kind in (Kind.REMOVE, Kind.CHANGE, Kind.ADD):
        end = start + counts[kind]
        while start < end:
            yield start, min(start + batch_size, end)
            start = min(start + batch_size, end)


def write_spool(
    session: Session,
    dialect: Dialect,
    tables: Tables,
    layout: Layout,
    path: Path,
    ranges: Sequence[Range] = (),
) -> Spool:
    """Copy a plan, or ranges of it, into a file, in order, with memory that does not grow with the rows."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    some = " OR ".join(f"(seq >= {a} AND seq < {b})" for a, b in ranges)
    query = plan_query(dialect, tables, layout, some or "TRUE")
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    batches = session.stream(query, _ROWS_A_GROUP)
    first = next(batches, None)
    if first is None:
        path.unlink(missing_ok=True)
        return Spool(path, layout, empty=True)
    with path.open("wb") as file, pq.ParquetWriter(file, first.schema, compression="lz4") as writer:
        path.chmod(0o600)
        writer.write_batch(first)
        for batch in batches:
            writer.write_table(pa.Table.from_batches([batch]))
    return Spool(path, layout)


def plan_query(dialect: Dialect, tables: Tables, layout: Layout, where: str = "TRUE") -> str:
    """Planned rows in the form that a spool holds, in order."""
    parts = ["seq", "kind", "o", *(_as_portable(dialect, slot, "") for slot in layout.slots)]
    parts += [_as_portable(dialect, slot, "p") for slot in layout.values]
    return f"SELECT {', '.join(parts)} FROM {tables.plan} WHERE {where} ORDER BY seq"


def _as_portable(dialect: Dialect, slot: Slot, prefix: str) -> str:
    column = f"{prefix}{slot.column}"
    return f"{dialect.portable(column, slot.stored)} AS {column}"


@dataclass(frozen=True, slots=True)
class Spool:
    """A plan's rows in a file. The file is personal data: it is deleted when the plan is settled."""

    path: Path
    layout: Layout
    empty: bool = False

    def slices(self, ranges: Iterable[Range], *, sync: str, run_id: str, as_json: bool) -> Iterator[Slice]:
        """One slice for each range, in order; `as_json` makes the rows' JSON texts with them."""
        if self.empty:
            return
        as_json = as_json and can_be_json(self.layout)
        batches = json_batches(self.path, self.layout, _ROWS_A_GROUP) if as_json else _read(self.path)
        rows = _Rows(batches)
        for start, end in ranges:
            yield _slice(rows.take(start, end), start, self.layout, sync, run_id)

    def delete(self) -> None:
        """Remove the file."""
        self.path.unlink(missing_ok=True)


def _slice(table: pa.Table, start: int, layout: Layout, sync: str, run_id: str) -> Slice:
    def batch_of(part: pa.Table) -> Batch:
        digest = hashlib.blake2b(sync.encode(), digest_size=16)
        digest.update(_eight_byte_values(part.column("o")))
        texts = part.column("json").to_pylist() if "json" in part.column_names else None
        return Batch(
            part.num_rows,
            lambda: operations(part, layout),
            idempotency_key=digest.hexdigest(),
            run_id=run_id,
            json_rows=None if texts is None else [text.encode() for text in texts],
        )

    kind = KINDS[table.column("kind")[0].as_py()]
    end = start + table.num_rows
    return Slice(start, end, batch_of(table), lambda a, b: batch_of(table.slice(a - start, b - a)), kind)


def _eight_byte_values(column: pa.ChunkedArray) -> memoryview:
    """The bytes of 64-bit numbers; `to_numpy` would import numpy and pandas, 0.3 s of a short run."""
    values = column.combine_chunks()
    return memoryview(values.buffers()[1])[values.offset * 8 : (values.offset + len(values)) * 8]


class _Rows:
    """A stream of batches from which ranges of `seq` are taken in order."""

    def __init__(self, batches: Iterator[pa.RecordBatch]) -> None:
        self._batches = batches
        self._waiting: list[pa.RecordBatch] = []

    def take(self, start: int, end: int) -> pa.Table:
        import pyarrow as pa

        parts: list[pa.RecordBatch] = []
        missing = end - start
        while missing:
            batch = self._waiting.pop() if self._waiting else next(self._batches)
            skip = max(0, min(start - batch.column("seq")[0].as_py(), batch.num_rows))
            part = batch.slice(skip, missing)
            if rest := batch.num_rows - skip - part.num_rows:
                self._waiting.append(batch.slice(batch.num_rows - rest))
            if part.num_rows:
                parts.append(part)
                start += part.num_rows
                missing -= part.num_rows
        return pa.Table.from_batches(parts)


def _read(path: Path) -> Iterator[pa.RecordBatch]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        yield from file.iter_batches(batch_size=_ROWS_A_GROUP)
