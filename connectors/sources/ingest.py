"""Ingest one source: each of its tables read, shaped, and loaded into the warehouse in one package."""

from __future__ import annotations

import fcntl
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from connectors.errors import ConfigError, HubError, SourceError, WarehouseError
from connectors.redaction import redactor
from connectors.sources.feeds import Feed
from connectors.sources.files import Folder
from connectors.sources.report import IngestProgress, IngestResult, TableLoad
from connectors.sources.runtime import dlt_runtime
from connectors.sources.settings import (
    FilePattern,
    FilesystemSettings,
    Resource,
    RestApiSettings,
    SourceSettings,
    SqlDatabaseSettings,
    Table,
    TableSettings,
)
from connectors.sources.shape import TableRules

if TYPE_CHECKING:
    import dlt
    from dlt.extract import DltResource

__all__ = ["ingest"]

Progress = Callable[[IngestProgress], None]


def ingest(
    source_name: str,
    settings: SourceSettings,
    *,
    warehouse_url: str,
    home: Path,
    progress: Progress | None = None,
) -> IngestResult:
    """Bring what is new in a source into the warehouse.

    `warehouse_url` is `duckdb:////absolute/path` or `postgresql://…`; `home` is the project's `.headrace`
    folder (paths of a filesystem source are relative to the folder above it). Every table is a load of its
    own: where one fails, those before it stay, and the failed one leaves nothing half done.

    Raises:
        ConfigError: a URL, a driver or the warehouse's kind does not fit.
        SourceError: the source cannot be read, or breaks its schema contract.
        WarehouseBusy: another process holds the DuckDB file.
        WarehouseError: the warehouse refuses the rows.
    """
    started = time.monotonic()
    redactor.register(warehouse_url)
    folder = home / "dlt"
    with dlt_runtime(folder), _alone(source_name, folder):
        try:
            run = _Run(source_name, settings, warehouse_url, home, progress or (lambda _: None))
            tables = run.tables()
        finally:
            shutil.rmtree(folder / source_name, ignore_errors=True)
    return IngestResult(
        source_name, run.pipeline.dataset_name, tables, tuple(run.load_ids), time.monotonic() - started
    )


