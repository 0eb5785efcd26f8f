"""`headrace doctor`: what a person who helps would ask first."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version as installed
from pathlib import Path
from typing import TYPE_CHECKING

from connectors.errors import ConfigError, HubError

if TYPE_CHECKING:
    from models.project import Project

__all__ = ["Finding", "examine"]

_EXTRAS = {
    "postgres": ("psycopg", "psycopg2"),
    "mysql": ("pymysql",),
    "redis": ("redis",),
    "s3": ("s3fs",),
}
_ENGINES = ("duckdb", "pyarrow", "sqlalchemy", "dlt", "lightgbm", "pydantic")
_LEAST_FREE_BYTES = 1 << 30
_SECONDS_FOR_THE_WAREHOUSE = 5.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    topic: str
    ok: bool
    words: str


def examine(folder: Path) -> list[Finding]:
    """Everything about the machine, the installation and a project that matters here; changes nothing."""
    return [*_installation(), *_project(folder), _disk(folder), *_privacy(folder)]


def _installation() -> Iterator[Finding]:
    yield Finding("headrace", ok=True, words=installed("headrace"))
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    yield Finding(
        "python", ok=True, words=f"{platform.python_version()} on {platform.platform()}, {cores} cores"
    )
    yield Finding("libraries", ok=True, words=", ".join(f"{name} {installed(name)}" for name in _ENGINES))
    for extra, modules in _EXTRAS.items():
        there = all(importlib.util.find_spec(module) for module in modules)
        words = "installed" if there else f"not installed: pip install 'headrace[{extra}]'"
        yield Finding(f"extra {extra}", ok=True, words=words)


def _project(folder: Path) -> Iterator[Finding]:
    from models.loading import load_project

    if not (folder / "headrace.yml").is_file():
        yield Finding("project", ok=True, words=f"none in {folder.resolve()}; headrace init DIR makes one")
        return
    try:
        project = load_project(folder)
    except ConfigError as error:
        words = f"{folder.resolve()}: {len(error.problems)} problems; headrace check lists them"
        yield Finding("project", ok=False, words=words)
        return
    yield Finding("project", ok=True, words=str(folder.resolve()))
    yield _warehouse(project)
    yield _state(project)


def _warehouse(project: Project) -> Finding:
    from headrace.workspace import warehouse_of

    try:
        url = _shown(project.warehouse_url)
        warehouse = warehouse_of(project, wait_seconds=_SECONDS_FOR_THE_WAREHOUSE)
        with warehouse.connect("doctor"):
            pass
    except HubError as error:
        return Finding("warehouse", ok=False, words=str(error))
    place = (
        "plans and snapshots in it" if warehouse.writable else "only read; plans in a DuckDB beside the state"
    )
    return Finding("warehouse", ok=True, words=f"{url} answers; {place}")


def _state(project: Project) -> Finding:
    from models.state import open_state
    from models.state.runs import Runs

    try:
        with open_state(project.state_url, project.root) as state:
            latest = Runs(state).history(limit=1)
            words = f"{state.url} answers; " + (
                f"the last run began {latest[0].started_at:%Y-%m-%d %H:%M} UTC" if latest else "no runs yet"
            )
    except HubError as error:
        return Finding("state", ok=False, words=str(error))
    return Finding("state", ok=True, words=words)


def _shown(url: str) -> str:
    from sqlalchemy import make_url

    return make_url(url).set(query={}).render_as_string(hide_password=True)


def _disk(folder: Path) -> Finding:
    there = next(path for path in (folder.resolve(), *folder.resolve().parents) if path.exists())
    usage = shutil.disk_usage(there)
    words = f"{usage.free / 2**30:,.1f} GiB free of {usage.total / 2**30:,.1f} GiB at {there}"
    return Finding("disk", ok=usage.free >= _LEAST_FREE_BYTES, words=words)


def _privacy(folder: Path) -> Iterator[Finding]:
    home = folder / ".headrace"
    if home.is_dir():
        mode = stat.S_IMODE(home.stat().st_mode)
        open_to_others = bool(mode & 0o077)
        words = f"{home} has mode {mode:o}"
        if open_to_others:
            words += f", others on this machine can read data of your customers: chmod 700 {home}"
        elif not os.access(home, os.W_OK):
            words += ", and this user cannot write to it"
        yield Finding("permissions", ok=not open_to_others and os.access(home, os.W_OK), words=words)
    words = "none: headrace sends nothing to its makers, and dlt's own telemetry is switched off"
    yield Finding("telemetry", ok=True, words=words)
