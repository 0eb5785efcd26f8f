"""Brings a spooled plan to its destination and journals each outcome."""

from __future__ import annotations

import asyncio
import inspect
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

from connectors.destination import Destination, Replaces, Target
from connectors.operation import Mode, Rejection
from syncs.deliver import Delivery, Patience, Progress, deliver, lane_for
from syncs.job import Job
from syncs.journal import Entry, Journal, RejectedSeq
from syncs.layout import Layout
from syncs.lease import Lease
from syncs.records import recorded
from syncs.spool import Range, Spool

__all__ = ["Errand", "carry_out"]


@dataclass(frozen=True, slots=True)
class Errand:
    """What is to be brought: ranges of a run's spool, to the destination as the plan knew it."""

    job: Job
    run_id: str
    plan: dict[str, Any]
    spool: Spool
    ranges: Sequence[Range]
    lease: Lease
    whole: bool = False
    patience: Patience = Patience()  # noqa: RUF009 - frozen

    @property
    def target(self) -> Target:
        """The destination's view of the sync."""
        layout = self.spool.layout
        return Target(
            sync=self.job.name,
            run_id=self.run_id,
            object=self.plan["object"],
            mode=Mode(self.plan["mode"]),
            primary_key=tuple(slot.name for slot in layout.keys),
            match_on=tuple(slot.name for slot in layout.matches if not slot.retired),
            fields=tuple(slot.name for slot in recorded(layout)),
            on_removed=self.plan["on_removed"],
            types=_types(layout),
        )


def _types(layout: Layout) -> dict[str, str]:
    """Logical types by name; a field's own where an identifier or a key has the same name."""
    return {slot.name: slot.logical for slot in (*layout.keys, *layout.matches, *layout.fields)}


def carry_out(
    errand: Errand,
    tell: Callable[[Progress], None] | None = None,
    opened: Callable[[], None] = lambda: None,
) -> Delivery:
    """Deliver until done or stopped: by a signal, the destination or a lost lease (`syncs.deliver.deliver`).

    `opened` is called once the destination is open, before anything is sent.

    Raises:
        HubError: the destination could not be opened; nothing was sent.
    """
    return asyncio.run(_carry_out(errand, tell, opened))


async def _carry_out(
    errand: Errand, tell: Callable[[Progress], None] | None, opened: Callable[[], None]
) -> Delivery:
    destination = errand.job.destination(errand.target)
    stop = asyncio.Event()
    with _stopped_by_signals(stop):
        try:
            await _called(destination.start)
            opened()
            async with Journal(errand.job.state, errand.run_id, errand.lease) as journal:
                return await _send(errand, destination, journal, stop, tell)
        finally:
            await _called(destination.close)


async def _send(
    errand: Errand,
    destination: Destination,
    journal: Journal,
    stop: asyncio.Event,
    tell: Callable[[Progress], None] | None,
) -> Delivery:
    async def record(start: int, end: int, rejections: list[Rejection]) -> None:
        refused = (RejectedSeq(r.operation.seq, r.code, r.message, r.retryable) for r in rejections)
        await journal.record(Entry(start, end, tuple(refused)))

    job = errand.job
    if errand.whole:
        await _called(cast("Replaces", destination).begin_replace)
    delivery = await deliver(
        errand.spool.slices(
            errand.ranges, sync=job.name, run_id=errand.run_id, as_json=type(destination).json_rows
        ),
        destination,
        lane=lane_for(f"{job.folder}:{job.sync.destination}", job.limits),
        record=record,
        stop=stop,
        progress=tell,
        patience=errand.patience,
    )
    if errand.whole and delivery.stopped_by is None and not delivery.unfinished:
        await _called(cast("Replaces", destination).finish_replace)
    return delivery


async def _called(method: Callable[[], Any]) -> None:
    """A connector's methods may be plain functions, which then run in a thread."""
    if inspect.iscoroutinefunction(method):
        await method()
    else:
        await asyncio.to_thread(method)


@contextmanager
def _stopped_by_signals(stop: asyncio.Event) -> Iterator[None]:
    """Ctrl-C and SIGTERM end a delivery in order; only the main thread hears them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        loop.add_signal_handler(number, stop.set)
    try:
        yield
    finally:
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler or signal.SIG_DFL)
