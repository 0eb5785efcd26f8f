"""Settle: what merging a run's outcomes takes beyond the bare statements on the same rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from statistics import median

from benchmarks.plan import planned, taken_as_delivered
from benchmarks.project import open_homes, opened_job, sync_of, write_project
from benchmarks.report import Report, goal, seconds
from benchmarks.timing import timed
from benchmarks.workplace import change_some, make_customers, work_folder
from connectors.warehouses import Session
from models.questions import Question
from syncs.home import Home
from syncs.job import Job
from syncs.journal import Entry
from syncs.layout import Layout
from syncs.names import Tables
from syncs.plan import Plan
from syncs.settle import Outcome, settle

__all__ = ["run"]

_ROUNDS = 4
_BATCH = 100
_GOAL_SECONDS = 1.0
_BARE = "bare_snapshot"
_TABLES = Tables("bench")


def run(rows: int = 10_000_000) -> Report:
    """Settle 1 % of 10 million rows, there and back again, beside the same by hand on a copy."""
    report = Report("Settle", ("rows, 1 % changed", "settle", "bare", "beyond", "goal"))
    with work_folder("settle") as folder:
        write_project(folder, {"bench": sync_of("customers")})
        with opened_job(folder, "bench") as job, open_homes(job) as home:
            make_customers(home.session, "customers", rows)
            change_some(home.session, "customers", "customers_next")
            taken_as_delivered(home, job)
            home.session.run(f"CREATE TABLE {_BARE} AS FROM {_TABLES.snapshot}")
            settled, bare = _measure(home, job)
    beyond = settled - bare
    report.add(
        f"{rows / 1e6:g} M",
        seconds(settled),
        seconds(bare),
        seconds(beyond),
        goal(beyond, _GOAL_SECONDS, "≤ 1 s"),
    )
    report.notes.append(
        "Bare: one DELETE and one INSERT from a copy of the plan into a copy of the snapshot, which DuckDB "
        "does faster than a MERGE or an UPDATE, in a transaction with its commit. Settling also takes the "
        f"journal's ranges (batches of {_BATCH}), writes a line of the log for each row, keeps rejected rows "
        "and drops the plan."
    )
    return report


def _measure(home: Home, job: Job) -> tuple[float, float]:
    settled: list[float] = []
    bare: list[float] = []
    for turn in range(_ROUNDS + 1):
        model = "customers" if turn % 2 else "customers_next"
        plan = planned(home, replace(job, question=Question(None, model, ("id",))))
        entries = [Entry(a, min(a + _BATCH, plan.total)) for a in range(0, plan.total, _BATCH)]
        home.session.run(f"CREATE OR REPLACE TABLE headrace.bare_plan AS FROM {_TABLES.plan}")
        pair = [
            (bare, partial(_by_hand, home.session, plan.layout)),
            (settled, partial(_settled, home, plan, entries)),
        ]
        for times, case in pair if turn % 2 else reversed(pair):
            taken = timed(case)
            if turn:  # the first turn warms up
                times.append(taken)
    return median(settled), median(bare)


def _settled(home: Home, plan: Plan, entries: Sequence[Entry]) -> None:
    settle(home, _TABLES, 1, Outcome(plan.run_id, entries))


def _by_hand(session: Session, layout: Layout) -> None:
    every = ", ".join(["k0", *(slot.column for slot in layout.values), "h"])
    plan = "headrace.bare_plan"
    with session.transaction():
        session.run(f"DELETE FROM {_BARE} AS s USING {plan} AS p WHERE s.k0 = p.k0")
        session.run(f"INSERT INTO {_BARE} ({every}) SELECT {every} FROM {plan} WHERE kind <> 0")
