"""Delivery against a scripted destination, on an event loop whose clock leaps instead of waiting."""

from __future__ import annotations

import asyncio
import math
import selectors
import threading
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.batch import Batch
from connectors.destination import Destination, DestinationSettings, Limits, Target
from connectors.errors import (
    BatchRefused,
    OutcomeUnknown,
    StateError,
    Throttled,
    Unauthorized,
    Unavailable,
)
from connectors.operation import Kind, Mode, Operation, Rejection
from syncs.deliver import ConnectorDefect, Delivery, Interrupted, Lane, Patience, Progress, Slice, deliver

T = TypeVar("T")
ORDER = (Kind.REMOVE, Kind.CHANGE, Kind.ADD)


class LeapingSelector(selectors.SelectSelector):
    """Adds to the clock what a real selector would wait."""

    now = 1_000.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """What is ready now; where nothing is, the wait is over at once."""
        ready = super().select(0)
        if not ready:
            assert timeout is not None, "everybody waits for something that never happens"
            self.now += max(0.0, timeout)
        return ready


class LeapingLoop(asyncio.SelectorEventLoop):
    """Virtual time; functions for threads run in place."""

    def __init__(self) -> None:
        self.leaping = LeapingSelector()
        super().__init__(self.leaping)

    def time(self) -> float:
        """The virtual time in seconds."""
        return self.leaping.now

    def run_in_executor(self, _executor: Any, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:  # type: ignore[override]  # threads have no virtual time
        """Run it in place."""
        future = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:  # noqa: BLE001  handed on
            future.set_exception(error)
        return future


def leap(main: Coroutine[Any, Any, T]) -> T:
    """Run to the end on a leaping loop."""
    with asyncio.Runner(loop_factory=LeapingLoop) as runner:
        return runner.run(main)


def operation(seq: int, kind: Kind = Kind.ADD) -> Operation:
    """An operation with values that must not leak."""
    key = {"id": f"key-{seq}"}
    record = None if kind is Kind.REMOVE else {"email": f"person{seq}@example.com"}
    previous = None if kind is Kind.ADD else {"email": f"old{seq}@example.com"}
    return Operation(seq, kind, key, key, record, previous)


def plan(count: int, *, kinds: Callable[[int], Kind] = lambda _: Kind.ADD) -> list[Operation]:
    """Operations numbered from 0."""
    return [operation(seq, kinds(seq)) for seq in range(count)]


def sliced(operations: Sequence[Operation], size: int) -> Iterator[Slice]:
    """Slices of one kind each, as the spool gives them."""
    start = 0
    while start < len(operations):
        kind = operations[start].kind
        end = start
        while end < len(operations) and end - start < size and operations[end].kind is kind:
            end += 1
        yield Slice(start, end, Batch.of(operations[start:end]), lambda a, b: Batch.of(operations[a:b]), kind)
        start = end


Script = Callable[[int, Sequence[Operation]], object]


class Recorder(Destination):
    """Answers as a function of (request number, batch) says and keeps what was accepted.

    The function gives rejected seqs, or an exception, or (exception, seqs written nevertheless).
    """

    def __init__(self, script: Script, seconds: Callable[[int], float] = lambda _: 1.0) -> None:
        super().__init__(DestinationSettings(), Target("s", "r", None, Mode.APPEND, ("id",), (), ("email",)))
        self.script = script
        self.seconds = seconds
        self.requests: list[tuple[float, list[int]]] = []
        self.held: Counter[int] = Counter()
        self.under_way = 0
        self.most_under_way = 0
        self.before: Callable[[Sequence[Operation]], None] = lambda _: None
        self.after: Callable[[Sequence[Operation]], None] = lambda _: None

    async def write(self, batch: Sequence[Operation]) -> list[Rejection]:
        """Answer as the script says, after its seconds."""
        number = len(self.requests)
        self.requests.append((asyncio.get_running_loop().time(), [each.seq for each in batch]))
        self.before(batch)
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            await asyncio.sleep(self.seconds(number))
            answer: list[Rejection] = self.answer(self.script(number, batch), batch)
            return answer
        finally:
            self.under_way -= 1
            self.after(batch)

    def answer(self, said: Any, batch: Sequence[Operation]) -> Any:
        """Do what the script said."""
        if isinstance(said, tuple):
            error, written = said
            self.held.update(written)
            raise error
        if isinstance(said, Exception):
            raise said
        if not isinstance(said, set | frozenset):
            return said
        self.held.update(each.seq for each in batch if each.seq not in said)
        return [Rejection(each, "bad", f"{each.match['id']} is bad") for each in batch if each.seq in said]


class Telling(Recorder):
    """Can be read, and must not be written twice."""

    repeats_are_harmless = False

    async def read(self, operations: Sequence[Operation]) -> list[Mapping[str, Any] | None]:
        """Each row as it is after what was written."""
        return [each.record if self.held[each.seq] else each.previous for each in operations]


class Delicate(Recorder):
    """Must not be written twice and cannot be read."""

    repeats_are_harmless = False


class Desk:
    """A delivery with its journal."""

    def __init__(self, destination: Destination, **limits: Any) -> None:
        self.destination = destination
        self.limits = Limits(**limits)
        self.journal: list[tuple[int, int, list[Rejection]]] = []
        self.patience = Patience()
        self.reports: list[Progress] = []
        self.stop_at: float | None = None
        self.record_error: Exception | None = None
        self.lane: Lane | None = None

    async def record(self, from_seq: int, to_seq: int, rejections: list[Rejection]) -> None:
        """Journal, after a moment."""
        await asyncio.sleep(0.01)
        if self.record_error:
            raise self.record_error
        self.journal.append((from_seq, to_seq, rejections))

    async def deliver(self, slices: Iterator[Slice]) -> Delivery:
        """Deliver on the running loop."""
        loop = asyncio.get_running_loop()
        self.lane = Lane(self.limits, monotonic=loop.time)
        stop = asyncio.Event()
        if self.stop_at is not None:
            loop.call_later(self.stop_at, stop.set)
        return await deliver(
            slices,
            self.destination,
            lane=self.lane,
            record=self.record,
            stop=stop,
            progress=self.reports.append,
            patience=self.patience,
        )

    def run(self, operations: Sequence[Operation], size: int = 10) -> Delivery:
        """Deliver operations on a loop of its own."""
        return leap(self.deliver(sliced(operations, size)))

    def accepted(self) -> list[int]:
        """Seqs journalled as accepted, as often as they are."""
        return sorted(
            seq
            for start, end, rejections in self.journal
            for seq in set(range(start, end)) - {each.operation.seq for each in rejections}
        )

    def rejected(self) -> list[int]:
        """Seqs journalled as rejected, as often as they are."""
        return sorted(each.operation.seq for _, _, rejections in self.journal for each in rejections)


def refusing(bad: set[int], code: str = "invalid") -> Script:
    """Refuses every batch that holds a bad row."""

    def script(_: int, batch: Sequence[Operation]) -> object:
        return BatchRefused("no", code) if any(each.seq in bad for each in batch) else set()

    return script


def scripted(*answers: object) -> Script:
    """Gives these answers in turn, then accepts everything."""
    return lambda number, _: answers[number] if number < len(answers) else set()


def rows(ranges: Sequence[tuple[int, int]]) -> list[int]:
    """The seqs of ranges."""
    return [seq for start, end in ranges for seq in range(start, end)]


def test_all_rows_arrive_once_and_are_counted_by_kind() -> None:
    """A plan that meets no trouble is sent in one request a slice and journalled as it was cut."""
    destination = Recorder(scripted())
    desk = Desk(destination, concurrency=3)
    delivery = desk.run(plan(45, kinds=lambda seq: ORDER[seq // 15]))
    assert delivery.accepted == {Kind.REMOVE: 15, Kind.CHANGE: 15, Kind.ADD: 15}
    assert (delivery.requests, delivery.retries, delivery.rejected) == (6, 0, 0)
    assert delivery.stopped_by is None
    assert delivery.unfinished == []
    assert sorted((a, b) for a, b, _ in desk.journal) == [
        (0, 10), (10, 15), (15, 25), (25, 30), (30, 40), (40, 45),
    ]  # fmt: skip
    assert destination.most_under_way == 2


def test_an_empty_plan_makes_no_request() -> None:
    """Nothing to send is nothing sent."""
    destination = Recorder(scripted())
    assert Desk(destination).run([]).requests == 0
    assert destination.requests == []


def test_partial_answers_reject_just_their_rows_with_masked_words() -> None:
    """Rows named in the answer are rejected, the others accepted, and no value stays in the words."""
    desk = Desk(Recorder(lambda _n, batch: {each.seq for each in batch if each.seq % 7 == 0}))
    delivery = desk.run(plan(30))
    assert desk.rejected() == [0, 7, 14, 21, 28]
    assert delivery.rejected == 5
    assert delivery.accepted[Kind.ADD] == 25
    assert {each.message for _, _, found in desk.journal for each in found} == {"[id] is bad"}


@pytest.mark.parametrize("bad", range(0, 1_000, 37))
def test_one_bad_row_costs_one_row_and_two_requests_a_level(bad: int) -> None:
    """One bad row in 1,000 costs at most 2·log2(1000)+1 requests and one rejection."""
    desk = Desk(Recorder(refusing({bad})))
    delivery = desk.run(plan(1_000), size=1_000)
    assert desk.rejected() == [bad]
    assert delivery.requests <= 2 * math.log2(1_000) + 1
    assert delivery.accepted[Kind.ADD] == 999


def test_the_last_and_first_row_of_any_size_stay_within_the_bound() -> None:
    """The bound holds for every position in batches of odd sizes."""
    for size in (2, 3, 5, 31, 33, 100):
        for bad in range(size):
            desk = Desk(Recorder(refusing({bad})))
            delivery = desk.run(plan(size), size=size)
            assert desk.rejected() == [bad]
            assert delivery.requests <= 2 * math.log2(size) + 1


def test_a_batch_refused_for_its_size_loses_no_row() -> None:
    """Halves that are accepted where the whole was refused leave no rejection, and guessing ends."""
    desk = Desk(Recorder(lambda _n, batch: BatchRefused("too large") if len(batch) > 16 else set()))
    delivery = desk.run(plan(320), size=32)
    assert delivery.accepted[Kind.ADD] == 320
    assert delivery.rejected == 0
    assert delivery.requests <= 10 * 3 + 4 * 4


def test_everything_refused_ends_the_run_after_fifty_rows() -> None:
    """A mistake of the whole sync does not cost two requests a row."""
    desk = Desk(Recorder(lambda _n, _b: BatchRefused("no object 'contcts'", "unknown_object")), concurrency=1)
    delivery = desk.run(plan(5_000), size=1_000)
    assert isinstance(delivery.stopped_by, BatchRefused)
    assert "unknown_object" in str(delivery.stopped_by)
    assert delivery.rejected == 50
    assert delivery.requests < 130
    assert delivery.unfinished == []


def test_many_bad_rows_among_good_ones_do_not_end_the_run() -> None:
    """Once a row was accepted, refused rows are rejected one by one to the end."""
    desk = Desk(Recorder(refusing(set(range(100, 300)))), concurrency=1)
    delivery = desk.run(plan(400), size=100)
    assert delivery.stopped_by is None
    assert desk.rejected() == list(range(100, 300))


def test_throttled_batches_are_sent_again_after_the_asked_time() -> None:
    """Retry-After holds every worker of the lane, and the time is counted once."""
    destination = Recorder(scripted(Throttled("slow down", 7.0)), seconds=lambda n: 0.5 if n else 0.1)
    delivery = Desk(destination, concurrency=2).run(plan(60))
    assert delivery.stopped_by is None
    assert delivery.retries == 1
    assert 7.0 <= delivery.throttled_seconds <= 7.6
    first, second, *rest = sorted(at for at, _ in destination.requests)
    assert first == second
    assert all(at >= first + 7.1 for at in rest)


def test_being_throttled_is_no_failed_attempt() -> None:
    """A destination that throttles for long is waited for, beyond the number of attempts."""
    delivery = Desk(Recorder(scripted(*[Throttled("slow", 2.0)] * 20)), concurrency=1).run(plan(10))
    assert delivery.stopped_by is None
    assert delivery.retries == 20


def test_throttled_for_good_ends_the_run_with_the_rest_pending() -> None:
    """Without a single success the wait is bounded, and nothing is taken as written."""
    desk = Desk(Recorder(lambda _n, _b: Throttled("slow")), concurrency=2)
    delivery = desk.run(plan(40))
    assert isinstance(delivery.stopped_by, Throttled)
    assert delivery.unfinished == []
    assert desk.journal == []
    assert delivery.throttled_seconds <= 905


def test_an_overlong_wish_ends_the_run_at_once() -> None:
    """A Retry-After beyond the longest wait is not waited for."""
    delivery = Desk(Recorder(scripted(Throttled("come back", 3_600.0))), concurrency=1).run(plan(40))
    assert isinstance(delivery.stopped_by, Throttled)
    assert delivery.requests == 1
    assert delivery.unfinished == []


def test_an_unavailable_destination_is_tried_again_with_growing_waits() -> None:
    """Backoff doubles, and a batch that gets through in the end is accepted."""
    destination = Recorder(scripted(*[Unavailable("503")] * 4), seconds=lambda _: 0.0)
    delivery = Desk(destination, concurrency=1).run(plan(10))
    assert delivery.stopped_by is None
    times = [at for at, _ in destination.requests]
    waits = [after - before for before, after in pairwise(times)]
    assert all(low <= wait <= low + 0.51 for wait, low in zip(waits, (0.5, 1, 2, 4), strict=True))


def test_an_unavailable_destination_ends_the_run_when_patience_is_out() -> None:
    """After the last attempt the batch is unfinished, the rest is pending."""
    desk = Desk(Recorder(lambda n, _b: set() if n == 0 else Unavailable("503")), concurrency=1)
    delivery = desk.run(plan(50))
    assert isinstance(delivery.stopped_by, Unavailable)
    assert desk.accepted() == list(range(10))
    assert delivery.unfinished == [(10, 20)]
    assert delivery.requests == 1 + 6


def test_a_refused_credential_stops_all_at_once() -> None:
    """No new batch is taken, what is in flight finishes, the refused batch is pending."""
    destination = Recorder(
        lambda n, _b: Unauthorized("401") if n == 1 else set(), seconds=lambda n: 5.0 if n == 0 else 1.0
    )
    desk = Desk(destination, concurrency=3)
    delivery = desk.run(plan(100))
    assert isinstance(delivery.stopped_by, Unauthorized)
    assert desk.accepted() == [*range(10), *range(20, 30)]
    assert delivery.unfinished == []


def test_an_unknown_outcome_is_sent_again_where_that_does_no_harm() -> None:
    """A repeat settles it."""
    delivery = Desk(Recorder(scripted(OutcomeUnknown("cut off"))), concurrency=1).run(plan(30))
    assert (delivery.retries, delivery.unfinished, delivery.stopped_by) == (1, [], None)


def test_an_unknown_outcome_is_read_back_where_repeats_do_harm() -> None:
    """Rows that are there count as accepted, only the others are sent again, none twice."""
    destination = Telling(scripted((OutcomeUnknown("cut off"), [0, 1, 2, 5])))
    desk = Desk(destination, concurrency=1)
    delivery = desk.run(plan(30))
    assert desk.accepted() == list(range(30))
    assert destination.held == Counter(range(30))
    assert delivery.unfinished == []


def test_an_unknown_outcome_stays_unfinished_where_nothing_can_tell() -> None:
    """The range is left, the others go on, and its place in the window stays taken."""
    destination = Delicate(lambda n, _b: OutcomeUnknown("cut off") if n == 1 else set())
    desk = Desk(destination, concurrency=2)
    delivery = desk.run(plan(60))
    assert delivery.unfinished == [(10, 20)]
    assert delivery.stopped_by is None
    assert desk.accepted() == [*range(10), *range(20, 60)]


def test_unknown_outcomes_in_every_place_end_the_run() -> None:
    """What may have been sent without an outcome is never more than the window."""
    desk = Desk(Delicate(lambda _n, _b: OutcomeUnknown("cut off")), concurrency=3)
    delivery = desk.run(plan(60))
    assert delivery.unfinished == [(0, 10), (10, 20), (20, 30)]
    assert isinstance(delivery.stopped_by, OutcomeUnknown)


def test_a_row_that_is_rejected_twice_is_rejected_once() -> None:
    """An answer that names a row twice counts it once."""
    desk = Desk(Recorder(lambda _n, batch: [Rejection(batch[4], "c", "m"), Rejection(batch[4], "d", "n")]))
    delivery = desk.run(plan(10))
    assert desk.rejected() == [4]
    assert (delivery.rejected, delivery.accepted[Kind.ADD]) == (1, 9)


@pytest.mark.parametrize(
    "said",
    [None, (), [object()], [Rejection(operation(77), "c", "m")], KeyError("person3@example.com")],
    ids=["none", "tuple", "other", "outside", "error"],
)
def test_a_connector_that_breaks_the_law_stops_the_run(said: object) -> None:
    """The range counts as unfinished and the error names the connector, never a value."""
    script: Script = lambda n, _b: set() if n == 0 else said  # noqa: E731  the script's name is its use
    desk = Desk(Recorder(script), concurrency=1)
    if said == ():
        desk.destination.answer = lambda given, _: () if given == () else []  # type: ignore[attr-defined]
    delivery = desk.run(plan(50))
    assert isinstance(delivery.stopped_by, ConnectorDefect)
    assert "Recorder" in str(delivery.stopped_by)
    assert "example.com" not in str(delivery.stopped_by)
    assert delivery.unfinished == [(10, 20)]


def test_a_group_of_errors_is_told_as_its_gravest() -> None:
    """A connector that gathers requests in a task group is understood."""
    group = ExceptionGroup("many", [Throttled("429"), ExceptionGroup("inner", [Unauthorized("401")])])
    delivery = Desk(Recorder(scripted(group)), concurrency=1).run(plan(10))
    assert isinstance(delivery.stopped_by, Unauthorized)


def test_a_group_with_a_foreign_error_is_a_defect() -> None:
    """One mistake among the connector's errors is what must be mended."""
    group = ExceptionGroup("many", [Throttled("429"), ValueError("person3@example.com")])
    delivery = Desk(Recorder(scripted(group)), concurrency=1).run(plan(10))
    assert isinstance(delivery.stopped_by, ConnectorDefect)
    assert "ValueError" in str(delivery.stopped_by)
    assert "example.com" not in str(delivery.stopped_by)


def test_a_connector_that_cancels_itself_is_a_defect() -> None:
    """A cancellation that nobody asked for does not end a worker in silence."""
    delivery = Desk(Recorder(scripted(asyncio.CancelledError())), concurrency=1)
    delivery.destination.answer = _raise  # type: ignore[attr-defined]
    assert isinstance(delivery.run(plan(10)).stopped_by, ConnectorDefect)


def _raise(said: Any, _batch: object) -> list[Rejection]:
    if isinstance(said, BaseException):
        raise said
    return []


def test_a_journal_that_fails_stops_the_run() -> None:
    """What was written without a journalled outcome is unfinished, and the journal's error is told."""
    desk = Desk(Recorder(scripted()), concurrency=2)
    desk.record_error = StateError("the disk is full")
    delivery = desk.run(plan(60))
    assert delivery.stopped_by is desk.record_error
    assert delivery.unfinished == [(0, 10), (10, 20)]


def test_slices_that_fail_stop_the_run() -> None:
    """A spool that cannot be read on ends the delivery; what was sent is journalled."""

    def broken() -> Iterator[Slice]:
        yield from sliced(plan(20), 10)
        raise OSError("the spool is gone")

    desk = Desk(Recorder(scripted()), concurrency=2)
    delivery = leap(desk.deliver(broken()))
    assert isinstance(delivery.stopped_by, OSError)
    assert desk.accepted() == list(range(20))


def test_a_stop_lets_batches_under_way_finish() -> None:
    """After the signal no batch is sent, and what was in flight is journalled."""
    destination = Recorder(scripted(), seconds=lambda _: 10.0)
    desk = Desk(destination, concurrency=2)
    desk.stop_at = 15.0
    delivery = desk.run(plan(100))
    assert isinstance(delivery.stopped_by, Interrupted)
    assert desk.accepted() == list(range(40))
    assert delivery.unfinished == []


def test_a_stop_ends_every_wait_at_once() -> None:
    """A batch between two tries ends as unfinished without another request."""
    destination = Recorder(scripted(Unavailable("503", 200.0)))
    desk = Desk(destination, concurrency=1)
    desk.stop_at = 5.0
    delivery = desk.run(plan(100))
    assert isinstance(delivery.stopped_by, Interrupted)
    assert delivery.unfinished == [(0, 10)]
    assert delivery.requests == 1


def test_a_stop_does_not_wait_longer_than_the_grace() -> None:
    """A batch that does not finish in time is cancelled and unfinished."""
    destination = Recorder(scripted(), seconds=lambda n: 1_000.0 if n == 0 else 1.0)
    desk = Desk(destination, concurrency=2)
    desk.stop_at = 1.5
    ended: list[float] = []

    async def main() -> Delivery:
        delivery = await desk.deliver(sliced(plan(100), 10))
        ended.append(asyncio.get_running_loop().time())
        return delivery

    delivery = leap(main())
    assert delivery.unfinished == [(0, 10)]
    assert desk.accepted() == list(range(10, 30))
    assert ended[0] < 1_000.0 + 32.5


def test_halves_of_a_refused_batch_that_nobody_sent_are_pending() -> None:
    """A stop amid halving leaves no doubt about what was never written."""
    desk = Desk(Recorder(refusing({3})), concurrency=1)
    desk.stop_at = 2.5
    delivery = desk.run(plan(16), size=16)
    assert delivery.unfinished == []
    assert desk.journal == []


def test_doubt_is_inherited_by_halves() -> None:
    """Where the first try may have been written, a refused repeat does not prove that it was not."""
    desk = Desk(
        Recorder(scripted(Unavailable("503"), BatchRefused("no"), Unauthorized("401"))), concurrency=1
    )
    delivery = desk.run(plan(16), size=16)
    assert rows(delivery.unfinished) == list(range(16))


def test_progress_is_told_at_most_ten_times_a_second_and_at_the_end() -> None:
    """The last report is complete."""
    desk = Desk(Recorder(scripted(), seconds=lambda _: 0.001), concurrency=4)
    desk.run(plan(2_000))
    assert desk.reports[-1] == Progress(done=2_000, rejected=0, requests=200)
    assert len(desk.reports) < 40


def test_the_pace_spaces_requests_evenly() -> None:
    """Requests a second are kept over all workers."""
    destination = Recorder(scripted(), seconds=lambda _: 0.2)
    Desk(destination, concurrency=8, requests_per_second=10).run(plan(300))
    times = [at for at, _ in destination.requests]
    assert all(after - before >= 0.1 - 1e-6 for before, after in pairwise(times))


@pytest.mark.parametrize(("rows_ahead", "most"), [(10, 3 + 1), (10_000, 3 + 2 * 8 + 2)])
def test_few_slices_are_pulled_ahead_and_let_go_of(
    rows_ahead: int, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside those under way some slices are alive, and only one where that is as many rows as allowed."""
    monkeypatch.setattr("syncs.deliver.feed._ROWS_AHEAD", rows_ahead)
    pulled: list[int] = []

    def slices() -> Iterator[Slice]:
        for piece in sliced(plan(600), 10):
            pulled.append(piece.from_seq)
            yield piece

    desk = Desk(Recorder(scripted(), seconds=lambda n: 1.0 + n % 3), concurrency=3)
    ahead: list[int] = []
    assert isinstance(desk.destination, Recorder)
    desk.destination.before = lambda _: ahead.append(len(pulled) - len(desk.journal))
    leap(desk.deliver(slices()))
    assert max(ahead) <= most


async def test_a_plain_write_runs_in_threads() -> None:
    """A connector without asyncio blocks nobody: its writes run side by side."""
    both = threading.Barrier(2, timeout=10)

    class Plain(Destination):
        def write(self, _batch: Sequence[Operation]) -> list[Rejection]:  # type: ignore[override]  # as allowed
            both.wait()
            return []

    lane = Lane(Limits(concurrency=2))
    journal: list[int] = []

    async def record(from_seq: int, to_seq: int, _: list[Rejection]) -> None:
        journal.extend(range(from_seq, to_seq))

    slices = sliced(plan(80), 10)
    destination = Plain(DestinationSettings())
    delivery = await deliver(slices, destination, lane=lane, record=record, stop=asyncio.Event())
    assert delivery.stopped_by is None
    assert sorted(journal) == list(range(80))


async def test_cancelling_a_delivery_cancels_it() -> None:
    """A cancellation from outside is not swallowed."""
    started = asyncio.Event()

    class Endless(Destination):
        async def write(self, _batch: Sequence[Operation]) -> list[Rejection]:
            started.set()
            await asyncio.Event().wait()
            return []

    async def record(_from: int, _to: int, _found: list[Rejection]) -> None:
        raise AssertionError

    work = asyncio.create_task(
        deliver(
            sliced(plan(30), 10),
            Endless(DestinationSettings()),
            lane=Lane(Limits()),
            record=record,
            stop=asyncio.Event(),
        )
    )
    await started.wait()
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work


ANSWERS = st.one_of(
    st.just(("ok",)),
    st.just(("ok",)),
    st.tuples(st.just("throttled"), st.sampled_from([None, 0.0, 3.0, 400.0])),
    st.tuples(st.just("unavailable"), st.sampled_from([None, 2.0]), st.integers(0, 8)),
    st.tuples(st.just("unknown"), st.integers(0, 8)),
)
ENDS = st.sampled_from([[], [], [("unauthorized",)], [("defect",)]])


class Watched:
    """Checks, at every request of a delivery, what must hold at any moment."""

    def __init__(self, desk: Desk, destination: Recorder, slices: list[tuple[int, int]]) -> None:
        self.desk = desk
        self.slices = slices
        self.sent: set[int] = set()
        self.kinds: list[Kind] = []
        destination.before = self.before
        destination.after = self.after

    def before(self, batch: Sequence[Operation]) -> None:
        """A request begins."""
        kind = batch[0].kind
        assert all(each.kind is kind for each in batch)
        assert all(other is kind for other in self.kinds), "a barrier was run over"
        self.kinds.append(kind)
        number = next(n for n, (start, end) in enumerate(self.slices) if start <= batch[0].seq < end)
        assert number in self.sent or not self.sent or number == max(self.sent) + 1, "out of order"
        self.sent.add(number)
        journalled = set(rows([(start, end) for start, end, _ in self.desk.journal]))
        open_slices = [n for n, each in enumerate(self.slices) if not journalled.issuperset(range(*each))]
        window = open_slices[: self.desk.limits.concurrency]
        assert {n for n in self.sent if n in open_slices} <= set(window), "outside of the window"

    def after(self, batch: Sequence[Operation]) -> None:
        """A request ends."""
        self.kinds.remove(batch[0].kind)


@dataclass(frozen=True)
class Weather:
    """What a delivery meets."""

    answers: list[tuple[Any, ...]]
    bad: set[int]
    refuses: bool
    sort: type[Recorder]
    concurrency: int
    size: int
    durations: list[float]
    stop_at: float | None

    def script(self, number: int, batch: Sequence[Operation]) -> object:
        """The answer of the destination; bad rows are never written."""
        name, *details = self.answers[number] if number < len(self.answers) else ("ok",)
        found = {each.seq for each in batch} & self.bad
        written = [each.seq for each in batch if each.seq not in self.bad]
        if name == "ok":
            return BatchRefused("bad rows", "bad") if found and self.refuses else found
        if name == "throttled":
            return Throttled("429", details[0])
        if name == "unavailable":
            return Unavailable("503", details[0]), written[: details[1]]
        if name == "unknown":
            return OutcomeUnknown("cut"), written[: details[0]]
        return Unauthorized("401") if name == "unauthorized" else RuntimeError("oops")


WEATHERS = st.builds(
    Weather,
    answers=st.builds(list.__add__, st.lists(ANSWERS, max_size=20), ENDS),
    bad=st.sets(st.integers(0, 59), max_size=12),
    refuses=st.booleans(),
    sort=st.sampled_from([Recorder, Telling, Delicate]),
    concurrency=st.integers(1, 4),
    size=st.integers(1, 12),
    durations=st.lists(st.floats(0.0, 4.0), min_size=1, max_size=7),
    stop_at=st.none() | st.none() | st.floats(0.0, 60.0),
)


@settings(max_examples=100, deadline=None)
@given(weather=WEATHERS)
def test_every_row_ends_exactly_once(weather: Weather) -> None:
    """Whatever a destination answers, each row truly is accepted, rejected, unfinished or pending."""
    operations = plan(60, kinds=lambda seq: ORDER[seq // 20])
    seconds = weather.durations
    destination = weather.sort(weather.script, seconds=lambda n: seconds[n % len(seconds)])
    desk = Desk(destination, concurrency=weather.concurrency)
    desk.stop_at = weather.stop_at
    ranges = [(each.from_seq, each.to_seq) for each in sliced(operations, weather.size)]
    Watched(desk, destination, ranges)
    delivery = desk.run(operations, weather.size)

    accepted, rejected, unfinished = desk.accepted(), desk.rejected(), rows(delivery.unfinished)
    ended = Counter(accepted) + Counter(rejected) + Counter(unfinished)
    assert set(ended.values()) <= {1}
    pending = set(range(60)) - set(ended)
    assert not pending or delivery.stopped_by is not None
    assert not pending & set(destination.held), "a pending row was written"
    assert set(accepted) <= set(destination.held) <= set(accepted) | set(unfinished)
    assert set(rejected) <= weather.bad
    assert not set(destination.held) & weather.bad
    assert destination.most_under_way <= weather.concurrency
    assert sum(delivery.accepted.values()) == len(accepted)
    assert delivery.rejected == len(rejected)
    assert delivery.requests >= len(destination.requests)
    if weather.sort is Telling and not any(name == "unavailable" for name, *_ in weather.answers):
        assert max(destination.held.values(), default=0) <= 1, "a row was written twice"
