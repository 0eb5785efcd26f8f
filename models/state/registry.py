"""The registry of trained models: versions of each prediction, one of them its champion."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import Any, Literal

from sqlalchemy import Connection, insert, select, text, update

from connectors.errors import StateError
from models.state.database import State
from models.state.tables import model_versions

__all__ = ["ModelVersion", "Registry", "VersionStatus"]

VersionStatus = Literal["candidate", "champion", "retired"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelVersion:
    """A trained model. `version` counts from 1 within its prediction and is given by `Registry.add`.

    `model_file` is the model's text or its path relative to `.headrace`; `features` what it takes, in order;
    `data` the window, row counts and fingerprint of what it was trained on.
    """

    prediction: str
    model_file: str
    version: int = 0
    created_at: dt.datetime = field(default_factory=lambda: dt.datetime.now(dt.UTC))
    status: VersionStatus = "candidate"
    metrics: dict[str, Any] = field(default_factory=dict)
    parameters: dict[str, Any] = field(default_factory=dict)
    features: list[Any] | dict[str, Any] = field(default_factory=list)
    data: dict[str, Any] = field(default_factory=dict)
    code_version: str = ""
    promoted_at: dt.datetime | None = None
    promoted_by: str | None = None


class Registry:
    """The model versions that a state knows."""

    def __init__(self, state: State) -> None:
        self._state = state

    def add(self, model: ModelVersion) -> int:
        """Store a candidate under the prediction's next version, which is returned."""
        row = {column.name: getattr(model, column.name) for column in model_versions.c}
        with self._state.write() as connection:
            version = max(_locked(connection, model.prediction), default=0) + 1
            row |= {"version": version, "status": "candidate", "promoted_at": None, "promoted_by": None}
            connection.execute(insert(model_versions), row)
        return version

    def promote(self, prediction: str, version: int, by: str) -> None:
        """Make a version the champion; the one before it is retired.

        Raises:
            StateError: the prediction has no such version.
        """
        ours = model_versions.c.prediction == prediction
        with self._state.write() as connection:
            known = _locked(connection, prediction)
            if version not in known:
                has = ", ".join(map(str, known)) or "none; train it first"
                raise StateError(f"prediction {prediction} has no version {version}; it has {has}")
            retired = update(model_versions).where(ours, model_versions.c.status == "champion")
            connection.execute(retired.values(status="retired"))
            chosen = update(model_versions).where(ours, model_versions.c.version == version)
            now = dt.datetime.now(dt.UTC)
            connection.execute(chosen.values(status="champion", promoted_at=now, promoted_by=by))

    def champion(self, prediction: str) -> ModelVersion | None:
        """The version that scores, None before the first promotion."""
        return next((model for model in self.versions(prediction) if model.status == "champion"), None)

    def get(self, prediction: str, version: int) -> ModelVersion | None:
        """One version."""
        return next((model for model in self.versions(prediction) if model.version == version), None)

    def versions(self, prediction: str | None = None) -> list[ModelVersion]:
        """Versions of one prediction, or of all, newest first."""
        query = select(model_versions).order_by(model_versions.c.prediction, model_versions.c.version.desc())
        if prediction is not None:
            query = query.where(model_versions.c.prediction == prediction)
        with self._state.read() as connection:
            return [ModelVersion(**row) for row in connection.execute(query).mappings()]


def _locked(connection: Connection, prediction: str) -> list[int]:
    # One process at a time numbers and promotes; SQLite's transaction has the whole file anyway.
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"LOCK TABLE {model_versions.name} IN SHARE ROW EXCLUSIVE MODE"))
    query = select(model_versions.c.version).where(model_versions.c.prediction == prediction)
    return sorted(connection.scalars(query))