@contextmanager
def _alone(source: str, folder: Path) -> Iterator[None]:
    """One process at a time reads a source of a project; the lock ends with the process."""
    with (folder / f"{source}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise SourceError(f"{source}: another process is ingesting it. Wait for it or end it.") from error
        yield


@dataclass(frozen=True, slots=True)
class _Item:
    """One table to be read, and how to make its resources."""

    name: str
    settings: TableSettings
    resources: Callable[[Feed], list[DltResource]]


class _Run:
    """One ingest of one source."""

    def __init__(
        self, source: str, settings: SourceSettings, warehouse_url: str, home: Path, progress: Progress
    ) -> None:
        import dlt
        from dlt.common.normalizers.naming.snake_case import NamingConvention

        from connectors.sources.target import destination_of

        self._source = source
        self._settings = settings
        self._home = home
        self._progress = progress
        self._folder = home / "dlt" / source
        self._on_postgres = warehouse_url.startswith("postgres")
        self._normal = NamingConvention(63 if self._on_postgres else 255).normalize_identifier
        self.load_ids: list[str] = []
        shutil.rmtree(self._folder, ignore_errors=True)
        self.pipeline: dlt.Pipeline = dlt.pipeline(
            source,
            pipelines_dir=str(self._folder),
            destination=destination_of(warehouse_url),
            dataset_name=settings.dataset or source,
        )

    def tables(self) -> dict[str, TableLoad]:
        """Read and load every table, in the order of the file."""
        from connectors.sources.target import remove_unfinished, sole

        loads: dict[str, TableLoad] = {}
        with ExitStack() as stack:
            if self._on_postgres:
                stack.enter_context(sole(self.pipeline))
            with _spoken(self._source):
                self.pipeline.sync_destination()
            remove_unfinished(self.pipeline)
            first_ever = not self._known_tables()
            for item in self._items(stack):
                name, load = self._table(item, first_ever=first_ever, before=list(loads))
                loads[name] = load
        return loads

    def _items(self, stack: ExitStack) -> Iterator[_Item]:
        settings = self._settings
        if isinstance(settings, SqlDatabaseSettings):
            from connectors.sources.sql_tables import opened

            database = stack.enter_context(opened(settings, self._home.parent))
            for name in settings.tables:
                table = settings.table(name)
                yield _Item(name, table, partial(Feed.of_table, database=database, name=name, table=table))
        elif isinstance(settings, FilesystemSettings):
            folder = Folder(settings, self._home.parent)
            for name, pattern in settings.files.items():
                yield _Item(name, pattern, partial(self._files, folder=folder, pattern=pattern))
        elif isinstance(settings, RestApiSettings):
            for name, resource in settings.resources.items():
                yield _Item(name, resource, partial(_pages, settings=settings, resource=resource))

    def _files(self, feed: Feed, folder: Folder, pattern: FilePattern) -> list[DltResource]:
        from connectors.sources.target import loaded_files

        matching = folder.matching(pattern)
        feed.matched = len(matching)
        known = loaded_files(self.pipeline, feed.rules.table) if pattern.reads_only_new else {}
        feed.files = [file for file in matching if known.get(file.path) != file]
        return feed.of_files(folder, pattern) if feed.files else []

    def _known_tables(self) -> dict[str, Any]:
        """The tables of this source that have been loaded before, as dlt describes them."""
        if not self.pipeline.schema_names:
            return {}
        return {str(table["name"]): table for table in self.pipeline.default_schema.data_tables()}

    def _table(self, item: _Item, *, first_ever: bool, before: list[str]) -> tuple[str, TableLoad]:
        name = self._normal(item.name)
        place = f"{self._source}.{item.name}"
        known = self._known_tables().get(name)
        if known is None and not first_ever and self._settings.contract.tables != "evolve":
            if self._settings.contract.tables == "discard":
                return name, TableLoad(left_out=True)
            raise SourceError(f"{place}: the table is new, and the schema contract freezes tables.")
        feed = Feed(
            self._rules(name, item.settings, known), item.settings.disposition, self._folder, self._tell(name)
        )
        try:
            with feed.rejected:
                self._load(feed, item)
        except HubError as error:
            raise _after(error, before) from error
        self._progress(IngestProgress(self._source, name, "done", feed.shaper.rows, feed.rejected.count))
        added = tuple(feed.shaper.columns_added) if known else ()
        return name, TableLoad(feed.shaper.rows, feed.rejected.count, len(feed.files), feed.matched, added)

    def _rules(self, name: str, settings: TableSettings, known: Any) -> TableRules:
        columns = known["columns"] if known else {}
        return TableRules(
            table=name,
            contract=self._settings.contract,
            primary_key=tuple(settings.primary_key or ()),
            known={n: c for n, c in columns.items() if c.get("data_type") and n != "_dlt_load_id"},
            normal=self._normal,
            on_postgres=self._on_postgres,
            later_wins=settings.disposition == "merge" and not isinstance(settings, Table),
        )

    def _tell(self, name: str) -> Callable[[int, int], None]:
        return lambda rows, rejected: self._progress(
            IngestProgress(self._source, name, "read", rows, rejected)
        )

    def _load(self, feed: Feed, item: _Item) -> None:
        import dlt

        from connectors.sources.target import announce, remove_unfinished, settle

        place = f"{self._source}.{item.name}"
        with _spoken(place):
            resources = item.resources(feed)
            if not resources:
                return
            source = dlt.source(lambda: resources, name=self._source, section=self._source)()
            self.pipeline.extract(source, loader_file_format="csv" if self._on_postgres else "parquet")
            self.pipeline.normalize()
        load_ids = self.pipeline.list_normalized_load_packages()
        announce(self.pipeline, load_ids)
        self._progress(
            IngestProgress(self._source, feed.rules.table, "load", feed.shaper.rows, feed.rejected.count)
        )
        try:
            with _spoken(place):
                self.pipeline.load()
        except HubError:
            with suppress(WarehouseError):  # where this fails too, the next ingest does it
                remove_unfinished(self.pipeline)
            raise
        settle(self.pipeline, load_ids)
        self.load_ids += load_ids


@contextmanager
def _spoken(place: str) -> Iterator[None]:
    """Errors of dlt in our words."""
    try:
        yield
    except Exception as error:  # every error of dlt, its drivers and the source ends here, in words
        from connectors.sources.words import causes, in_words

        if any(isinstance(cause, KeyboardInterrupt) for cause in causes(error)):  # dlt wraps a Ctrl-C too
            raise KeyboardInterrupt from error
        raise in_words(error, place) from error


def _pages(feed: Feed, settings: RestApiSettings, resource: Resource) -> list[DltResource]:
    from connectors.sources.api import pages

    return feed.of_pages(pages(f"{feed.rules.table}__pages", settings, resource), resource)


def _after(error: HubError, before: list[str]) -> HubError:
    """The error, with what was loaded before it."""
    if not before or isinstance(error, ConfigError):
        return error
    return type(error)(f"{error} Loaded before, and kept: {', '.join(before)}.")
