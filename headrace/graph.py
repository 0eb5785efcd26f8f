"""`headrace run`: everything once, each after what it needs; one failure stops only what needs it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from connectors.errors import HubError
from headrace.steps import Workshop, ingest_json, score_json, trait_json

if TYPE_CHECKING:
    from models.project import Project
    from models.state import State
    from syncs.result import Result

__all__ = ["Step", "exit_code", "run_graph"]

_LOG = logging.getLogger(__name__)
Status = Literal["done", "rejected", "held", "failed", "interrupted", "skipped"]
_WORST_FIRST: tuple[tuple[Status, int], ...] = (
    ("interrupted", 1), ("failed", 1), ("held", 4), ("rejected", 3),
)  # fmt: skip
_STATUS_OF_CODE: dict[int, Status] = {0: "done", 1: "failed", 3: "rejected", 4: "held"}


@dataclass(slots=True)
class Step:
    """One thing that ran, or did not: `node` is `folder/name`, `because` names what stopped it."""

    node: str
    status: Status = "done"
    seconds: float = 0.0
    words: str = ""
    details: dict[str, Any] = field(default_factory=dict)
    error: HubError | None = None
    because: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The step as `--json` prints it."""
        return {
            "name": self.node,
            "status": self.status,
            "seconds": round(self.seconds, 3),
            "error": str(self.error) if self.error else None,
            "because": list(self.because),
            "details": self.details,
        }


def exit_code(steps: list[Step]) -> int:
    """The worst that happened: 1 failed, 4 held, 3 rejected, 0."""
    seen = {step.status for step in steps}
    return next((code for status, code in _WORST_FIRST if status in seen), 0)


def run_graph(project: Project, state: State, names: list[str], tell: Callable[[Step], None]) -> list[Step]:
    """Run sources, traits, predictions and syncs in dependency order; `tell` hears of each when it is over.

    What needs something that failed or is held is skipped, all else goes on.

    Raises:
        ConfigError: a name is unknown, or something needs itself.
    """
    from models.references import graph, order

    edges = graph(project)
    steps: dict[str, Step] = {}
    stopped = False
    for node in order(project, names or None):
        because = _stopped_by(node, edges, steps)
        if stopped or because:
            step = Step(node, "skipped", words="" if because else "stopped before its turn", because=because)
        else:
            step = _run(Workshop(project, state), node)
        steps[node] = step
        stopped = stopped or step.status == "interrupted"
        tell(step)
    return list(steps.values())


def _stopped_by(node: str, edges: dict[str, tuple[str, ...]], steps: dict[str, Step]) -> tuple[str, ...]:
    """Which of the things that a node needs, however indirectly, did not run to its end."""
    seen, waiting = set[str](), list(edges.get(node, ()))
    while waiting:
        needed = waiting.pop()
        if needed not in seen:
            seen.add(needed)
            waiting += edges.get(needed, ())
    return tuple(name for name, step in steps.items() if name in seen and step.status in ("failed", "held"))


def _run(workshop: Workshop, node: str) -> Step:
    folder, name = node.split("/")
    work = {"sources": _ingest, "traits": _trait, "predictions": _predict, "syncs": _sync}[folder]
    step = Step(node)
    started = time.perf_counter()
    try:
        work(workshop, name, step)
    except HubError as error:
        step.status, step.error, step.words = "failed", error, str(error)
        _LOG.error("%s", step.words if step.words.startswith(node) else f"{node}: {step.words}")
    step.seconds = time.perf_counter() - started
    return step


def _ingest(workshop: Workshop, name: str, step: Step) -> None:
    from headrace.cli.progress import ingesting

    with ingesting() as tell:
        result = workshop.ingest(name, tell)
    step.status = "rejected" if result.rejected else "done"
    step.details = ingest_json(result)
    step.words = ", ".join(f"{table} {part.rows:,} rows" for table, part in result.tables.items())
    if result.rejected:
        step.words += f"; {result.rejected:,} rejected, kept in {result.dataset}._rejected_rows"


def _trait(workshop: Workshop, name: str, step: Step) -> None:
    from headrace.cli.progress import working

    with working(f"computing traits/{name}"):
        result = workshop.trait(name)
    step.details, step.words = trait_json(name, result), f"{result.rows:,} rows"


def _predict(workshop: Workshop, name: str, step: Step) -> None:
    """Train where nothing scores yet, then score."""
    from headrace.cli.progress import working

    if workshop.store.champion_or_none(name) is None:
        with working(f"training predictions/{name}"):
            workshop.train(name)
    with working(f"scoring predictions/{name}"):
        result = workshop.score(name)
    step.details = score_json(name, result)
    step.words = f"{result.rows:,} rows by version {result.model_version}"


def _sync(workshop: Workshop, name: str, step: Step) -> None:
    from headrace.cli.progress import syncing
    from syncs.job import open_job
    from syncs.run import Options, run_sync

    job = open_job(workshop.project, name, workshop.state)
    with syncing(name) as tell:
        result = run_sync(job, Options(tell=tell))
    step.details, step.words = result.to_json(), _in_short(result)
    step.status = _STATUS_OF_CODE[result.exit_code] if result.status != "interrupted" else "interrupted"


def _in_short(result: Result) -> str:
    delivered = [f"{count:,} {kind.value}" for kind, count in result.delivered.items() if count]
    parts = [", ".join(delivered) or "nothing sent"]
    if result.status == "held":
        parts.append(f"held, {'; '.join(result.held_by)}: headrace sync approve {result.run_id}")
    undelivered = result.rejected + result.kept_back + result.invalid
    if undelivered:
        parts.append(f"{undelivered:,} not delivered: headrace sync rejected {result.sync}")
    if result.pending and result.status != "held":
        parts.append(f"{result.pending:,} pending")
    if result.error:
        parts.append(result.error)
    return "; ".join(parts)
