"""What a run would do, without doing it: planned in a transaction that is rolled back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from math import ceil
from typing import Any

from connectors.operation import Kind
from connectors.values import on_wire
from connectors.warehouses import Session
from models.state.runs import Runs
from syncs.guard import broken_guards
from syncs.home import Home, open_home
from syncs.job import Job
from syncs.names import Tables
from syncs.plan import KINDS, Plan, Request, make_plan
from syncs.records import operations
from syncs.spool import plan_query

__all__ = ["Preview", "Sample", "preview"]


class _RollBack(Exception):
    """No error: it ends a transaction without keeping it."""


@contextmanager
def _taken_back(session: Session) -> Iterator[None]:
    with suppress(_RollBack), session.transaction():
        yield
        raise _RollBack


@dataclass(frozen=True, slots=True)
class Sample:
    """One planned operation, its values as they would go on the wire."""

    operation: str
    key: dict[str, Any]
    before: dict[str, Any] | None
    after: dict[str, Any] | None


@dataclass(slots=True)
class Preview:
    """A plan in numbers and samples. `minutes` is None where nothing tells how fast the destination is."""

    sync: str
    planned: dict[Kind, int]
    model_rows: int
    delivered_rows: int
    invalid: int
    kept_back: int
    held_by: list[str]
    requests: int
    minutes: float | None
    samples: list[Sample] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """The document that `--json` prints."""
        parts = {name: getattr(self, name) for name in self.__slots__}
        parts["planned"] = {kind.value: count for kind, count in self.planned.items()}
        parts["samples"] = [
            {name: getattr(sample, name) for name in Sample.__slots__} for sample in self.samples
        ]
        return parts


def preview(job: Job, rows: int = 10) -> Preview:
    """Plan a run and take it back; up to `rows` operations are shown, of each kind some.

    Raises:
        ConfigError: the sync does not fit its model or its snapshot.
        WarehouseError: the warehouse refused.
    """
    request = Request(job.name, job.sync, job.question, "preview", 0, job.place)
    with (
        open_home(job.warehouse, job.folder, f"previewing {job.name}") as home,
        _taken_back(home.session),
    ):
        plan = make_plan(home, request)
        samples = _samples(home, job, plan, rows)
    requests = sum(ceil(count / job.limits.batch_size) for count in plan.counts.values())
    return Preview(
        sync=job.name,
        planned=plan.counts,
        model_rows=plan.model_rows,
        delivered_rows=plan.delivered,
        invalid=plan.invalid,
        kept_back=plan.kept_back,
        held_by=broken_guards(job.sync.guards, job.sync.mode, plan),
        requests=requests,
        minutes=_minutes(job, requests),
        samples=samples,
    )


def _samples(home: Home, job: Job, plan: Plan, rows: int) -> list[Sample]:
    if not plan.total or rows < 1:
        return []
    each = max(1, rows // sum(1 for count in plan.counts.values() if count))
    picked: list[Sample] = []
    for number, kind in KINDS.items():
        if plan.counts[kind]:
            where = f"kind = {number}"
            query = f"{plan_query(home.dialect, Tables(job.name), plan.layout, where)} LIMIT {each}"
            picked += _operations(home, query, plan)
    return picked[:rows]


def _operations(home: Home, query: str, plan: Plan) -> Sequence[Sample]:
    import pyarrow as pa

    table = pa.Table.from_batches(home.session.stream(query))
    return [
        Sample(o.kind.value, on_wire(o.key), on_wire(o.previous), on_wire(o.record))
        for o in operations(table, plan.layout)
    ]


def _minutes(job: Job, requests: int) -> float | None:
    """By the documented pace, else by the pace of the last run that sent something."""
    if job.limits.requests_per_second:
        return round(requests / job.limits.requests_per_second / 60, 2)
    for run in Runs(job.state).history(job.name, limit=10):
        done, seconds = run.counts.get("requests", 0), run.counts.get("seconds", {}).get("deliver", 0.0)
        if done and seconds:
            return round(requests * float(seconds) / float(done) / 60, 2)
    return None
