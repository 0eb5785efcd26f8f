"""The journal: what became of each batch, durable before the next batch is taken."""

from __future__ import annotations

import asyncio
import datetime as dt
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Self

import sqlalchemy as sa

from models.state import State
from models.state.tables import journal
from syncs.lease import Lease

__all__ = ["Entry", "Journal", "RejectedSeq", "delete", "merged_ranges", "missing", "read"]


@dataclass(frozen=True, slots=True)
class RejectedSeq:
    """An operation that the destination refused, by its number, with the destination's code and words."""

    seq: int
    code: str
    message: str
    retryable: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """The outcome of operations `from_seq` to `to_seq` (exclusive): accepted, but for the rejections."""

    from_seq: int
    to_seq: int
    rejections: tuple[RejectedSeq, ...] = ()


_LINGER_SECONDS = 0.002
"""A commit takes about as long."""

_Waiting = tuple[Entry, asyncio.Future[None]]


class Journal:
    """Writes a run's outcomes from asyncio: `async with Journal(…) as journal: await journal.record(entry)`.

    A thread writes everything that waits in one transaction, so that workers at once pay for one sync of the
    disk together. The transaction proves the lease first: a process that lost it records nothing.
    """

    def __init__(self, state: State, run_id: str, lease: Lease) -> None:
        self._state = state
        self._run_id = run_id
        self._lease = lease
        self._queue: SimpleQueue[_Waiting | None] = SimpleQueue()
        self._failure: BaseException | None = None
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def record(self, entry: Entry) -> None:
        """Return when the entry is committed.

        Raises:
            LeaseLost: the run's lease was lost; the entry is not recorded, and none after it will be.
            StateError: the state failed; the same holds.
            RuntimeError: the journal is not open.
        """
        if self._loop is None:
            raise RuntimeError("a journal records while it is open: `async with Journal(…)`")
        if self._failure is not None:
            raise self._failure
        committed: asyncio.Future[None] = self._loop.create_future()
        self._queue.put((entry, committed))
        await committed

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(
            target=self._write, args=(self._loop,), name=f"journal {self._run_id}", daemon=True
        )
        self._thread.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._loop = None
        self._queue.put(None)
        if self._thread is not None:
            self._thread.join()  # one commit at most; nothing may cancel it

    def _write(self, loop: asyncio.AbstractEventLoop) -> None:
        for group in self._groups():
            if self._failure is None:
                try:
                    self._commit([entry for entry, _ in group])
                except BaseException as error:  # noqa: BLE001 - raised again in every task that waits
                    self._failure = error
            loop.call_soon_threadsafe(_answer, [future for _, future in group], self._failure)

    def _groups(self) -> Iterator[list[_Waiting]]:
        """What waits, together. Where several came last time, more are on their way and share the commit."""
        several = False
        while (first := self._queue.get()) is not None:
            group, closing = [first], False
            if several:
                time.sleep(_LINGER_SECONDS)
            while not closing:
                try:
                    waiting = self._queue.get_nowait()
                except Empty:
                    break
                if waiting is None:
                    closing = True
                else:
                    group.append(waiting)
            yield group
            if closing:
                return
            several = len(group) > 1

    def _commit(self, entries: Sequence[Entry]) -> None:
        with self._state.write() as connection:
            self._lease.prove(connection)
            at = dt.datetime.now(dt.UTC)
            rows = [_row(self._run_id, entry, at) for entry in entries]
            connection.execute(sa.insert(journal), rows)


def _row(run_id: str, entry: Entry, at: dt.datetime) -> dict[str, object]:
    rejections = [
        {"seq": r.seq, "code": r.code, "message": r.message, "retryable": r.retryable}
        for r in entry.rejections
    ]
    return {
        "run_id": run_id,
        "from_seq": entry.from_seq,
        "to_seq": entry.to_seq,
        "rejections": rejections,
        "at": at,
    }


def _answer(futures: list[asyncio.Future[None]], failure: BaseException | None) -> None:
    for future in futures:
        if future.done():  # its task was cancelled
            continue
        if failure is None:
            future.set_result(None)
        else:
            future.set_exception(failure)


def read(state: State, run_id: str) -> list[Entry]:
    """A run's entries in the order of their operations."""
    columns = journal.c
    query = sa.select(columns.from_seq, columns.to_seq, columns.rejections)
    with state.read() as connection:
        rows = connection.execute(query.where(columns.run_id == run_id).order_by(columns.from_seq)).all()
    return [
        Entry(start, end, tuple(RejectedSeq(**rejection) for rejection in rejections))
        for start, end, rejections in rows
    ]


def delete(state: State, run_id: str) -> None:
    """Forget a run's entries, once they are settled."""
    with state.write() as connection:
        connection.execute(sa.delete(journal).where(journal.c.run_id == run_id))


def merged_ranges(entries: Iterable[Entry]) -> list[tuple[int, int]]:
    """The operations that have an outcome, as few ranges `(from, to)`, `to` exclusive, in order."""
    ranges: list[tuple[int, int]] = []
    for start, end in sorted((entry.from_seq, entry.to_seq) for entry in entries):
        if start >= end:
            continue
        if ranges and start <= ranges[-1][1]:
            ranges[-1] = ranges[-1][0], max(end, ranges[-1][1])
        else:
            ranges.append((start, end))
    return ranges


def missing(entries: Iterable[Entry], total: int) -> list[tuple[int, int]]:
    """The operations of `range(total)` that have no outcome yet, as ranges `(from, to)`, `to` exclusive."""
    gaps: list[tuple[int, int]] = []
    reached = 0
    for start, end in [*merged_ranges(entries), (total, total)]:
        if reached < min(start, total):
            gaps.append((reached, min(start, total)))
        reached = max(reached, end)
    return gaps
