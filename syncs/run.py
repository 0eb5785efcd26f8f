"""A run: recover, plan, guard, deliver, settle."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from connectors.errors import ConfigError, LeaseLost, SnapshotMoved
from connectors.operation import Kind
from models.state.audit import Audit
from models.state.runs import Run, Runs
from syncs import journal
from syncs.deliver import Delivery, Interrupted, Patience, Progress
from syncs.delivery import Errand, carry_out
from syncs.guard import broken_guards
from syncs.home import Home, open_home
from syncs.job import Job
from syncs.lease import Lease, hold
from syncs.names import Tables
from syncs.plan import Plan, Request, make_plan
from syncs.recover import doubt_forgotten_plan, recover, still_open
from syncs.result import Result
from syncs.settle import Outcome, drop_plan, settle
from syncs.snapshot import read_bearing
from syncs.spool import Spool, cut, write_spool

__all__ = ["Options", "approve", "cancel", "run_sync"]

Tell = Callable[[str, Progress | None, int], None]
"""Told of progress: the phase, how far delivery is (None elsewhere), and the operations in all."""


def _silent(phase: str, progress: Progress | None, total: int) -> None:
    del phase, progress, total


@dataclass(frozen=True, slots=True)
class Options:
    """How to run. `resend` sends every present row again; `wait_seconds` is for another run of the sync."""

    resend: bool = False
    wait_seconds: float = 0.0
    patience: Patience = Patience()  # noqa: RUF009 - frozen
    tell: Tell = _silent


_USUAL = Options()


def run_sync(job: Job, options: Options = _USUAL) -> Result:
    """Run a sync once.

    Raises:
        AlreadyRunning: another process runs it.
        HubError: it failed before anything was planned or after all was journalled; the next run goes on.
    """
    with hold(job.state, f"sync:{job.name}", "running", wait_seconds=options.wait_seconds) as lease:
        runs = Runs(job.state)
        if held := runs.held(job.name):
            return _still_held(held[0])
        run = Run(sync=job.name, fence=lease.token, definition=job.definition)
        result = Result(run.id, job.name)
        request = _request(job, run.id, lease, resend=options.resend)
        with _timed(result, "settle"):
            recovered, failed = recover(job, lease, request.identity, options.patience)
        runs.create(run)
        with _remembered(runs, result):
            result.recovered = ", ".join(recovered) or None
            if failed is None:
                _plan_and_deliver(job, lease, request, options, result)
            else:
                _stopped(result, failed.stopped_by)
                result.requests, result.retries = failed.requests, failed.retries
                runs.update(run.id, settled=True)
        return result


def approve(job: Job, run_id: str, by: str, options: Options = _USUAL) -> Result:
    """Deliver exactly the plan that a guard holds.

    Raises:
        ConfigError: the run is not held.
        SnapshotMoved: the destination has accepted other rows since, or is another one now.
    """
    with hold(job.state, f"sync:{job.name}", "delivering an approved plan") as lease:
        runs = Runs(job.state)
        run = _held_run(runs, job, run_id)
        result = Result(run.id, job.name, invalid=run.counts.get("invalid", 0))
        result.kept_back = run.counts.get("kept_back", 0)
        with open_home(job.warehouse, job.folder, f"approving {run_id}", lock=job.name) as home:
            bearing = read_bearing(home.session, Tables(job.name))
            planned = run_id, run.details["revision"], _request(job, run_id, lease).identity
            if bearing is None or (bearing.plan_run, bearing.revision, bearing.identity) != planned:
                raise SnapshotMoved(
                    f"the plan of run {run_id} no longer fits what {job.sync.destination} has accepted: "
                    f"'headrace sync cancel {run_id}', then run {job.name} again"
                )
            counts = {kind: int(bearing.plan["counts"][kind.value]) for kind in Kind}
            plan = Plan(run_id, bearing.layout, counts, whole=run.details["whole"], settings=bearing.plan)
            spool = _spooled(job, home, plan)
        Audit(job.state).record(by, "approve", run_id, {"sync": job.name, "operations": plan.total})
        runs.update(run_id, fence=lease.token)
        with _remembered(runs, result):
            _deliver(job, lease, plan, spool, options, result)
        return result


def cancel(job: Job, run_id: str, by: str) -> None:
    """Drop a held plan; the next run plans anew.

    Raises:
        ConfigError: the run is not held.
    """
    with hold(job.state, f"sync:{job.name}", "cancelling a plan") as lease:
        runs = Runs(job.state)
        _held_run(runs, job, run_id)
        with open_home(job.warehouse, job.folder, f"cancelling {run_id}", lock=job.name) as home:
            drop_plan(home.session, Tables(job.name), lease.token)
        runs.update(run_id, status="cancelled", settled=True, finished_at=dt.datetime.now(dt.UTC))
        Audit(job.state).record(by, "cancel", run_id, {"sync": job.name})


def _request(job: Job, run_id: str, lease: Lease, *, resend: bool = False) -> Request:
    return Request(job.name, job.sync, job.question, run_id, lease.token, job.place, resend)


def _held_run(runs: Runs, job: Job, run_id: str) -> Run:
    run = runs.get(run_id)
    if run is None or run.sync != job.name or run.status != "held":
        held = ", ".join(found.id for found in runs.held(job.name)) or "none"
        raise ConfigError(f"run {run_id} of {job.name} is not held; held: {held}")
    return run


def _still_held(run: Run) -> Result:
    result = Result(run.id, run.sync, "held", held_by=list(run.details.get("held_by", ())))
    result.planned = {kind: run.counts.get("planned", {}).get(kind.value, 0) for kind in Kind}
    result.invalid, result.pending = run.counts.get("invalid", 0), run.total
    return result


@contextmanager
def _timed(result: Result, phase: str) -> Iterator[None]:
    started = time.perf_counter()
    try:
        yield
    finally:
        result.seconds[phase] += time.perf_counter() - started


@contextmanager
def _remembered(runs: Runs, result: Result) -> Iterator[None]:
    """Write the run's end into the state, also where it ends by an error, which goes on."""
    try:
        yield
    except BaseException as error:
        result.status = "failed" if isinstance(error, Exception) else "interrupted"
        result.error = str(error) or type(error).__name__
        raise
    finally:
        ended = None if result.status == "held" else dt.datetime.now(dt.UTC)
        counts: dict[str, Any] = result.to_json()
        runs.update(result.run_id, status=result.status, finished_at=ended, error=result.error, counts=counts)


