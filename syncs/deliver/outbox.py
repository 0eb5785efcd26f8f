"""A slice's way to its outcomes: sent, halved where it was refused, read back where no answer came."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from connectors.destination import Destination, Reads
from connectors.errors import BatchRefused, OutcomeUnknown
from connectors.operation import Rejection
from syncs.deliver.breaker import Breaker
from syncs.deliver.outcome import Delivery, Reporter
from syncs.deliver.readback import arrived, stretches
from syncs.deliver.sender import Sender
from syncs.deliver.slice import Parcel, Slice
from syncs.deliver.words import without_values

__all__ = ["Outbox", "Record"]

Record = Callable[[int, int, list[Rejection]], Awaitable[None]]
"""Journals the outcome of the operations [from, to) durably: all accepted but the rejections."""


@dataclass(slots=True)
class Outbox:
    """Brings slices to an outcome, range by range, each journalled on its own.

    `questions` says how often one range is read back and sent again. `blames_a_row` turns false once a
    refused batch was accepted in parts: from then on, that one half was accepted proves nothing of the other.
    """

    destination: Destination
    sender: Sender
    record: Record
    breaker: Breaker
    delivery: Delivery
    reporter: Reporter
    questions: int
    blames_a_row: bool = True

    async def settle(self, piece: Slice) -> bool:
        """Bring every row of a slice to an outcome; False where some of it stays without one.

        Raises:
            DestinationError: what ends the delivery. Rows without an outcome are pending, or listed as
                unfinished where they may have been written.
            Halted: the delivery ended meanwhile; the same holds.
        """
        todo = [Parcel.of(piece)]
        unanswered: OutcomeUnknown | None = None
        try:
            while todo:
                unanswered = await self._step(todo) or unanswered
        except BaseException:
            self.delivery.unfinished += [(p.from_seq, p.to_seq) for p in todo if p.doubtful]
            raise
        if unanswered is None:
            return True
        if self.breaker.unanswered():
            raise unanswered
        return False

    async def _step(self, todo: list[Parcel]) -> OutcomeUnknown | None:
        """One step with the last of the parcels to do; the error where it is left without an outcome."""
        parcel = todo[-1]
        if parcel.blamed and parcel.rows > 1 and self.blames_a_row:
            todo[-1:] = reversed(parcel.halves())
            return None
        try:
            rejections = [] if parcel.arrived else await self.sender.write(parcel)
        except BatchRefused as refused:
            if parcel.rows > 1:
                todo[-1:] = reversed(parcel.halves())
            else:
                await self._reject(todo, refused)
            return None
        except OutcomeUnknown as unknown:
            return await self._find_out(todo, unknown)
        if parcel.blamed and not rejections:
            self.blames_a_row = False
        if parcel.rest is not None:
            parcel.rest.blamed = True
        await self._journal(todo, [without_values(rejection) for rejection in rejections])
        return None

    async def _reject(self, todo: list[Parcel], refused: BatchRefused) -> None:
        rejection = without_values(Rejection(todo[-1].batch[0], refused.code, str(refused)))
        await self._journal(todo, [rejection])
        error = self.breaker.refused_alone(rejection.code, rejection.message)
        if error is not None:
            raise error

    async def _find_out(self, todo: list[Parcel], unknown: OutcomeUnknown) -> OutcomeUnknown | None:
        if self.destination.repeats_are_harmless:
            raise unknown  # it was sent again, as often as patience allows
        parcel = todo[-1]
        parcel.questions += 1
        if isinstance(self.destination, Reads) and parcel.questions < self.questions:
            answers = await self._read(self.destination, parcel)
            if answers:
                parts = []
                for start, stop, there in stretches(parcel.from_seq, answers):
                    part = parcel.part(start, stop)
                    part.arrived = there
                    parts.append(part)
                todo[-1:] = reversed(parts)
                return None
        self.delivery.unfinished.append((parcel.from_seq, parcel.to_seq))
        todo.pop()
        return unknown

    async def _read(self, reads: Reads, parcel: Parcel) -> list[bool]:
        """For each operation, whether it was written; empty where the destination does not tell."""
        try:
            held = await self.sender.read(reads, parcel.batch)
        except (BatchRefused, OutcomeUnknown):
            return []
        mode = self.destination.target.mode
        return [arrived(operation, row, mode) for operation, row in zip(parcel.batch, held, strict=True)]

    async def _journal(self, todo: list[Parcel], rejections: list[Rejection]) -> None:
        parcel = todo[-1]
        await self.record(parcel.from_seq, parcel.to_seq, rejections)
        todo.pop()
        self._count(parcel, rejections)
        if len(rejections) < parcel.rows:
            self.breaker.accepted()
        self.reporter.now()

    def _count(self, parcel: Parcel, rejections: list[Rejection]) -> None:
        self.delivery.rejected += len(rejections)
        kind = parcel.whole.kind
        if kind is not None:
            self.delivery.accepted[kind] += parcel.rows - len(rejections)
            return
        accepted = Counter(operation.kind for operation in parcel.batch)
        accepted.subtract(rejection.operation.kind for rejection in rejections)
        for each, rows in accepted.items():
            self.delivery.accepted[each] += rows
