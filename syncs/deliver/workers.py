"""The workers of a delivery: who sends what, in which order, and when it ends.

Slices are taken strictly in order, and whoever takes one journals its outcome before taking the next. So at
any moment at most `concurrency` slices may have been sent without an outcome in the journal, and they are the
first ones without: after a kill -9 that is all that recovery needs to know. A worker whose slice stays
without an outcome takes no other, which keeps its place in that window.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

from connectors.destination import Destination
from connectors.operation import Kind
from syncs.deliver.breaker import Breaker
from syncs.deliver.feed import Feed
from syncs.deliver.halt import Halt, Halted
from syncs.deliver.lane import Lane
from syncs.deliver.outbox import Outbox, Record
from syncs.deliver.outcome import Delivery, Interrupted, Progress, Reporter
from syncs.deliver.patience import Patience
from syncs.deliver.sender import Sender
from syncs.deliver.slice import Slice

__all__ = ["deliver"]

_PATIENCE = Patience()


async def deliver(  # noqa: PLR0913  what a run hands over, all but two by keyword
    slices: Iterator[Slice],
    destination: Destination,
    *,
    lane: Lane,
    record: Record,
    stop: asyncio.Event,
    progress: Callable[[Progress], None] | None = None,
    patience: Patience = _PATIENCE,
) -> Delivery:
    """Send slices to a destination until the last has an outcome or something ends the delivery.

    Args:
        slices: in the order of the plan; pulled in a thread, some ahead.
        destination: started, and closed by the caller.
        lane: the destination's, see `lane_for`.
        record: journals a range durably; awaited before the next slice is taken.
        stop: once set, no batch is sent any more; those under way have `patience.grace_seconds`.
        progress: told some ten times a second at most, and at the end.
        patience: bounds of retry.

    Returns:
        What it came to. Whatever ended it stands in `stopped_by` and is not raised: an error of the
        destination, of the journal or of the slices, or `Interrupted`.
    """
    halt, delivery, places = Halt(), Delivery(), max(1, lane.limits.concurrency)
    threads = ThreadPoolExecutor(places + 1, thread_name_prefix="deliver")
    reporter = Reporter(delivery, progress, lane.monotonic)
    sender = Sender(destination, lane=lane, halt=halt, patience=patience, delivery=delivery, threads=threads)
    outbox = Outbox(
        destination, sender, record, Breaker(places), delivery, reporter, questions=patience.attempts
    )
    feed = Feed(slices, threads)
    workers = _Workers(feed, outbox, halt)
    watch = asyncio.create_task(_watch(stop, halt, sender, patience.grace_seconds))
    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(places):
                group.create_task(workers.work())
    finally:
        watch.cancel()
        await feed.close()
        threads.shutdown(wait=False)
    delivery.unfinished.sort()
    delivery.stopped_by = halt.reason
    reporter.now(last=True)
    return delivery


async def _watch(stop: asyncio.Event, halt: Halt, sender: Sender, grace_seconds: float) -> None:
    await stop.wait()
    halt.by(Interrupted("stopped as asked; what was not sent stays pending"))
    await asyncio.sleep(grace_seconds)
    for task in sender.calling:
        task.cancel()


class _Workers:
    """Tasks that take slices in turn."""

    def __init__(self, feed: Feed, outbox: Outbox, halt: Halt) -> None:
        self._feed = feed
        self._outbox = outbox
        self._halt = halt
        self._turn = asyncio.Lock()
        self._under_way = 0
        self._idle = 0
        self._calm = asyncio.Event()
        self._kind: Kind | None = None

    async def work(self) -> None:
        """Take slices and bring them to their outcomes, until there are none or the delivery ends."""
        while await self._settle_one():
            pass

    async def _settle_one(self) -> bool:
        """Take a slice to its outcome; whether to take another. Here a slice is let go of."""
        piece = await self._take()
        if piece is None:
            return False
        try:
            return await self._outbox.settle(piece)
        except Halted:
            return False
        except Exception as error:  # noqa: BLE001  kept: it is the delivery's `stopped_by`
            self._halt.by(error)
            return False
        finally:
            self._under_way -= 1
            if not self._under_way:
                self._calm.set()

    async def _take(self) -> Slice | None:
        """The next slice once it may be sent: operations of one kind wait for all of the kind before."""
        self._idle += 1
        async with self._turn:
            self._idle -= 1
            try:
                piece = None if self._halt.reason else await self._feed.next(self._idle)
            except Exception as error:  # noqa: BLE001  kept: it is the delivery's `stopped_by`
                self._halt.by(error)
                return None
            if piece is None:
                return None
            kind = _only_kind(piece)
            if self._under_way and (kind is None or kind is not self._kind):
                self._calm.clear()
                await self._calm.wait()
            if self._halt.reason:
                return None
            self._kind = kind
            self._under_way += 1
            return piece


def _only_kind(piece: Slice) -> Kind | None:
    """What all operations of a slice are, None where they are mixed."""
    if piece.kind is not None:
        return piece.kind
    kinds = {operation.kind for operation in piece.batch}
    return kinds.pop() if len(kinds) == 1 else None
