"""What people do to a sync by hand: forget its snapshot, have rejected rows tried again."""

from __future__ import annotations

from models.state.audit import Audit
from models.state.runs import Runs
from syncs import journal
from syncs.home import open_home
from syncs.job import Job
from syncs.lease import hold
from syncs.names import Tables
from syncs.snapshot import forget, prepare, read_bearing

__all__ = ["mark_for_retry", "reset"]


def reset(job: Job, by: str) -> None:
    """Forget what the destination accepted, and send nothing: the next run is a first run.

    Raises:
        AlreadyRunning: a run of the sync is under way.
    """
    with hold(job.state, f"sync:{job.name}", "resetting"):
        with (
            open_home(job.warehouse, job.folder, f"resetting {job.name}", lock=job.name) as home,
            home.session.transaction(),
        ):
            prepare(home.session)
            forget(home.session, Tables(job.name))
        runs = Runs(job.state)
        for run in [*runs.unsettled(job.name), *runs.held(job.name)]:
            journal.delete(job.state, run.id)
            status = "cancelled" if run.status == "held" else "interrupted"
            runs.update(run.id, settled=True, status=status if run.finished_at is None else run.status)
            (job.folder / "spool" / f"{run.id}.parquet").unlink(missing_ok=True)
        Audit(job.state).record(by, "reset", job.name)


def mark_for_retry(job: Job) -> int:
    """Have the next run try every rejected row again, whatever `retry_rejected` says; how many rows."""
    with (
        hold(job.state, f"sync:{job.name}", "marking rejected rows"),
        open_home(job.warehouse, job.folder, f"retrying {job.name}", lock=job.name) as home,
    ):
        with home.session.transaction():
            prepare(home.session)
        tables = Tables(job.name)
        if read_bearing(home.session, tables) is None:
            return 0
        home.session.run(f"UPDATE {tables.rejected} SET again = TRUE")
        return int(home.session.rows(f"SELECT count(*) FROM {tables.rejected}")[0][0])
