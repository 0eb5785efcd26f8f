"""The steps that feed syncs: one source ingested, one trait computed, one prediction trained or scored."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from connectors.errors import ConfigError, Problem

if TYPE_CHECKING:
    from connectors.sources.report import IngestProgress, IngestResult
    from models.project import Project
    from models.state import State
    from scoring.predicting import ScoreResult
    from scoring.registry import ModelStore
    from scoring.training import TrainResult
    from scoring.traits import TraitResult

__all__ = ["Workshop", "ingest_json", "score_json", "trait_json"]


@dataclass(frozen=True, slots=True)
class Workshop:
    """A project and its state, and what can be done with one declaration of it."""

    project: Project
    state: State

    def ingest(self, name: str, tell: Callable[[IngestProgress], None]) -> IngestResult:
        """Bring what is new in a source into the warehouse, and note the load in the state.

        Raises:
            ConfigError: the source is not there or does not fit.
            HubError: it failed; what was loaded before it stays.
        """
        from connectors.sources.ingest import ingest
        from models.resolved import resolved_source
        from models.state.loads import Loads

        settings = resolved_source(self.project, name)
        loads = Loads(self.state)
        load = loads.start(name)
        done = False
        try:
            result = ingest(
                name,
                settings,
                warehouse_url=self.project.warehouse_url,
                home=self.project.home,
                progress=tell,
            )
            loads.finish(load, "done", {table: asdict(part) for table, part in result.tables.items()})
            done = True
        finally:
            if not done:
                loads.finish(load, "failed", {})
        return result

    def trait(self, name: str) -> TraitResult:
        """Compute a trait's table anew.

        Raises:
            HubError: it failed; the last table stays as it was.
        """
        from headrace.workspace import writable_warehouse_of
        from scoring.traits import materialise

        trait = self.project.find("traits", name)
        warehouse = writable_warehouse_of(self.project)
        with warehouse.connect(f"computing traits/{name}") as session:
            return materialise(trait, session, warehouse.dialect)

    def train(self, name: str, as_of: dt.datetime | None = None) -> TrainResult:
        """Train a prediction's model and keep it as a version; `as_of` stands for the present.

        Raises:
            HubError: nothing can be learnt from what there is, or the warehouse refused.
        """
        from headrace.workspace import writable_warehouse_of
        from scoring.training import train

        prediction = self.project.find("predictions", name)
        warehouse = writable_warehouse_of(self.project)
        with warehouse.connect(f"training predictions/{name}") as session:
            return train(
                prediction, self.project.features, session, warehouse.dialect, self.store, as_of=as_of
            )

    def score(self, name: str, as_of: dt.datetime | None = None) -> ScoreResult:
        """Score everybody in a prediction's population; `as_of` stands for the present.

        Raises:
            NotTrained: it has no version that scores.
            HubError: it failed; the last table stays as it was.
        """
        from headrace.workspace import writable_warehouse_of
        from scoring.predicting import score

        prediction = self.project.find("predictions", name)
        warehouse = writable_warehouse_of(self.project)
        with warehouse.connect(f"scoring predictions/{name}") as session:
            return score(prediction, session, warehouse.dialect, self.store, as_of=as_of)

    @property
    def store(self) -> ModelStore:
        """The trained versions of all predictions."""
        from scoring.registry import ModelStore

        return ModelStore(self.state, self.project.home)

    def chosen(self, folder: str, names: list[str]) -> list[str]:
        """The declarations of a folder that are asked for, all by default, each after what it needs.

        Raises:
            ConfigError: a name is unknown; every unknown one is named.
        """
        from models.references import order

        problems: list[Problem] = []
        for name in names:
            try:
                self.project.find(folder, name)
            except ConfigError as error:
                problems += error.problems
        if problems:
            raise ConfigError(*problems)
        wanted = set(names or self.project.declared(folder))
        nodes = order(self.project, [f"{folder}/{name}" for name in wanted])
        found = (Path(node) for node in nodes)
        return [node.name for node in found if node.parent.name == folder and node.name in wanted]


def ingest_json(result: IngestResult) -> dict[str, Any]:
    """What an ingest brought, as `--json` prints it."""
    tables = {name: asdict(part) for name, part in result.tables.items()}
    return {
        "source": result.source,
        "status": "done",
        "dataset": result.dataset,
        "seconds": round(result.seconds, 3),
        "rejected": result.rejected,
        "tables": tables,
    }


def trait_json(name: str, result: TraitResult) -> dict[str, Any]:
    """A computed trait, as `--json` prints it."""
    return {
        "trait": name,
        "status": "done",
        "rows": result.rows,
        "columns": list(result.columns),
        "seconds": round(result.seconds, 3),
        "warning": result.warning,
    }


def score_json(name: str, result: ScoreResult) -> dict[str, Any]:
    """A scoring run, as `--json` prints it."""
    return {
        "prediction": name,
        "status": "done",
        "rows": result.rows,
        "model_version": result.model_version,
        "as_of": result.as_of.isoformat(),
        "seconds": round(result.seconds, 3),
        "warning": result.warning,
    }
