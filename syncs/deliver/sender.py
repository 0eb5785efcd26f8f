"""One request to a destination, and its repetition while that may help."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import Executor
from typing import Any, TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception

from connectors.destination import Destination, Reads
from connectors.errors import (
    BatchRefused,
    DestinationError,
    OutcomeUnknown,
    Throttled,
    Unauthorized,
    Unavailable,
)
from connectors.operation import Operation, Rejection
from syncs.deliver.calling import call, defect
from syncs.deliver.halt import Halt
from syncs.deliver.lane import Lane
from syncs.deliver.outcome import Delivery
from syncs.deliver.patience import Patience, Spell
from syncs.deliver.slice import Parcel

__all__ = ["Sender"]

Answer = TypeVar("Answer")


class Sender:
    """Sends parcels through the lane. Counts requests, retries and throttled time into the delivery."""

    def __init__(
        self,
        destination: Destination,
        *,
        lane: Lane,
        halt: Halt,
        patience: Patience,
        delivery: Delivery,
        threads: Executor,
    ) -> None:
        self._destination = destination
        self._lane = lane
        self._halt = halt
        self._patience = patience
        self._delivery = delivery
        self._threads = threads
        self._throttled_until = 0.0
        self.calling: set[asyncio.Task[Any]] = set()
        """Tasks that are inside the connector's code just now."""

    async def write(self, parcel: Parcel) -> list[Rejection]:
        """Send a parcel until the destination answers; the rows it rejected, each once.

        From the first request on the parcel is doubtful, unless the error says that nothing was written.

        Raises:
            DestinationError: the last try's.
            ConnectorDefect: the connector broke the law of destinations.
            Halted: the delivery ended before the parcel got an answer.
        """
        harmless = self._destination.repeats_are_harmless
        answer = await self._persist(lambda: self._write_once(parcel), harmless=harmless)
        if type(answer) is list and not answer:
            return answer
        return self._checked(answer, parcel)

    async def read(self, reads: Reads, operations: Sequence[Operation]) -> list[Mapping[str, Any] | None]:
        """What the destination holds for each operation, after a pause in which a late write may land.

        Raises: as `write`.
        """
        await self._halt.pause(self._patience.base_seconds)
        held = await self._persist(lambda: self._request(reads.read, operations), harmless=True)
        if not isinstance(held, list) or len(held) != len(operations):
            raise defect(reads.read, "did not return a list with one entry per operation from read")
        return held

    async def _write_once(self, parcel: Parcel) -> Any:
        before = parcel.doubtful
        try:
            return await self._request(self._destination.write, parcel.batch, parcel)
        except (Throttled, Unauthorized, BatchRefused):
            parcel.doubtful = before
            raise

    async def _request(
        self, method: Callable[..., Any], argument: Sequence[Operation], parcel: Parcel | None = None
    ) -> Any:
        ticket = await self._lane.enter(self._halt, self._patience.longest_wait_seconds)
        if parcel is not None:
            parcel.doubtful = True
        self._delivery.requests += 1
        error: DestinationError | None = None
        task = asyncio.current_task()
        if task is not None:
            self.calling.add(task)
        try:
            return await call(self._threads, method, argument)
        except DestinationError as raised:
            error = raised
            raise
        finally:
            if task is not None:
                self.calling.discard(task)
            self._lane.leave(ticket, error)

    async def _persist(self, once: Callable[[], Awaitable[Answer]], *, harmless: bool) -> Answer:
        try:
            return await once()
        except (Throttled, Unavailable, OutcomeUnknown) as error:
            first = error
        return await self._again(once, first, harmless=harmless)

    async def _again(
        self, once: Callable[[], Awaitable[Answer]], first: DestinationError, *, harmless: bool
    ) -> Answer:
        made = iter((first,))

        async def attempt() -> Answer:
            for failure in made:  # the first try has been made, without the cost of all this
                raise failure
            self._delivery.retries += 1
            return await once()

        spell = Spell(
            self._patience,
            repeats_are_harmless=harmless,
            monotonic=self._lane.monotonic,
            answered_at=lambda: self._lane.answered_at,
        )
        retrying = AsyncRetrying(
            retry=retry_if_exception(spell.worth_another_try),
            wait=spell.wait,
            stop=spell.stop,
            sleep=self._halt.pause,
            before_sleep=self._count_throttling,
            reraise=True,
        )
        return await retrying(attempt)

    def _count_throttling(self, state: RetryCallState) -> None:
        if state.outcome and isinstance(state.outcome.exception(), Throttled):
            now = self._lane.monotonic()
            until = now + state.upcoming_sleep
            self._delivery.throttled_seconds += max(0.0, until - max(now, self._throttled_until))
            self._throttled_until = max(self._throttled_until, until)

    def _checked(self, answer: object, parcel: Parcel) -> list[Rejection]:
        if not isinstance(answer, list):
            raise defect(self._destination.write, f"returned {type(answer).__name__} and no list from write")
        rejections: dict[int, Rejection] = {}
        for rejection in answer:
            if not isinstance(rejection, Rejection):
                raise defect(self._destination.write, "returned from write what is no Rejection")
            if not parcel.from_seq <= rejection.operation.seq < parcel.to_seq:
                raise defect(self._destination.write, "rejected an operation outside of the batch")
            rejections.setdefault(rejection.operation.seq, rejection)
        return list(rejections.values())
