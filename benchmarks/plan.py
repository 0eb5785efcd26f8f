"""Plan: how long planning takes beside a bare full outer join by key of the same tables."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from benchmarks.project import open_homes, opened_job, sync_of, write_project
from benchmarks.report import Report, goal, seconds
from benchmarks.timing import in_turn, timed
from benchmarks.workplace import change_some, make_customers, work_folder
from connectors.warehouses import Session
from models.questions import Question
from syncs.home import Home
from syncs.job import Job
from syncs.names import Tables
from syncs.plan import Plan, Request, make_plan

__all__ = ["planned", "run", "taken_as_delivered"]

SIZES = (1_000_000, 10_000_000)
_ROUNDS = {1_000_000: 5, 10_000_000: 3}
_GOAL = 2.0
_JOINED = "SELECT c.* FROM {model} AS c LEFT JOIN countries USING (country)"
_MODELS = {"unchanged": "customers", "1 % changed": "customers_next"}


def run(sizes: tuple[int, ...] = SIZES) -> Report:
    """Plans of 1 and 10 million rows, unchanged and with 1 % changed, of a table and of a question."""
    report = Report("Plan", ("rows, key, model", "plan", "bare join", "ratio", "goal"))
    for rows in sizes:
        for text_key in (False, True):
            with work_folder("plan") as folder:
                _measure(folder, rows, report, text_key=text_key)
    report.notes.append(
        "The bare join counts both sides of a full outer join by key of the same model and snapshot. The "
        "plan also maps, hashes and compares every row, finds null and duplicate keys, numbers the "
        "operations and commits. The model in SQL joins the table with a small one, which the bare join does "
        "not. A first sync has nothing to join with: its ratio is to the join with the full snapshot."
    )
    return report


def taken_as_delivered(home: Home, job: Job) -> None:
    """Take a model's rows as delivered, as a first run without backfill does."""
    planned(home, replace(job, sync=job.sync.model_copy(update={"backfill": False})))
    home.session.run("CHECKPOINT")


def planned(home: Home, job: Job) -> Plan:
    """A plan, committed. It leaves temporary tables, which a process that ends is rid of."""
    request = Request(job.name, job.sync, job.question, run_id="0" * 26, fence=1, place=job.place)
    with home.session.transaction():
        plan = make_plan(home, request)
    for (table,) in home.session.rows("SELECT table_name FROM duckdb_tables() WHERE temporary"):
        home.session.run(f"DROP TABLE {table}")
    return plan


def _measure(folder: Path, rows: int, report: Report, *, text_key: bool) -> None:
    write_project(folder, {"bench": sync_of("customers")})
    with opened_job(folder, "bench") as job, open_homes(job) as home:
        make_customers(home.session, "customers", rows, text_key=text_key)
        change_some(home.session, "customers", "customers_next")
        home.session.run("CREATE TABLE countries AS SELECT DISTINCT country, 1 AS zone FROM customers")
        taken_as_delivered(home, job)
        taken = in_turn(_cases(home, job), _ROUNDS.get(rows, 3))
        if not text_key:
            taken["table, first sync"] = timed(partial(planned, home, replace(job, name="first")))
    what = f"{rows / 1e6:g} M, {'text' if text_key else 'bigint'}"
    for case, plan in taken.items():
        if not case.startswith("bare"):
            bare = taken[f"bare, {'1 % changed' if '1 %' in case else 'unchanged'}"]
            verdict = "none" if "first" in case else goal(plan / bare, _GOAL, "≤ 2.0")
            report.add(f"{what}, {case}", seconds(plan), seconds(bare), f"{plan / bare:.2f}", verdict)


def _cases(home: Home, job: Job) -> dict[str, Callable[[], object]]:
    cases: dict[str, Callable[[], object]] = {}
    for state, model in _MODELS.items():
        table = replace(job, question=Question(None, model, ("id",)))
        asked = replace(job, question=Question(_JOINED.format(model=model), None, ("id",)))
        cases[f"bare, {state}"] = partial(_bare_join, home.session, model)
        cases[f"table, {state}"] = partial(planned, home, table)
        cases[f"sql, {state}"] = partial(planned, home, asked)
    return cases


def _bare_join(session: Session, model: str) -> None:
    snapshot = Tables("bench").snapshot
    session.rows(
        f"SELECT count(m.id), count(s.k0) FROM {model} AS m FULL JOIN {snapshot} AS s ON m.id = s.k0"
    )
