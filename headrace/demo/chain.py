"""The chain once, as `headrace run` does it, with the shop's clock as the time."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from connectors.errors import HubError
from headrace.steps import Workshop

if TYPE_CHECKING:
    from models.project import Project
    from models.state.database import State
    from syncs.result import Result

__all__ = ["Chain", "Round"]


@dataclass(slots=True)
class Round:
    """What one time through the chain brought: rows by table and trait, verdicts on models, results."""

    loaded: dict[str, int] = field(default_factory=dict)
    traits: dict[str, int] = field(default_factory=dict)
    verdicts: dict[str, str] = field(default_factory=dict)
    scored: int = 0
    syncs: dict[str, Result] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Chain:
    """A project and its state. `step(words)` is entered around each step, to tell of it."""

    project: Project
    state: State
    step: Callable[[str], AbstractContextManager[None]]

    def go_round(self, as_of: dt.datetime, *, train: bool = False) -> Round:
        """Ingest, traits, scores and syncs, in this order; `train` learns the predictions before they score.

        Raises:
            HubError: a step failed, or a sync ended with rows that it did not deliver.
        """
        done = Round()
        self._ingest(done)
        self._traits(done)
        if train:
            self._train(done, as_of)
        self._score(done, as_of)
        self.sync(done)
        return done

    def sync(self, into: Round) -> None:
        """Run every sync."""
        from syncs.job import open_job
        from syncs.run import run_sync

        for name in self.project.syncs:
            with self.step(f"sync {name}"):
                result = run_sync(open_job(self.project, name, self.state))
            if result.status != "done" or result.pending:
                raise HubError(f"sync {name} ended as {result.status}: {result.error or result.held_by}")
            into.syncs[name] = result

    def _ingest(self, into: Round) -> None:
        for name in self.project.sources:
            with self.step(f"ingest {name}"):
                brought = self._workshop.ingest(name, lambda _: None)
            into.loaded |= {f"{brought.dataset}.{table}": load.rows for table, load in brought.tables.items()}

    def _traits(self, into: Round) -> None:
        for name in self.project.traits:
            with self.step(f"traits {name}"):
                into.traits[name] = self._workshop.trait(name).rows

    def _train(self, into: Round, as_of: dt.datetime) -> None:
        for name in self.project.predictions:
            with self.step(f"score train {name}"):
                trained = self._workshop.train(name, as_of)
            into.verdicts[name] = trained.version.metrics["verdict"]

    def _score(self, into: Round, as_of: dt.datetime) -> None:
        for name in self.project.predictions:
            with self.step(f"score run {name}"):
                into.scored += self._workshop.score(name, as_of).rows

    @property
    def _workshop(self) -> Workshop:
        return Workshop(self.project, self.state)
