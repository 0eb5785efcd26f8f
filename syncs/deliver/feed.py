"""Slices from a blocking iterator, pulled in a thread, one ahead of what was taken."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from concurrent.futures import Executor

from syncs.deliver.slice import Slice

__all__ = ["Feed"]

_log = logging.getLogger(__name__)


class Feed:
    """Takes slices one after another while the next is being read. One caller at a time."""

    def __init__(self, slices: Iterator[Slice], threads: Executor) -> None:
        self._slices = slices
        self._threads = threads
        self._ahead: asyncio.Future[Slice | None] | None = None

    async def next(self) -> Slice | None:
        """The next slice, None after the last."""
        ahead = self._ahead or self._pull()
        self._ahead = ahead
        # A thread cannot be called back: whoever is cancelled here leaves the slice to `close`.
        await asyncio.wait({ahead})
        self._ahead = None
        piece = ahead.result()
        if piece is not None:
            self._ahead = self._pull()
        return piece

    async def close(self) -> None:
        """Wait until no thread uses the iterator."""
        if self._ahead is None:
            return
        await asyncio.wait({self._ahead})
        error = self._ahead.exception()
        if error is not None:
            _log.warning("reading ahead failed: %s", error)

    def _pull(self) -> asyncio.Future[Slice | None]:
        return asyncio.get_running_loop().run_in_executor(self._threads, next, self._slices, None)
