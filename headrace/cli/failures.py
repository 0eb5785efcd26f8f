"""What a person is told when a command fails, and the exit code."""

from __future__ import annotations

import datetime as dt
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Any

from connectors.errors import AlreadyRunning, ConfigError, HubError, Problem
from connectors.redaction import redactor

__all__ = [
    "ALREADY_RUNNING",
    "FAILED",
    "MISCONFIGURED",
    "problem_json",
    "tell_crash",
    "tell_error",
    "tell_stop",
    "tell_usage",
]

FAILED, MISCONFIGURED, ALREADY_RUNNING = 1, 2, 5
_STOPPED = (
    "stopped. What a destination had accepted is journalled and stays; the next run goes on from there, "
    "and nothing else was left half done"
)


def tell_error(error: HubError, *, as_json: bool) -> int:
    """An error on purpose, in its own words; the exit code."""
    if isinstance(error, ConfigError):
        _tell(type(error).__name__, str(error), as_json=as_json, problems=error.problems)
        return MISCONFIGURED
    _tell(type(error).__name__, str(error), as_json=as_json)
    return ALREADY_RUNNING if isinstance(error, AlreadyRunning) else FAILED


def tell_usage(message: str, usage: str, *, as_json: bool) -> int:
    """A command line that cannot be understood; the exit code."""
    if usage and not as_json:
        sys.stderr.write(f"{usage}\n")
    _tell("UsageError", message, as_json=as_json)
    return MISCONFIGURED


def tell_stop(*, as_json: bool) -> int:
    """Ctrl-C or SIGTERM outside of a delivery; the exit code."""
    _tell("Interrupted", _STOPPED, as_json=as_json)
    return FAILED


def tell_crash(error: BaseException, folder: Path | None, *, as_json: bool) -> int:
    """An error that nobody expected: its traceback goes to a file, without secrets; the exit code."""
    path = _crash_file(folder)
    report = "".join(traceback.format_exception(error))
    path.write_text(redactor.redact(report), encoding="utf-8")
    words = " ".join(str(error).split())
    what = f"{type(error).__name__}: {words}"
    message = f"this is a defect of headrace, please report it with the file {path}: {what}"
    _tell("Crash", message, as_json=as_json)
    return FAILED


def problem_json(problem: Problem) -> dict[str, Any]:
    """A problem as `--json` prints it."""
    return {name: getattr(problem, name) for name in ("file", "line", "column", "key", "message")}


def _tell(kind: str, message: str, *, as_json: bool, problems: tuple[Problem, ...] = ()) -> None:
    if as_json:
        from headrace.cli.output import write_json

        listed = [problem_json(problem) for problem in problems]
        write_json({"error": {"kind": kind, "message": message, "problems": listed}})
        return
    text = redactor.redact(message)
    sys.stderr.write(f"\x1b[31m{text}\x1b[0m\n" if sys.stderr.isatty() else f"{text}\n")


def _crash_file(folder: Path | None) -> Path:
    home = folder / ".headrace" if folder is not None else None
    place = home if home is not None and home.is_dir() else Path(tempfile.gettempdir())
    return place / f"crash-{dt.datetime.now(dt.UTC):%Y%m%dT%H%M%S%f}.txt"
