"""Startup: what a process costs that has nothing to do."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from benchmarks.process import HEADRACE, run_whole
from benchmarks.project import open_homes, opened_job, sync_of, write_project
from benchmarks.report import Report, goal, seconds
from benchmarks.sink import running_sink
from benchmarks.timing import in_turn
from benchmarks.workplace import make_customers, work_folder

__all__ = ["run"]

_ROUNDS = 7
_ROWS = 200_000
_HELP, _NOTHING = "headrace --help", f"headrace sync run, {_ROWS:,} rows, nothing changed"
_GOALS = {_HELP: 0.4, _NOTHING: 0.9}


def run() -> Report:
    """`--help`, and a sync in which nothing has changed."""
    report = Report("Startup, whole processes", ("command", "time", "goal"))
    with work_folder("startup") as folder, running_sink(forget=True) as sink:
        limits = {"concurrency": 8, "batch_size": 2_000}
        write_project(folder, {"bench": sync_of("customers")}, url=sink.url, limits=limits)
        with opened_job(folder, "bench") as job, open_homes(job) as home:
            make_customers(home.session, "customers", _ROWS)
        sync_run = partial(_headrace, "--project", str(folder), "sync", "run", "bench")
        sync_run()
        sent = sink.requests()
        taken = in_turn({_HELP: partial(_headrace, "--help"), _NOTHING: sync_run}, _ROUNDS)
        if sink.requests() != sent:
            raise RuntimeError("a sync in which nothing had changed made requests")
    for command, time in taken.items():
        report.add(command, seconds(time), goal(time, _GOALS[command], f"≤ {_GOALS[command]} s"))
    report.notes.append(f"Bytecode compiled, files in the page cache; medians of {_ROUNDS}.")
    return report


def _headrace(*arguments: str | Path) -> None:
    whole = run_whole([*HEADRACE, *arguments])
    if whole.status:
        raise RuntimeError(f"headrace {arguments} failed: {whole.output}")
