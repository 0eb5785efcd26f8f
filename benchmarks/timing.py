"""Timing of several things in turn, so that a slow minute of the machine strikes all of them alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from statistics import median

__all__ = ["in_turn", "timed"]


def in_turn(cases: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """The median seconds of each case over some rounds A B A B; each case runs once before, unmeasured."""
    taken: dict[str, list[float]] = {name: [] for name in cases}
    for case in cases.values():
        case()
    for _ in range(rounds):
        for name, case in cases.items():
            taken[name].append(timed(case))
    return {name: median(times) for name, times in taken.items()}


def timed(case: Callable[[], object]) -> float:
    """Seconds of one run."""
    started = time.perf_counter()
    case()
    return time.perf_counter() - started
