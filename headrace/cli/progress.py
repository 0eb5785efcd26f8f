"""Progress on stderr: a bar on a terminal, a log line now and then elsewhere."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from connectors.sources.report import IngestProgress
    from syncs.deliver import Progress

__all__ = ["ingesting", "syncing", "working"]

_LOG = logging.getLogger(__name__)
_SECONDS_BETWEEN_LINES = 5.0
_PHASES = {"plan": "planning", "deliver": "delivering", "settle": "settling"}


@contextmanager
def syncing(name: str) -> Iterator[Callable[[str, Progress | None, int], None]]:
    """What a run of a sync tells while it goes on."""
    if not sys.stderr.isatty():
        yield _Lines(name)
        return
    with _bar() as bar:
        task = bar.add_task(f"{name}: starting", total=None)

        def tell(phase: str, progress: Progress | None, total: int) -> None:
            done = progress.done if progress else None
            bar.update(task, description=f"{name}: {_PHASES[phase]}", total=total or None, completed=done)

        yield tell


class _Lines:
    """A log line for a delivery that takes long; none for one that is over at once."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._next_at = time.monotonic() + _SECONDS_BETWEEN_LINES

    def __call__(self, phase: str, progress: Progress | None, total: int) -> None:
        now = time.monotonic()
        if progress is None or now < self._next_at:
            return
        self._next_at = now + _SECONDS_BETWEEN_LINES
        _LOG.info(
            "%s: %s, %s of %s rows, %s rejected, %s requests",
            self._name,
            _PHASES[phase],
            f"{progress.done:,}",
            f"{total:,}",
            f"{progress.rejected:,}",
            f"{progress.requests:,}",
        )


@contextmanager
def ingesting() -> Iterator[Callable[[IngestProgress], None]]:
    """What an ingest tells of each of its tables."""
    if not sys.stderr.isatty():
        yield _table_done
        return
    with _bar() as bar:
        tasks: dict[str, Any] = {}

        def tell(progress: IngestProgress) -> None:
            name = f"{progress.source}.{progress.table}"
            if name not in tasks:
                tasks[name] = bar.add_task(name, total=None)
            words = f"{name}: {progress.step}, {progress.rows:,} rows"
            end = {"total": 1, "completed": 1} if progress.step == "done" else {}
            bar.update(tasks[name], description=words, **end)

        yield tell


def _table_done(progress: IngestProgress) -> None:
    if progress.step == "done":
        _LOG.info(
            "%s.%s: %s rows, %s rejected",
            progress.source, progress.table, f"{progress.rows:,}", f"{progress.rejected:,}",
        )  # fmt: skip


@contextmanager
def working(words: str) -> Iterator[None]:
    """Something that takes a while and tells nothing of itself."""
    if not sys.stderr.isatty():
        _LOG.info("%s", words)
        yield
        return
    with _bar() as bar:
        bar.add_task(words, total=None)
        yield


@contextmanager
def _bar() -> Iterator[Any]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        yield bar
