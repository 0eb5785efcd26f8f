"""What an earlier run left behind: outcomes to settle, and batches that may have been sent.

A batch that may have been written must not be planned anew from today's rows: if its row was removed or changed
back meanwhile, nothing would correct the destination. So it is sent once more as it was, with the same
idempotency key, and settled; then the snapshot says what the destination holds, and the next plan is right.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from connectors.operation import Kind
from models.state.runs import Run, Runs
from syncs import journal
from syncs.deliver import Delivery, Patience, Progress
from syncs.delivery import Errand, carry_out
from syncs.home import open_home
from syncs.job import Job
from syncs.lease import Lease
from syncs.names import Tables
from syncs.settle import settle
from syncs.snapshot import Bearing, prepare, read_bearing
from syncs.spool import Range, Spool, cut, write_spool

__all__ = ["Recovery", "recover", "still_open"]

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
    if run.details.get("whole") and not run.details.get("replaced"):
        entries, left = [], []
    else:
        left = still_open(run, entries)
    _LOG.info("run %s did not end: %d journalled outcomes, %d ranges open", run.id, len(entries), len(left))
    runs.update(run.id, details={**run.details, "unfinished": left})
    with open_home(job.warehouse, job.folder, f"recovering {job.name}", lock=job.name) as home:
        prepare(home.session)
        bearing = read_bearing(home.session, tables)
        if bearing is not None and bearing.identity != identity and left:
            _LOG.warning("run %s may have sent rows to another destination; they stay unresolved", run.id)
            left = []
        settle(home, tables, run.id, lease.token, entries, unfinished=left, keep_log_days=job.keep_log_days)
        spool = None
        if left and bearing is not None and bearing.plan_run == run.id:
            path = job.folder / "spool" / f"{run.id}.parquet"
            spool = write_spool(home.session, home.dialect, tables, bearing.layout, path, left)
    journal.delete(job.state, run.id)
    if spool is not None and bearing is not None:
        delivery = _send_again(job, lease, run, bearing, spool, left, patience, tell)
        if delivery is not None:
            return delivery
    if run.status in {"planning", "delivering", "settling"}:
        runs.update(run.id, status="interrupted", error="ended without a word; the next run went on")
    runs.update(run.id, settled=True)
    return None


def _send_again(  # noqa: PLR0913 - what recovery has in hand
    job: Job,
    lease: Lease,
    run: Run,
    bearing: Bearing,
    spool: Spool,
    left: list[Range],
    patience: Patience,
    tell: Callable[[Progress], None] | None,
) -> Recovery:
    errand = Errand(job, run.id, bearing.plan, spool, left, lease, patience=patience)
    delivery = carry_out(errand, tell)
    entries = journal.read(job.state, run.id)
    missing = journal.missing(entries, run.total)
    left = [part for a, b in left for part in _within(missing, a, b)]
    Runs(job.state).update(run.id, details={**run.details, "unfinished": left})
    with open_home(job.warehouse, job.folder, f"recovering {job.name}", lock=job.name) as home:
        settle(home, Tables(job.name), run.id, lease.token, entries, unfinished=left)
    journal.delete(job.state, run.id)
    spool.delete()
    return delivery if left else None
