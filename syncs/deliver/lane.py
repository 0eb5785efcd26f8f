"""The way to one destination, shared by every sync of the process: how many at once, how fast, and when.

Concurrency follows AIMD (additive increase, multiplicative decrease, as TCP does: RFC 5681, section 3.1), the
pace is even spacing (the generic cell rate algorithm, ITU-T I.371, without a burst).
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable

from connectors.destination import Limits
from connectors.errors import DestinationError, Throttled, Unavailable
from syncs.deliver.halt import Halt

__all__ = ["Lane", "lane_for"]

_SUCCESSES_PER_STEP = 10
"""After so many answers without a complaint one more request may be under way."""


class _Waiter:
    """One request that waits for a place, in whatever thread its event loop runs."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.turn: asyncio.Future[None] = self.loop.create_future()
        self.has_place = False

    def call(self) -> None:
        self.has_place = True
        self.loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        if not self.turn.done():
            self.turn.set_result(None)


class Lane:
    """Limits of one destination, kept over all event loops and threads of this process.

    Args:
        limits: what the destination documents, or the user's own.
        monotonic: a clock in seconds.
    """

    def __init__(self, limits: Limits, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.monotonic = monotonic
        self._lock = threading.Lock()
        self._waiting: deque[_Waiter] = deque()
        self._under_way = 0
        self._cuts = 0
        self._successes = 0
        self._next_at = 0.0
        self._not_before = 0.0
        self.answered_at = monotonic()
        self.adopt(limits)

    def adopt(self, limits: Limits) -> None:
        """Keep other limits from now on, as after an edited destination."""
        with self._lock:
            self.limits = limits
            self._allowed = max(1, limits.concurrency)
            self._interval = 1.0 / limits.requests_per_second if limits.requests_per_second else 0.0
            self._call_next()

    @property
    def allowed(self) -> int:
        """How many requests may be under way at once just now."""
        return self._allowed

    async def enter(self, halt: Halt, longest_wait_seconds: float) -> int:
        """Wait for a place and for the moment to send; a ticket for `leave`.

        Raises:
            Halted: the delivery ended first; no place is held.
            Throttled: the destination asked for a longer wait than `longest_wait_seconds`.
        """
        halt.check()
        if not self._take_place():
            await self._queue(halt)
        try:
            await self._moment(halt, longest_wait_seconds)
        except BaseException:
            self._give_place_back()
            raise
        return self._cuts

    def leave(self, ticket: int, error: DestinationError | None = None) -> None:
        """Give the place back and learn from how it went.

        Args:
            ticket: what `enter` gave. Requests that were under way together lower the concurrency once.
            error: what the destination said of the batch, None where it took it.
        """
        asked = getattr(error, "retry_after_seconds", None)
        with self._lock:
            if asked and isinstance(error, Throttled | Unavailable):
                self._not_before = max(self._not_before, self.monotonic() + asked)
            if isinstance(error, Throttled):
                self._slow_down(ticket)
            elif error is None:
                self._speed_up()
        self._give_place_back()

    def _slow_down(self, ticket: int) -> None:
        self._successes = 0
        if ticket == self._cuts:
            self._cuts += 1
            self._allowed = max(1, self._allowed // 2)

    def _speed_up(self) -> None:
        self.answered_at = self.monotonic()
        if self._allowed < self.limits.concurrency:
            self._successes += 1
            if self._successes >= _SUCCESSES_PER_STEP:
                self._successes = 0
                self._allowed += 1

    def _take_place(self) -> bool:
        with self._lock:
            free = self._under_way < self._allowed and not self._waiting
            self._under_way += free
            return free

    async def _queue(self, halt: Halt) -> None:
        waiter = _Waiter()
        with self._lock:
            self._waiting.append(waiter)
            self._call_next()
        try:
            await halt.wait(waiter.turn)
        except BaseException:
            with self._lock:
                if waiter.has_place:
                    self._under_way -= 1
                else:
                    self._waiting.remove(waiter)
                self._call_next()
            raise

    def _give_place_back(self) -> None:
        with self._lock:
            self._under_way -= 1
            self._call_next()

    def _call_next(self) -> None:
        while self._waiting and self._under_way < self._allowed:
            self._under_way += 1
            self._waiting.popleft().call()

    async def _moment(self, halt: Halt, longest_wait_seconds: float) -> None:
        mine: float | None = None
        while True:
            with self._lock:
                now = self.monotonic()
                hold = self._not_before - now
                if mine is None or mine < self._not_before:
                    mine = max(now, self._not_before, self._next_at)
                    self._next_at = mine + self._interval
            if hold > longest_wait_seconds:
                raise Throttled(f"the destination asked to be left alone for another {hold:.0f} s", hold)
            if mine <= now:
                return
            await halt.pause(mine - now)


_lanes: dict[str, Lane] = {}
_lanes_lock = threading.Lock()


def lane_for(key: str, limits: Limits) -> Lane:
    """The lane of one destination in this process, made when first asked for; it adopts changed limits."""
    with _lanes_lock:
        lane = _lanes.get(key)
        if lane is None:
            lane = _lanes[key] = Lane(limits)
        elif lane.limits != limits:
            lane.adopt(limits)
        return lane
