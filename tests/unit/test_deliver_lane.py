"""The lane on its own: places, pace, and what it learns from answers."""

from __future__ import annotations

import asyncio
import threading

import pytest

from connectors.destination import Limits
from connectors.errors import BatchRefused, Throttled, Unavailable
from syncs.deliver import Lane, lane_for
from syncs.deliver.halt import Halt, Halted

PATIENT = 300.0


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 50.0

    def __call__(self) -> float:
        """The time."""
        return self.now


async def enter(lane: Lane) -> int:
    """A ticket, at once."""
    async with asyncio.timeout(5):
        return await lane.enter(Halt(), PATIENT)


async def test_requests_under_way_together_lower_concurrency_once() -> None:
    """Sixteen simultaneous complaints halve the concurrency, they do not end it."""
    lane = Lane(Limits(concurrency=16))
    tickets = [await enter(lane) for _ in range(16)]
    for ticket in tickets:
        lane.leave(ticket, Throttled("429"))
    assert lane.allowed == 8


async def test_concurrency_falls_to_one_and_no_further() -> None:
    """However often the destination complains, one request may be under way."""
    lane = Lane(Limits(concurrency=5))
    for _ in range(6):
        lane.leave(await enter(lane), Throttled("429"))
    assert lane.allowed == 1


async def test_concurrency_recovers_step_by_step_up_to_the_limit() -> None:
    """Successes give back what complaints took, never more than the limit."""
    lane = Lane(Limits(concurrency=4))
    lane.leave(await enter(lane), Throttled("429"))
    assert lane.allowed == 2
    seen = []
    for _ in range(60):
        lane.leave(await enter(lane))
        seen.append(lane.allowed)
    assert seen == sorted(seen)
    assert set(seen) == {2, 3, 4}


async def test_refusals_and_failures_are_no_complaint_about_speed() -> None:
    """Only being throttled lowers the concurrency."""
    lane = Lane(Limits(concurrency=4))
    lane.leave(await enter(lane), BatchRefused("no"))
    lane.leave(await enter(lane), Unavailable("503"))
    assert lane.allowed == 4


async def test_more_than_allowed_wait_in_the_order_they_came() -> None:
    """A place that becomes free goes to whoever has waited longest."""
    lane = Lane(Limits(concurrency=1))
    first = await enter(lane)
    order: list[int] = []

    async def wait(number: int) -> None:
        ticket = await enter(lane)
        order.append(number)
        lane.leave(ticket)

    waiting = [asyncio.create_task(wait(number)) for number in range(5)]
    await asyncio.sleep(0)
    assert order == []
    lane.leave(first)
    await asyncio.gather(*waiting)
    assert order == [0, 1, 2, 3, 4]


async def test_whoever_gives_up_waiting_takes_no_place_along() -> None:
    """A halted or cancelled request in the queue leaves the lane as it was."""
    lane = Lane(Limits(concurrency=1))
    first = await enter(lane)
    halt = Halt()
    halted = asyncio.create_task(lane.enter(halt, PATIENT))
    cancelled = asyncio.create_task(lane.enter(Halt(), PATIENT))
    await asyncio.sleep(0)
    halt.by(Unavailable("503"))
    cancelled.cancel()
    with pytest.raises(Halted):
        await halted
    with pytest.raises(asyncio.CancelledError):
        await cancelled
    lane.leave(first)
    lane.leave(await enter(lane))


async def test_a_place_given_while_its_taker_gives_up_is_passed_on() -> None:
    """Between the call and the answer a request may end; its place is not lost."""
    lane = Lane(Limits(concurrency=1))
    first = await enter(lane)
    waiting = asyncio.create_task(lane.enter(Halt(), PATIENT))
    await asyncio.sleep(0)
    lane.leave(first)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    lane.leave(await enter(lane))


async def test_a_halted_delivery_gets_no_place() -> None:
    """After the end nobody enters."""
    halt = Halt()
    halt.by(Unavailable("503"))
    with pytest.raises(Halted):
        await Lane(Limits()).enter(halt, PATIENT)


async def test_a_wish_beyond_the_longest_wait_is_told_at_once() -> None:
    """Another sync's Retry-After of an hour ends this one's run without a request."""
    clock = Clock()
    lane = Lane(Limits(), monotonic=clock)
    lane.leave(await enter(lane), Throttled("429", 3_600.0))
    with pytest.raises(Throttled, match="3600 s"):
        await lane.enter(Halt(), PATIENT)
    clock.now += 3_601
    lane.leave(await enter(lane))


async def test_the_pace_gives_each_request_its_moment() -> None:
    """Ten a second means a tenth of a second between any two, and no burst after a rest."""
    clock = Clock()
    lane = Lane(Limits(requests_per_second=10, concurrency=9), monotonic=clock)
    pauses: list[float] = []

    class Leaping(Halt):
        """Lets the time pass."""

        async def pause(self, seconds: float) -> None:
            """Not wait."""
            pauses.append(round(seconds, 6))
            clock.now += seconds

    for _ in range(3):
        await lane.enter(Leaping(), PATIENT)
    clock.now += 100
    for _ in range(3):
        await lane.enter(Leaping(), PATIENT)
    assert pauses == [0.1] * 4


async def test_a_wish_during_the_wait_for_the_pace_is_kept() -> None:
    """Whoever already waits for its moment is held back as well."""
    clock = Clock()
    lane = Lane(Limits(requests_per_second=1, concurrency=9), monotonic=clock)
    first = await enter(lane)
    pauses: list[float] = []

    class Leaping(Halt):
        """Lets the time pass."""

        async def pause(self, seconds: float) -> None:
            """Not wait, and complain the first time."""
            if not pauses:
                lane.leave(first, Unavailable("503", 30.0))
            pauses.append(seconds)
            clock.now += seconds

    await lane.enter(Leaping(), PATIENT)
    assert clock.now == 50.0 + 30.0


def test_one_lane_serves_loops_in_several_threads() -> None:
    """Syncs in threads of a daemon share one limit, and everybody gets through."""
    lane = Lane(Limits(concurrency=3))
    lock = threading.Lock()
    under_way = most = done = 0

    async def request() -> None:
        nonlocal under_way, most, done
        ticket = await lane.enter(Halt(), PATIENT)
        with lock:
            under_way += 1
            most = max(most, under_way)
        await asyncio.sleep(0.0005)
        with lock:
            under_way -= 1
            done += 1
        lane.leave(ticket)

    async def sync() -> None:
        async with asyncio.timeout(60):
            await asyncio.gather(*(request() for _ in range(40)))

    threads = [threading.Thread(target=asyncio.run, args=(sync(),)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert done == 160
    assert most <= 3


def test_one_key_is_one_lane_that_adopts_other_limits() -> None:
    """Syncs to one destination share a lane; an edited destination changes it."""
    lane = lane_for("lane-test", Limits(concurrency=2))
    assert lane_for("lane-test", Limits(concurrency=2)) is lane
    assert lane_for("lane-test-other", Limits(concurrency=2)) is not lane
    assert lane_for("lane-test", Limits(concurrency=7)) is lane
    assert lane.allowed == 7
