"""headrace and its peers, each set up for the same job as its own documentation says."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from benchmarks.peers.environments import environment

__all__ = ["CONCURRENCY", "Contender", "Job", "installed"]

CONCURRENCY = 16
"""Requests under way at once, for those that can."""
_FIELDS = ("email", "country", "score", "orders", "updated_at")


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be done: post the table `customers` of `folder`/warehouse.duckdb to an address."""

    folder: Path
    url: str
    batch_size: int

    @property
    def warehouse(self) -> Path:
        """The DuckDB file."""
        return self.folder / "warehouse.duckdb"


@dataclass(frozen=True, slots=True)
class Command:
    """A program to run."""

    arguments: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)


class Contender(Protocol):
    """One that can do the job."""

    name: str

    def prepare(self, job: Job) -> Command:
        """Write its configuration; the command that syncs once."""
        ...


class Headrace:
    """A mirror through the webhook destination."""

    name = "headrace"

    def __init__(self) -> None:
        self._programs = environment(self.name)

    def prepare(self, job: Job) -> Command:
        """A project of three files. JSON is YAML too."""
        files: dict[str, object] = {
            "headrace": {"warehouse": f"duckdb:///{job.warehouse}"},
            "destinations/sink": {
                "type": "webhook",
                "url": job.url,
                "limits": {"concurrency": CONCURRENCY, "batch_size": job.batch_size},
            },
            "syncs/customers": {
                "model": {"table": "customers", "primary_key": "id"},
                "destination": "sink",
                "mode": "mirror",
                "fields": {name: name for name in _FIELDS},
            },
        }
        for name, content in files.items():
            _write(job.folder / f"{name}.yml", json.dumps(content))
        program = str(self._programs / "headrace")
        return Command((program, "--project", str(job.folder), "sync", "run", "customers"))


class Drt:
    """drt: an incremental sync by cursor to its REST destination, one body a batch, errors skipped.

    Its comparison by snapshot (`incremental_strategy: diff`) has no DuckDB source, and its `mirror` none for
    REST. Its pace of ten requests a second is raised out of the way.
    """

    name = "drt"

    def __init__(self) -> None:
        self._programs = environment(self.name)

    def prepare(self, job: Job) -> Command:
        """A project, a sync, and a profile in a home folder of its own."""
        home = job.folder / "home"
        profile = {"local": {"type": "duckdb", "database": str(job.warehouse)}}
        _write(home / ".drt" / "profiles.yml", json.dumps(profile))
        project = {"name": "bench", "version": "0.1", "profile": "local"}
        _write(job.folder / "drt_project.yml", json.dumps(project))
        sync = {
            "name": "customers",
            "model": "SELECT * FROM customers",
            "destination": {
                "type": "rest_api",
                "url": job.url,
                "method": "POST",
                "headers": {"Content-Type": "application/json"},
                "body_mode": "batch",
                "batch_template": "{{ rows | tojson_safe }}",
            },
            "sync": {
                "mode": "incremental",
                "cursor_field": "updated_at",
                "batch_size": job.batch_size,
                "rate_limit": {"requests_per_second": 1_000_000},
                "on_error": "skip",
            },
        }
        _write(job.folder / "syncs" / "customers.yml", json.dumps(sync))
        return Command((str(self._programs / "drt"), "run"), {"HOME": str(home)})


class Dlt:
    """dlt: an incremental resource of Arrow batches, and a custom destination that posts."""

    name = "dlt"

    def __init__(self) -> None:
        self._programs = environment(self.name)

    def prepare(self, job: Job) -> Command:
        """A program of some thirty lines, as its documentation has it; as many files as it posts at once."""
        program = Path(__file__).with_name("dlt_pipeline.py")
        settings = {
            "BENCH_WAREHOUSE": str(job.warehouse),
            "BENCH_URL": job.url,
            "BENCH_BATCH_SIZE": str(job.batch_size),
            "BENCH_PIPELINES": str(job.folder / "pipelines"),
            "DATA_WRITER__FILE_MAX_ITEMS": "12500",
            "LOAD__WORKERS": str(CONCURRENCY),
            "RUNTIME__DLTHUB_TELEMETRY": "false",
            "RUNTIME__LOG_LEVEL": "CRITICAL",
        }
        return Command((str(self._programs / "python"), str(program)), settings)


def installed() -> list[Contender]:
    """All of them, installed."""
    return [Headrace(), Drt(), Dlt()]


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
