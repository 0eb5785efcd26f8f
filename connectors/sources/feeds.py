"""A table of a source as dlt resources: its rows, the files they came from, and the rows kept back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from connectors.sources.convert import json_text
from connectors.sources.files import FILES_TABLE, FileSeen, Folder, as_rows, inferred
from connectors.sources.kinds import typed_as
from connectors.sources.readers import Chunk, read
from connectors.sources.rejected import REJECTED_TABLE, RejectedRows
from connectors.sources.settings import FilePattern, Resource, Table
from connectors.sources.shape import Shaper, TableRules
from connectors.sources.sql_tables import Database

if TYPE_CHECKING:
    import pyarrow as pa
    from dlt.extract import DltResource

__all__ = ["Feed", "Tell"]

Tell = Callable[[int, int], None]
"""Takes the rows read and the rows kept back so far."""


@dataclass(slots=True)
class Feed:
    """One table while it is read. `folder` holds what waits on disk."""

    rules: TableRules
    disposition: str
    folder: Path
    tell: Tell
    files: list[FileSeen] = field(default_factory=list)
    matched: int | None = None
    shaper: Shaper = field(init=False)
    rejected: RejectedRows = field(init=False)

    def __post_init__(self) -> None:
        self.rejected = RejectedRows(self.rules.table, self.folder)
        self.shaper = Shaper(self.rules, self.rejected)

    def of_table(self, database: Database, name: str, table: Table) -> list[DltResource]:
        """A database's table, by its name there."""
        self._declare(table.types)
        rows = database.resource(name, table).with_name(self.rules.table)
        hints: Any = {column: typed.hint for column, typed in self.rules.types.items()}
        if hints:  # dlt takes an empty mapping for "forget all of them"
            rows.apply_hints(columns=hints)
        rows._pipe.append_step(_after_incremental(self._shaped_table))  # noqa: SLF001 no public way to stand behind dlt's incremental
        return [rows, *self._beside()]

    def of_files(self, folder: Folder, pattern: FilePattern) -> list[DltResource]:
        """Files of a folder: `files`, read twice, for the types and for the rows."""
        self._declare(pattern.types)

        def rows() -> Iterator[Any]:
            if pattern.format != "parquet":
                every = (chunk for file in self.files for chunk in folder.chunks(file, pattern, _ignored))
                self.rules.types.update(inferred(every, self._settled()))
            for file in self.files:

                def bad(row: Any, reason: str, path: str = file.path) -> None:
                    self.rejected.add(row, reason, path)

                for chunk in folder.chunks(file, pattern, bad):
                    yield from self._shaped(chunk, file.path)

        return [self._resource(rows), *self._beside()]

    def of_pages(self, pages: DltResource, resource: Resource) -> list[DltResource]:
        """Records of an API: written to a file as they come, then read like one."""
        self._declare(resource.types)
        spool = self.folder / f"{self.rules.table}.pages.jsonl"
        self.folder.mkdir(parents=True, exist_ok=True)
        spool.write_bytes(b"")

        def keep(records: Any) -> None:
            with spool.open("ab") as file:
                for record in records if isinstance(records, list) else [records]:
                    file.write(json_text(record).encode() + b"\n")

        def rows() -> Iterator[Any]:
            with spool.open("rb") as file:
                self.rules.types.update(inferred(read("jsonl", file, _ignored), self._settled()))
            with spool.open("rb") as file:
                for chunk in read("jsonl", file, self.rejected.add):
                    yield from self._shaped(chunk, None)
            spool.unlink()

        pages._pipe.append_step(_after_incremental(keep))  # noqa: SLF001 as above
        return [pages, self._resource(rows), *self._beside()]

    def _declare(self, types: Any) -> None:
        self.rules.types.update({name: typed_as(kind) for name, kind in types.items()})

    def _settled(self) -> Callable[[str], bool]:
        """Whether a column's type is declared, or known to the warehouse."""
        declared = set(self.rules.types)
        return lambda name: name in declared or self.rules.normal(name) in self.rules.known

    def _shaped(self, chunk: Chunk, origin: str | None) -> Iterator[Any]:
        import dlt

        table = self.shaper.shape(chunk, origin)
        self.tell(self.shaper.rows, self.rejected.count)
        if table is not None:
            hints: Any = {
                name: hint for name, hint in self.shaper.hints.items() if name in table.column_names
            }
            yield dlt.mark.with_hints(table, dlt.mark.make_hints(columns=hints)) if hints else table

    def _shaped_table(self, table: pa.Table) -> pa.Table | None:
        shaped = self.shaper.shape(dict(zip(table.column_names, table.columns, strict=True)))
        self.tell(self.shaper.rows, self.rejected.count)
        return shaped

    def _resource(self, rows: Callable[[], Iterator[Any]]) -> DltResource:
        import dlt

        key = [self.rules.normal(name) for name in self.rules.primary_key]
        disposition: Any = self.disposition
        return dlt.resource(rows, name=self.rules.table, primary_key=key, write_disposition=disposition)()

    def _beside(self) -> list[DltResource]:
        import dlt

        def files() -> Iterator[pa.Table]:
            if self.files and self.disposition != "replace":
                yield as_rows(self.rules.table, self.files)

        def rejected() -> Iterator[pa.Table]:
            yield from self.rejected.batches()

        return [
            dlt.resource(files, name=FILES_TABLE, write_disposition="append")(),
            dlt.resource(rejected, name=REJECTED_TABLE, write_disposition="append")(),
        ]


def _ignored(_row: Any, _reason: str) -> None:
    """The first reading looks at types; the second one keeps bad lines."""


def _after_incremental(transform: Callable[[Any], Any]) -> Any:
    """A step of a dlt pipe that stands behind dlt's incremental one, and takes pages whole."""
    from dlt.extract.items_transform import ItemTransform

    class Behind(ItemTransform[Any, Any]):
        placement_affinity = 1.5

        def __call__(self, item: Any, meta: Any = None) -> Any:  # noqa: ARG002 dlt's signature
            return transform(item)

    return Behind(transform)
