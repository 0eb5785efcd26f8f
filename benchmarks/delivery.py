"""Delivery: rows a second beside a bare loop that posts the same ready-made bodies as concurrently."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import httpx
from httpx_aiohttp import AiohttpTransport

from benchmarks.plan import planned
from benchmarks.project import open_homes, opened_job, sync_of, write_project
from benchmarks.report import Report, goal, seconds
from benchmarks.sink import running_sink
from benchmarks.timing import in_turn
from benchmarks.workplace import make_customers, work_folder
from connectors.operation import Kind
from models.state.runs import Run, Runs
from syncs import journal
from syncs.delivery import Errand, carry_out
from syncs.job import Job
from syncs.lease import hold
from syncs.names import Tables
from syncs.plan import Plan
from syncs.spool import Spool, cut, write_spool

__all__ = ["run"]

_CONCURRENCY = 16
_ROUNDS = 3
_GOAL = 0.8
_ROWS = {100: 200_000, 1_000: 500_000}


def run() -> Report:
    """Batches of 100 and of 1,000, against one sink."""
    columns = ("rows a request", "delivery", "rows/s", "bare loop", "rows/s", "ratio", "goal")
    report = Report(f"Delivery, concurrency {_CONCURRENCY}", columns)
    for batch_size, rows in _ROWS.items():
        with work_folder("delivery") as folder, running_sink(forget=True) as sink:
            ours, bare = _measure(folder, sink.url, batch_size, rows)
        report.add(
            f"{batch_size:,}",
            seconds(ours),
            f"{rows / ours:,.0f}",
            seconds(bare),
            f"{rows / bare:,.0f}",
            f"{bare / ours:.2f}",
            goal(bare / ours, _GOAL, "≥ 0.8", at_least=True),
        )
    report.notes.append(
        "Delivery reads the spool, makes each row's JSON, posts, reads the answer and commits each batch's "
        "outcome to the journal (SQLite, synchronous=FULL) before the next is taken. The bare loop has its "
        "bodies in memory."
    )
    return report


def _measure(folder: Path, url: str, batch_size: int, rows: int) -> tuple[float, float]:
    limits = {"concurrency": _CONCURRENCY, "batch_size": batch_size}
    write_project(folder, {"bench": sync_of("customers")}, url=url, limits=limits)
    with opened_job(folder, "bench") as job:
        with open_homes(job) as home:
            make_customers(home.session, "customers", rows)
            plan = planned(home, job)
            path = folder / "plan.parquet"
            spool = write_spool(home.session, home.dialect, Tables(job.name), plan.layout, path)
        bodies = list(_bodies(spool, plan, job, batch_size))
        taken = in_turn(
            {"delivery": partial(_deliver, job, plan, spool), "bare": partial(_post_all, url, bodies)},
            _ROUNDS,
        )
    return taken["delivery"], taken["bare"]


def _deliver(job: Job, plan: Plan, spool: Spool) -> None:
    ranges = list(cut(plan.counts, job.limits.batch_size))
    with hold(job.state, f"sync:{job.name}", "a benchmark") as lease:
        run = Run(sync=job.name, fence=lease.token, definition=job.definition)
        Runs(job.state).create(run)
        delivery = carry_out(Errand(job, run.id, plan.settings, spool, ranges, lease))
        if delivery.accepted[Kind.ADD] != plan.total:
            raise RuntimeError(f"{delivery.accepted} of {plan.total} arrived: {delivery.stopped_by}")
        journal.delete(job.state, run.id)
        Runs(job.state).update(run.id, settled=True)


def _bodies(spool: Spool, plan: Plan, job: Job, batch_size: int) -> Iterator[bytes]:
    ranges = cut(plan.counts, batch_size)
    for piece in spool.slices(ranges, sync=job.name, run_id=plan.run_id, as_json=True):
        rows = b",".join(piece.batch.json_rows)
        yield b'{"sync":"bench","run":"%b","rows":[%b]}' % (plan.run_id.encode(), rows)


def _post_all(url: str, bodies: Sequence[bytes]) -> None:
    asyncio.run(_post(url, bodies))


async def _post(url: str, bodies: Sequence[bytes]) -> None:
    waiting = iter(bodies)
    headers = {"content-type": "application/json"}
    async with httpx.AsyncClient(transport=AiohttpTransport(), headers=headers) as client:

        async def worker() -> None:
            for body in waiting:
                (await client.post(url, content=body)).raise_for_status()

        async with asyncio.TaskGroup() as group:
            for _ in range(_CONCURRENCY):
                group.create_task(worker())
