"""Slices from a blocking iterator, pulled in a thread."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Executor

from syncs.deliver.slice import Slice

__all__ = ["Feed"]

_log = logging.getLogger(__name__)

_SLICES_AHEAD = 8
_ROWS_AHEAD = 10_000
"""Slices are read ahead until there are so many, or so many rows in them: memory stays bounded."""


class Feed:
    """Takes slices one after another and reads some ahead. One caller at a time.

    A trip to a thread and back costs as much as a small request, so one trip fetches a slice for everybody
    who waits, and some more.
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
            waiting: how many will ask at once after this one.
        """
        while not self._ready:
            if self._reading is None:
                if self._error is not None:
                    raise self._error
                if self._ended:
                    return None
                self._read(waiting + 1 + _SLICES_AHEAD)
            self._waiter = asyncio.get_running_loop().create_future()
            await (
                self._waiter
            )  # a thread cannot be called back: what it brings after a cancellation stays here
        piece = self._ready.popleft()
        if self._reading is None and not self._ended and self._is_short():
            self._read(waiting + _SLICES_AHEAD)
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

    def _is_short(self) -> bool:
        rows = sum(piece.to_seq - piece.from_seq for piece in self._ready)
        return len(self._ready) < _SLICES_AHEAD and rows < _ROWS_AHEAD

    def _pull(self, count: int) -> list[Slice]:
        pulled: list[Slice] = []
        rows = 0
        try:
            while len(pulled) < count and rows < _ROWS_AHEAD:
                piece = next(self._slices, None)
                if piece is None:
                    self._ended = True
                    break
                pulled.append(piece)
                rows += piece.to_seq - piece.from_seq
        except Exception as error:  # noqa: BLE001  raised once the slices before it were taken
            self._error, self._ended = error, True
        return pulled

    def _arrived(self, reading: asyncio.Future[list[Slice]]) -> None:
        self._reading = None
        self._ready += reading.result()
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
