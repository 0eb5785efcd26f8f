"""A project folder for a benchmark: one DuckDB, one webhook, and the syncs that the benchmark asks for."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.workplace import FIELDS
from models.loading import load_project
from models.state import open_state
from syncs.home import Home
from syncs.job import Job, open_job

__all__ = ["open_homes", "opened_job", "sync_of", "write_project"]


def sync_of(model: str, *, asked: bool = False, **more: Any) -> dict[str, Any]:
    """A declared mirror of a table of customers; `asked` reads it by a question in SQL."""
    source = {"sql": f"SELECT * FROM {model}"} if asked else {"table": model}
    return {
        "model": {**source, "primary_key": "id"},
        "destination": "hook",
        "mode": "mirror",
        "fields": {field: field for field in FIELDS},
        **more,
    }


def write_project(
    folder: Path,
    syncs: Mapping[str, Mapping[str, Any]],
    *,
    url: str = "http://127.0.0.1:9/",
    memory_limit: str | None = None,
    **hook: Any,
) -> None:
    """Declare a project. JSON is YAML too."""
    declared: dict[str, Mapping[str, Any]] = {
        "headrace": {"duckdb": {"memory_limit": memory_limit}} if memory_limit else {},
        "destinations/hook": {"type": "webhook", "url": url, **hook},
        **{f"syncs/{name}": sync for name, sync in syncs.items()},
    }
    for name, declaration in declared.items():
        path = folder / f"{name}.yml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(declaration))


@contextmanager
def opened_job(folder: Path, name: str) -> Iterator[Job]:
    """A sync of the project, as a run has it."""
    project = load_project(folder)
    with open_state(project.state_url) as state:
        yield open_job(project, name, state)


@contextmanager
def open_homes(job: Job) -> Iterator[Home]:
    """The job's DuckDB, open as the engine has it while it plans and settles."""
    with job.warehouse.connect("a benchmark") as session:
        yield Home(session, job.warehouse.dialect, session, job.warehouse.dialect)
