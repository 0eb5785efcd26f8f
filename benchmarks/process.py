"""A whole process: how long it ran and the most memory it had."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["HEADRACE", "Whole", "run_whole"]

HEADRACE = (sys.executable, "-m", "headrace")
_SECONDS_BETWEEN_LOOKS = 0.02
_PEAK = re.compile(r"VmHWM:\s+(\d+) kB")


@dataclass(frozen=True, slots=True)
class Whole:
    """A process from its start to its exit. `mebibytes` is the peak of its resident set."""

    status: int
    seconds: float
    mebibytes: float
    output: str


def run_whole(
    command: Sequence[str | Path],
    *,
    folder: Path | None = None,
    more_environment: Mapping[str, str] | None = None,
) -> Whole:
    """Run a program to its end; its output is kept to explain a failure.

    The peak is Linux's own high-water mark, read while the process lives: what `wait` tells of a child may
    be its parent's, from the moment between fork and exec.
    """
    environment = {**os.environ, **(more_environment or {})}
    started = time.perf_counter()
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        looks: list[float] = [0.0]
        watcher = threading.Thread(target=_watch, args=(process, looks), daemon=True)
        watcher.start()
        output, _ = process.communicate()
        taken = time.perf_counter() - started
        watcher.join()
    return Whole(process.returncode, taken, max(looks), output)


def _watch(process: subprocess.Popen[str], looks: list[float]) -> None:
    status = Path(f"/proc/{process.pid}/status")
    while process.returncode is None:
        with contextlib.suppress(OSError):  # it has just ended
            if found := _PEAK.search(status.read_text()):
                looks.append(int(found[1]) / 1024)
        time.sleep(_SECONDS_BETWEEN_LOOKS)
