"""Slices from a blocking iterator, pulled in a thread."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Executor
from itertools import islice

from syncs.deliver.slice import Slice

__all__ = ["Feed"]

_log = logging.getLogger(__name__)


class Feed:
    """Takes slices one after another and reads one ahead. One caller at a time.

    A trip to a thread and back costs as much as a small request, so one trip fetches a slice for everybody
    who waits.
    """

    def __init__(self, slices: Iterator[Slice], threads: Executor) -> None:
        self._slices = slices
        self._threads = threads
        self._ready: deque[Slice] = deque()
        self._reading: asyncio.Future[list[Slice]] | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._error: BaseException | None = None
        self._ended = False

    async def next(self, waiting: int) -> Slice | None:
        """The next slice, None after the last.

        Args:
            waiting: how many will ask at once after this one. So many slices and one may be read ahead.
        """
        while not self._ready:
            if self._reading is None:
                if self._error is not None:
                    raise self._error
                if self._ended:
                    return None
                self._read(waiting + 2)
            self._waiter = asyncio.get_running_loop().create_future()
            await (
                self._waiter
            )  # a thread cannot be called back: what it brings after a cancellation stays here
        piece = self._ready.popleft()
        if not self._ready and self._reading is None and not self._ended:
            self._read(waiting + 1)
        return piece

    async def close(self) -> None:
        """Wait until no thread uses the iterator."""
        if self._reading is not None:
            await asyncio.wait({self._reading})
        if self._error is not None:
            _log.debug("a slice could not be read: %s", type(self._error).__name__)

    def _read(self, count: int) -> None:
        loop = asyncio.get_running_loop()
        self._reading = loop.run_in_executor(self._threads, self._pull, count)
        self._reading.add_done_callback(self._arrived)

    def _pull(self, count: int) -> list[Slice]:
        pulled: list[Slice] = []
        try:
            pulled.extend(islice(self._slices, count))
        except Exception as error:  # noqa: BLE001  raised once the slices before it were taken
            self._error = error
        self._ended = len(pulled) < count
        return pulled

    def _arrived(self, reading: asyncio.Future[list[Slice]]) -> None:
        self._reading = None
        self._ready += reading.result()
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
