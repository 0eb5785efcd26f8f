"""Memory: the peak of a whole process that makes a first sync, beyond what DuckDB was allowed."""

from __future__ import annotations

from pathlib import Path

from benchmarks.process import HEADRACE, Whole, run_whole
from benchmarks.project import open_homes, opened_job, sync_of, write_project
from benchmarks.report import Report, goal, seconds
from benchmarks.sink import running_sink
from benchmarks.workplace import make_customers, work_folder

__all__ = ["run"]

_LIMIT_MIB = 1024
_GOAL_MIB = 1024
_BATCH = 2_000
_SIZES = (1_000_000, 10_000_000)


def run(sizes: tuple[int, ...] = _SIZES) -> Report:
    """First syncs of 1 and 10 million rows with DuckDB held to 1 GiB."""
    report = Report("Memory of a first sync", ("rows", "time", "peak", "beyond DuckDB's 1 GiB", "goal"))
    for rows in sizes:
        with work_folder("memory") as folder, running_sink(forget=True) as sink:
            whole = _first_sync(folder, sink.url, rows)
        beyond = whole.mebibytes - _LIMIT_MIB
        report.add(
            f"{rows / 1e6:g} M",
            seconds(whole.seconds),
            f"{whole.mebibytes:,.0f} MiB",
            f"{max(beyond, 0):,.0f} MiB",
            goal(beyond, _GOAL_MIB, "≤ 1,024 MiB"),
        )
    report.notes.append(f"The peak is the resident set of the whole process; requests of {_BATCH:,} rows.")
    return report


def _first_sync(folder: Path, url: str, rows: int) -> Whole:
    limits = {"concurrency": 8, "batch_size": _BATCH}
    syncs = {"bench": sync_of("customers")}
    write_project(folder, syncs, url=url, memory_limit=f"{_LIMIT_MIB}MiB", limits=limits)
    with opened_job(folder, "bench") as job, open_homes(job) as home:
        make_customers(home.session, "customers", rows)
    whole = run_whole([*HEADRACE, "--project", str(folder), "sync", "run", "bench"])
    if whole.status:
        raise RuntimeError(f"the first sync of {rows:,} rows failed: {whole.output}")
    return whole
