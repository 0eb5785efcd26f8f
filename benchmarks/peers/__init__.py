"""The peers: whole processes of headrace, drt and dlt in turn, against the same recording sink."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from statistics import median

from benchmarks.peers.contenders import CONCURRENCY, Contender, installed
from benchmarks.peers.scenarios import ROWS, Story, bad_row, killed_at_half, slow_sink, story
from benchmarks.process import Whole
from benchmarks.report import Report, seconds
from benchmarks.workplace import work_folder

__all__ = ["run"]

_ROUNDS = 3


def run() -> Report:
    """Every scenario for every contender, in turn."""
    rivals = installed()
    report = Report(f"Peers, {ROWS:,} rows", ("scenario", "goal", *(rival.name for rival in rivals)))
    with work_folder("peers") as work:
        stories: dict[str, list[Story]] = {rival.name: [] for rival in rivals}
        for _ in range(_ROUNDS):
            for rival in rivals:
                stories[rival.name].append(story(rival, work))
        _tell_stories(report, list(stories.values()))
        for scenario, bound, measure in _ACCIDENTS:
            report.add(scenario, bound, *(measure(rival, work) for rival in rivals))
    report.notes.append(
        f"Whole processes from start to exit, medians of {_ROUNDS} for the first three lines, one "
        f"run for the others. headrace has "
        f"{CONCURRENCY} requests under way at once, dlt loads with {CONCURRENCY} workers from files of "
        "12,500 rows, drt posts one after another. drt and dlt find changes by a cursor on updated_at; "
        "headrace compares rows. The sink refuses a request with the bad row whole, as most APIs do."
    )
    return report


def _tell_stories(report: Report, stories: list[list[Story]]) -> None:
    def line(scenario: str, bound: str, cell: Callable[[list[Story]], str]) -> None:
        report.add(scenario, bound, *(cell(told) for told in stories))

    line("first sync, 1,000 rows a request", "≤ 4 s", lambda told: _cell([s.first for s in told]))
    line("nothing changed", "≤ 0.9 s", lambda told: _cell([s.nothing for s in told]))
    line("1 % changed", "≤ 1.1 s", lambda told: _cell([s.changed for s in told]))
    line("100 deleted rows", "100 arrive", lambda told: f"{told[-1].deletes_arrived} arrive")
    line(
        "a late row at the watermark",
        "delivered",
        lambda told: "delivered" if told[-1].late_row_arrived else "lost",
    )


def _cell(wholes: list[Whole]) -> str:
    time = median(whole.seconds for whole in wholes)
    peak = median(whole.mebibytes for whole in wholes)
    return f"{seconds(time)}, {peak:.0f} MiB"


def _slow(rival: Contender, work: Path) -> str:
    return seconds(slow_sink(rival, work))


def _bad(rival: Contender, work: Path) -> str:
    return f"{bad_row(rival, work):,} missing"


def _killed(rival: Contender, work: Path) -> str:
    receipt = killed_at_half(rival, work)
    return f"{receipt.rows - receipt.keys:,} doubled, {ROWS - receipt.keys:,} missing"


_ACCIDENTS = (
    ("first sync, 100 rows a request, 50 ms latency", "≤ 12 s", _slow),
    ("one bad row, after two runs", "1 missing", _bad),
    ("kill -9 at half, then a run", f"≤ {CONCURRENCY * 1_000:,} doubled", _killed),
)
