"""The journal under concurrency, lost leases and SIGKILL, on every database that can hold a state."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, event, select, update
from sqlalchemy.exc import IntegrityError

from connectors.errors import LeaseLost
from models.state import State
from models.state.runs import Run, Runs
from models.state.tables import leases
from syncs.journal import Entry, Journal, RejectedSeq, delete, merged_ranges, missing, read
from syncs.lease import Lease, hold

_RECORDER = """
import asyncio, os, sys
from models.state import open_state
from syncs.journal import Entry, Journal
from syncs.lease import hold

async def work(journal, worker):
    for number in range(100_000):
        seq = number * 16 + worker
        await journal.record(Entry(seq, seq + 1))
        os.write(1, b"%d\\n" % seq)

async def main(state, run_id):
    with hold(state, "sync:crm") as lease:
        async with Journal(state, run_id, lease) as journal:
            await asyncio.gather(*(work(journal, worker) for worker in range(16)))

with open_state(sys.argv[1]) as state:
    asyncio.run(main(state, sys.argv[2]))
"""


def _start_run(state: State) -> str:
    run = Run(sync="crm")
    Runs(state).create(run)
    return run.id


@pytest.fixture
def run_id(state: State) -> str:
    """A run that the journal may write for."""
    return _start_run(state)


@pytest.fixture
def lease(state: State) -> Iterator[Lease]:
    """The run's lease."""
    with hold(state, "sync:crm") as held:
        yield held


async def test_entries_come_back_in_order(state: State, run_id: str, lease: Lease) -> None:
    """Entries come back as recorded, sorted by operation, with the destination's words whatever they hold."""
    rejected = RejectedSeq(7, "bad\x00code", "no 'good' \ud800 \U0001f6b1", retryable=True)
    entries = [Entry(5, 9, (rejected, RejectedSeq(8, "x", "y"))), Entry(0, 5), Entry(9, 2**40)]
    async with Journal(state, run_id, lease) as journal:
        await asyncio.gather(*map(journal.record, entries))
    found = read(state, run_id)
    assert found == [entries[1], entries[0], entries[2]]
    assert merged_ranges(found) == [(0, 2**40)]
    delete(state, run_id)
    assert read(state, run_id) == []


async def test_many_wait_for_one_commit(state: State, run_id: str, lease: Lease) -> None:
    """What waits while a commit is under way is written by the next one, all together."""
    commits: list[Connection] = []
    async with Journal(state, run_id, lease) as journal:
        with state.write() as connection:
            connection.execute(select(leases).with_for_update())
            tasks = [asyncio.create_task(journal.record(Entry(seq, seq + 1))) for seq in range(50)]
            await asyncio.sleep(0.2)
            assert not any(task.done() for task in tasks)
            event.listen(state.engine, "commit", commits.append)
        await asyncio.gather(*tasks)
    assert len(commits) <= 3  # ours, the group that the writer had begun, and all the rest
    assert missing(read(state, run_id), 50) == []


async def test_a_lost_lease_records_nothing(state: State, run_id: str, lease: Lease) -> None:
    """Once another took the lease, all who wait and all who come later are told, and nothing is written."""
    async with Journal(state, run_id, lease) as journal:
        await journal.record(Entry(0, 1))
        with state.write() as connection:
            connection.execute(update(leases).values(token=leases.c.token + 1))
        answers = await asyncio.gather(
            *(journal.record(Entry(seq, seq + 1)) for seq in range(1, 9)), return_exceptions=True
        )
        assert [type(answer) for answer in answers] == [LeaseLost] * 8
        with pytest.raises(LeaseLost):
            await journal.record(Entry(9, 10))
    assert read(state, run_id) == [Entry(0, 1)]


async def test_a_failure_is_told_to_all(state: State, lease: Lease) -> None:
    """An entry that the state refuses fails all that waited with it, and all later ones."""
    async with Journal(state, "no such run", lease) as journal:
        answers = await asyncio.gather(
            journal.record(Entry(0, 1)), journal.record(Entry(1, 2)), return_exceptions=True
        )
        assert [type(answer) for answer in answers] == [IntegrityError] * 2
        with pytest.raises(IntegrityError):
            await journal.record(Entry(2, 3))


async def test_leaving_writes_what_waits(state: State, run_id: str, lease: Lease) -> None:
    """Entries whose waiter was cancelled are written all the same, and a closed journal takes no more."""
    journal = Journal(state, run_id, lease)
    async with journal:
        tasks = [asyncio.create_task(journal.record(Entry(seq, seq + 1))) for seq in range(20)]
        await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
    assert missing(read(state, run_id), 20) == []
    with pytest.raises(RuntimeError, match="while it is open"):
        await journal.record(Entry(20, 21))


def test_acknowledged_entries_survive_a_kill(state: State) -> None:
    """Whatever was acknowledged before SIGKILL is in the journal afterwards."""
    url = state.engine.url.render_as_string(hide_password=False)
    chance = random.Random(7)  # noqa: S311 - moments to kill at, no secret
    for _ in range(4):
        run_id = _start_run(state)
        command = [sys.executable, "-c", _RECORDER, url, run_id]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout
            acknowledged = [int(process.stdout.readline())]
            time.sleep(chance.uniform(0.01, 0.3))
            process.kill()
            acknowledged += [int(line) for line in process.stdout if line.endswith("\n")]
        recorded = {entry.from_seq for entry in read(state, run_id)}
        assert recorded >= set(acknowledged)
        assert len(recorded) <= len(acknowledged) + 16


def test_a_forgotten_run_takes_its_journal(state: State, run_id: str, lease: Lease) -> None:
    """Pruning a run removes its entries too."""

    async def record() -> None:
        async with Journal(state, run_id, lease) as journal:
            await journal.record(Entry(0, 1))

    asyncio.run(record())
    run = Runs(state).get(run_id)
    assert run is not None
    Runs(state).update(run_id, settled=True, finished_at=run.started_at)
    assert Runs(state).prune(run.started_at.replace(year=2100)) == 1
    assert read(state, run_id) == []
