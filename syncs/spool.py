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
        rows = _Rows(map(_Group, batches))
        for start, end in ranges:
            yield _Cut(rows.take(start, end), self.layout, sync, run_id).slice(start, end)

    def delete(self) -> None:
        """Remove the file."""
        self.path.unlink(missing_ok=True)


class _Group:
    """Some thousand rows as they are read; what every batch needs of them is taken out of Arrow at once."""

    def __init__(self, rows: pa.RecordBatch) -> None:
        self.rows = rows
        self.seqs = _eight_byte_values(rows.column("seq")).cast("q")
        self.digests = _eight_byte_values(rows.column("o"))
        self.texts: list[bytes] | None = None
        if "json" in rows.schema.names:
            self.texts = rows.column("json").cast("binary").to_pylist()


_Part = tuple[_Group, int, int]
"""Rows of a group, by their places from the first to before the second."""


@dataclass(frozen=True, slots=True)
class _Cut:
    """Rows that are delivered together; nothing is copied out of their groups before somebody asks."""

    parts: list[_Part]
    layout: Layout
    sync: str
    run_id: str

    def slice(self, start: int, end: int) -> Slice:
        """All of it, whose first row has the number `start`."""
        group, first, _ = self.parts[0]
        kind = KINDS[group.rows.column("kind")[first].as_py()]
        return Slice(
            start,
            end,
            self._batch(self.parts),
            lambda a, b: self._batch(self._some(a - start, b - start)),
            kind,
        )

    def _batch(self, parts: list[_Part]) -> Batch:
        digest = hashlib.blake2b(self.sync.encode(), digest_size=16)
        for group, a, b in parts:
            digest.update(group.digests[a * 8 : b * 8])
        return Batch(
            sum(b - a for _, a, b in parts),
            lambda: operations(_table(parts), self.layout),
            idempotency_key=digest.hexdigest(),
            run_id=self.run_id,
            json_rows=_texts(parts),
        )

    def _some(self, start: int, end: int) -> list[_Part]:
        """The rows from `start` to before `end`, counted from the first."""
        some, before = [], 0
        for group, a, b in self.parts:
            first, after = max(a, a + start - before), min(b, a + end - before)
            if first < after:
                some.append((group, first, after))
            before += b - a
        return some


def _table(parts: list[_Part]) -> pa.Table:
    import pyarrow as pa

    return pa.Table.from_batches([group.rows.slice(a, b - a) for group, a, b in parts])


def _texts(parts: list[_Part]) -> list[bytes] | None:
    texts: list[bytes] = []
    for group, a, b in parts:
        if group.texts is None:
            return None
        texts += group.texts[a:b]
    return texts


def _eight_byte_values(values: pa.Array) -> memoryview:
    """The bytes of 64-bit numbers; `to_numpy` would import numpy and pandas, 0.3 s of a short run."""
    return memoryview(values.buffers()[1])[values.offset * 8 : (values.offset + len(values)) * 8]


class _Rows:
    """A stream of groups from which ranges of `seq` are taken in order."""

    def __init__(self, groups: Iterator[_Group]) -> None:
        self._groups = groups
        self._group: _Group | None = None
        self._at = 0

    def take(self, start: int, end: int) -> list[_Part]:
        """The rows with the numbers from `start` to before `end`."""
        parts: list[_Part] = []
        while start < end:
            if self._group is None or self._at >= len(self._group.seqs):
                self._group, self._at = next(self._groups), 0
            first = self._at + max(0, start - self._group.seqs[self._at])
            self._at = min(first + end - start, len(self._group.seqs))
            if first < self._at:
                parts.append((self._group, first, self._at))
                start += self._at - first
        return parts


def _read(path: Path) -> Iterator[pa.RecordBatch]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        yield from file.iter_batches(batch_size=_ROWS_A_GROUP)
