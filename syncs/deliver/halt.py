"""The end of a delivery, early: no new batch is taken and every wait is over at once."""

from __future__ import annotations

import asyncio

__all__ = ["Halt", "Halted"]


class Halted(Exception):
    """The delivery has ended early; whoever waits gives up its turn. Never leaves this package."""


class Halt:
    """Whether, and by what, a delivery was ended early. Belongs to one event loop."""

    def __init__(self) -> None:
        self.reason: BaseException | None = None
        self._waits: set[asyncio.Future[None]] = set()

    def by(self, reason: BaseException) -> None:
        """End the delivery; the first reason stays."""
        if self.reason is not None:
            return
        self.reason = reason
        for waiting in self._waits:
            if not waiting.done():
                waiting.set_result(None)

    def check(self) -> None:
        """Raise `Halted` once the delivery has ended."""
        if self.reason is not None:
            raise Halted

    async def wait(self, until: asyncio.Future[None]) -> None:
        """Wait for a future of this loop, or raise `Halted` as soon as the delivery ends."""
        self.check()
        self._waits.add(until)
        try:
            await until
        finally:
            self._waits.discard(until)
        self.check()

    async def pause(self, seconds: float) -> None:
        """Wait some seconds, or raise `Halted` as soon as the delivery ends."""
        loop = asyncio.get_running_loop()
        until: asyncio.Future[None] = loop.create_future()
        timer = loop.call_later(seconds, _wake, until)
        try:
            await self.wait(until)
        finally:
            timer.cancel()


def _wake(waiting: asyncio.Future[None]) -> None:
    if not waiting.done():
        waiting.set_result(None)
