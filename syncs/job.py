"""Everything that working on one sync needs, resolved from the project."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from connectors.destination import Destination, Limits, Replaces, Target
from connectors.errors import ConfigError, Problem
from connectors.operation import Mode
from connectors.registry import load_registry
from connectors.warehouses import Warehouse, open_warehouse
from models.questions import Question, question
from models.resolved import resolved_destination

if TYPE_CHECKING:
    from models.declarations import Sync
    from models.project import Project
    from models.state.database import State
    from syncs.mapping import Place

__all__ = ["Job", "open_job", "unfit"]


@dataclass(frozen=True, slots=True)
class Job:
    """One sync with its warehouse, its state and its destination's connector, not opened yet."""

    name: str
    sync: Sync
    question: Question
    warehouse: Warehouse
    state: State
    folder: Path
    connector: type[Destination]
    settings: Any
    place: Place
    keep_log_days: int = 30

    @property
    def limits(self) -> Limits:
        """What the destination allows."""
        return self.connector.limits_for(self.settings)

    @property
    def definition(self) -> str:
        """A hash of what is declared, to tell runs of different declarations apart."""
        parts = (self.sync.model_dump_json(), repr(self.question))
        return hashlib.blake2b("\n".join(parts).encode(), digest_size=8).hexdigest()

    def destination(self, target: Target | None = None) -> Destination:
        """An instance of the connector."""
        return self.connector(self.settings, target)


def open_job(project: Project, name: str, state: State) -> Job:
    """Resolve a sync.

    Raises:
        ConfigError: the sync, its model, its destination or a secret is not there, or they do not fit.
    """
    sync = project.find("syncs", name)
    connector, settings = resolved_destination(project, sync.destination, load_registry(project.root))
    if problems := unfit(project, name, sync, connector):
        raise ConfigError(*problems)
    embedded = project.settings.duckdb
    warehouse = open_warehouse(
        project.warehouse_url, memory_limit=embedded.memory_limit, threads=embedded.threads
    )
    return Job(
        name=name,
        sync=sync,
        question=question(project, sync),
        warehouse=warehouse,
        state=state,
        folder=project.home,
        connector=connector,
        settings=settings,
        place=partial(project.problem, "syncs", name),
        keep_log_days=project.settings.log.keep_rows_days,
    )


def unfit(project: Project, name: str, sync: Sync, connector: type[Destination]) -> list[Problem]:
    """What a sync asks that its destination's connector cannot do."""
    kind = project.find("destinations", sync.destination).type
    problems = []
    can_replace = issubclass(connector, Replaces)
    modes = sorted(mode.value for mode in connector.modes if mode is not Mode.REPLACE or can_replace)
    if sync.mode.value not in modes:
        words = f"{kind} has no mode '{sync.mode.value}'; it has: {', '.join(modes)}"
        problems.append(project.problem("syncs", name, ("mode",), words))
    if sync.mode is Mode.MIRROR and sync.on_removed not in connector.removals:
        ways = ", ".join(sorted(connector.removals)) or "nothing"
        words = f"{kind} cannot '{sync.on_removed}' rows; it can: {ways}"
        problems.append(project.problem("syncs", name, ("on_removed",), words))
    objects = [known.name for known in connector.objects]
    if sync.object is not None and objects and sync.object not in objects:
        words = f"{kind} has no object '{sync.object}'; it has: {', '.join(objects)}"
        problems.append(project.problem("syncs", name, ("object",), words))
    if sync.object is None and len(objects) > 1:
        words = f"{kind} has several objects: one of {', '.join(objects)} is needed"
        problems.append(project.problem("syncs", name, ("object",), words))
    return problems