def _plan_and_deliver(job: Job, lease: Lease, request: Request, options: Options, result: Result) -> None:
    options.tell("plan", None, 0)
    runs = Runs(job.state)
    with (
        _timed(result, "plan"),
        open_home(job.warehouse, job.folder, f"planning {job.name}", lock=job.name) as home,
    ):
        with home.session.transaction():
            doubt_forgotten_plan(home.session, Tables(job.name))
            plan = make_plan(home, request)
            lease.check()  # a process that slept must not put its plan in the place of a newer one
        broken = broken_guards(job.sync.guards, job.sync.mode, plan)
        spool = None if broken or plan.is_empty else _spooled(job, home, plan)
    result.planned, result.invalid = dict(plan.counts), plan.invalid
    result.kept_back, result.baseline = plan.kept_back, plan.baseline
    details = {"revision": plan.revision, "whole": plan.whole, "counts": plan.settings["counts"]}
    if broken:
        result.status, result.held_by, result.pending = "held", broken, plan.total
        runs.update(request.run_id, total=plan.total, details={**details, "held_by": broken})
    elif spool is None:
        runs.update(request.run_id, settled=True)
    else:
        runs.update(request.run_id, total=plan.total, details=details)
        _deliver(job, lease, plan, spool, options, result)


def _spooled(job: Job, home: Home, plan: Plan) -> Spool:
    path = job.folder / "spool" / f"{plan.run_id}.parquet"
    if not plan.total:
        return Spool(path, plan.layout, empty=True)
    return write_spool(home.session, home.dialect, Tables(job.name), plan.layout, path)


def _deliver(job: Job, lease: Lease, plan: Plan, spool: Spool, options: Options, result: Result) -> None:
    runs, run_id, limits = Runs(job.state), plan.run_id, job.limits
    run = runs.get(run_id)
    assert run is not None  # noqa: S101 - created above
    window = {"batch_size": limits.batch_size, "concurrency": limits.concurrency}
    run = replace(run, status="delivering", total=plan.total, details={**run.details, **window})

    def opened() -> None:
        lease.check()
        runs.update(run_id, status="delivering", details=run.details)

    errand = Errand(
        job,
        run_id,
        plan.settings,
        spool,
        list(cut(plan.counts, limits.batch_size)),
        lease,
        whole=plan.whole,
        patience=options.patience,
    )
    with _timed(result, "deliver"):
        delivery = carry_out(errand, lambda progress: options.tell("deliver", progress, plan.total), opened)
    if isinstance(delivery.stopped_by, LeaseLost):
        raise delivery.stopped_by
    options.tell("settle", None, plan.total)
    with _timed(result, "settle"):
        _settle(job, lease, run, plan, delivery)
    spool.delete()
    _totals(result, plan, delivery)


def _settle(job: Job, lease: Lease, run: Run, plan: Plan, delivery: Delivery) -> None:
    """Merge what has an outcome. Of a whole set that was not finished, nothing has."""
    runs = Runs(job.state)
    entries = journal.read(job.state, run.id)
    finished = delivery.stopped_by is None and not delivery.unfinished
    left: list[tuple[int, int]] = []
    if plan.whole:
        entries = [*entries, *([] if entries or not finished else [journal.Entry(0, 0)])] if finished else []
        runs.update(
            run.id, status="settling", details={**run.details, "replaced": finished, "unfinished": []}
        )
        if not finished:
            delivery.accepted, delivery.rejected = dict.fromkeys(Kind, 0), 0
    else:
        noted = {**run.details, "unfinished": [list(part) for part in delivery.unfinished]}
        left = still_open(replace(run, details=noted), entries)
        runs.update(run.id, status="settling", details={**run.details, "unfinished": left})
    outcome = Outcome(run.id, entries, left, doubtful=plan.whole and not finished)
    with open_home(job.warehouse, job.folder, f"settling {job.name}", lock=job.name) as home:
        settle(home, Tables(job.name), lease.token, outcome, keep_log_days=job.keep_log_days)
    journal.delete(job.state, run.id)
    runs.update(run.id, settled=not left)


def _totals(result: Result, plan: Plan, delivery: Delivery) -> None:
    result.planned = dict(plan.counts)
    result.delivered, result.rejected = dict(delivery.accepted), delivery.rejected
    result.pending = plan.total - sum(delivery.accepted.values()) - delivery.rejected
    result.requests, result.retries = delivery.requests, delivery.retries
    result.throttled_seconds = delivery.throttled_seconds
    if delivery.stopped_by is not None or result.pending:
        _stopped(result, delivery.stopped_by)
    else:
        result.status = "done"


def _stopped(result: Result, reason: BaseException | None) -> None:
    result.status = "interrupted" if isinstance(reason, Interrupted) else "failed"
    result.error = str(reason) if reason is not None else "some batches have no known outcome"
