"""What an earlier run left behind: outcomes to settle, and batches that may have been sent.

A batch that may have been written must not be planned anew from today's rows: if its row was removed or
changed back meanwhile, nothing would correct the destination. So it is sent once more as it was, with the
same idempotency key, and settled; then the snapshot says what the destination holds, and the next plan is
right.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from connectors.operation import Kind, Mode
from connectors.warehouses import Session
from models.state.runs import Run, Runs
from syncs import journal
from syncs.deliver import Delivery, Patience, Progress
from syncs.delivery import Errand, carry_out
from syncs.diff import ADD
from syncs.home import open_home
from syncs.job import Job
from syncs.layout import Layout
from syncs.lease import Lease
from syncs.names import Tables
from syncs.settle import Outcome, settle
from syncs.snapshot import prepare, read_bearing, same_key, write_bearing
from syncs.spool import Range, Spool, cut, write_spool

__all__ = ["Recovery", "doubt_forgotten_plan", "recover", "still_open"]

_LOG = logging.getLogger(__name__)

Recovery = Delivery | None


def recover(
    job: Job,
    lease: Lease,
    identity: dict[str, object],
    patience: Patience,
    tell: Callable[[Progress], None] | None = None,
) -> tuple[list[str], Recovery]:
    """Settle what earlier runs journalled and resolve what they may have sent.

    Returns:
        The runs that were recovered, and the delivery that failed to bring a batch to its outcome, if any.
    """
    recovered: list[str] = []
    for run in Runs(job.state).unsettled(job.name):
        failed = _recover_one(job, lease, run, identity, patience, tell)
        if failed is not None:
            return recovered, failed
        recovered.append(run.id)
    return recovered, None


def still_open(run: Run, entries: Sequence[journal.Entry]) -> list[Range]:
    """Ranges that may have been sent and have no outcome.

    A run that ended in order has noted them. Of one that was killed, they are in the first batches without an
    outcome, as many as were under way at once: batches are sent in order (see `syncs.deliver.workers`).
    """
    noted = run.details.get("unfinished")
    missing = journal.missing(entries, run.total)
    if noted is not None:
        return [part for a, b in noted for part in _within(missing, a, b)]
    if "batch_size" not in run.details:
        return []
    counts = {kind: int(run.details["counts"][kind.value]) for kind in Kind}
    batches = [list(_within(missing, a, b)) for a, b in cut(counts, run.details["batch_size"])]
    under_way = [parts for parts in batches if parts][: run.details["concurrency"]]
    return [part for parts in under_way for part in parts]


def _within(ranges: Sequence[Range], start: int, end: int) -> list[Range]:
    return [(max(a, start), min(b, end)) for a, b in ranges if max(a, start) < min(b, end)]


def _recover_one(
    job: Job,
    lease: Lease,
    run: Run,
    identity: dict[str, object],
    patience: Patience,
    tell: Callable[[Progress], None] | None,
) -> Recovery:
    runs, tables = Runs(job.state), Tables(job.name)
    entries = journal.read(job.state, run.id)
    doubtful = bool(run.details.get("whole") and not run.details.get("replaced"))
    if doubtful:
        entries, left = [], []
    else:
        left = still_open(run, entries)
    _LOG.info("run %s did not end: %d journalled outcomes, %d ranges open", run.id, len(entries), len(left))
    runs.update(run.id, details={**run.details, "unfinished": left})
    spool = Spool(job.folder / "spool" / f"{run.id}.parquet", Layout(()), empty=True)
    with open_home(job.warehouse, job.folder, f"recovering {job.name}", lock=job.name) as home:
        with home.session.transaction():
            prepare(home.session)
        bearing = read_bearing(home.session, tables)
        if bearing is not None and bearing.identity != identity and left:
            _LOG.warning("run %s may have sent rows to another destination; they stay unresolved", run.id)
            left = []
        outcome = Outcome(run.id, entries, left, doubtful=doubtful)
        settle(home, tables, lease.token, outcome, keep_log_days=job.keep_log_days)
        if left and bearing is not None and bearing.plan_run == run.id:
            spool = write_spool(home.session, home.dialect, tables, bearing.layout, spool.path, left)
    journal.delete(job.state, run.id)
    delivery = None
    if not spool.empty and bearing is not None:
        errand = Errand(job, run.id, bearing.plan, spool, left, lease, patience=patience)
        delivery, left = _send_again(errand, run, tell)
    spool.delete()
    if delivery is not None and left:
        return delivery
    if run.status in {"planning", "delivering", "settling"}:
        runs.update(run.id, status="interrupted", error="ended without a word; the next run went on")
    runs.update(run.id, settled=True)
    return delivery if delivery is not None and delivery.stopped_by is not None else None


def _send_again(
    errand: Errand, run: Run, tell: Callable[[Progress], None] | None
) -> tuple[Delivery, list[Range]]:
    """Bring the open ranges to their outcomes and settle these; what stays open."""
    job = errand.job
    delivery = carry_out(errand, tell)
    entries = journal.read(job.state, run.id)
    missing = journal.missing(entries, run.total)
    left = [part for a, b in errand.ranges for part in _within(missing, a, b)]
    Runs(job.state).update(run.id, details={**run.details, "unfinished": left})
    with open_home(job.warehouse, job.folder, f"recovering {job.name}", lock=job.name) as home:
        outcome = Outcome(run.id, entries, left)
        settle(home, Tables(job.name), errand.lease.token, outcome, keep_log_days=job.keep_log_days)
    journal.delete(job.state, run.id)
    return delivery, left


def doubt_forgotten_plan(session: Session, tables: Tables) -> None:
    """Take a plan that no run of the state knows for one that may have been sent, in part or whole.

    That is what remains where the state was lost. Its rows lose their hash, so that they are sent again,
    whatever the model says of them now; its adds count as delivered where a repeat of them is a change.
    """
    prepare(session)
    bearing = read_bearing(session, tables)
    if bearing is None or bearing.plan_run is None:
        return
    _LOG.warning(
        "%s: nothing is known of run %s any more; its rows are sent again", tables.sync, bearing.plan_run
    )
    mode = Mode(bearing.plan["mode"])
    bearing.doubtful = mode is Mode.REPLACE
    if not bearing.doubtful:
        planned = f"SELECT 1 FROM {tables.plan} AS p WHERE {same_key(bearing.layout, 'p', 's')}"
        session.run(f"UPDATE {tables.snapshot} AS s SET h = NULL WHERE EXISTS ({planned})")
    if mode in {Mode.UPSERT, Mode.UPDATE, Mode.MIRROR}:
        columns = ", ".join(slot.column for slot in bearing.layout.slots)
        known = f"SELECT 1 FROM {tables.snapshot} AS s WHERE {same_key(bearing.layout, 'p', 's')}"
        session.run(
            f"INSERT INTO {tables.snapshot} ({columns}) SELECT {columns} FROM {tables.plan} AS p "
            f"WHERE p.kind = {ADD} AND NOT EXISTS ({known})"
        )
    session.run(f"DROP TABLE {tables.plan}")
    bearing.plan_run = None
    bearing.revision += 1
    write_bearing(session, tables, bearing)
