"""Model versions kept: the file under `.headrace/models`, all else about it in the state."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from pathlib import Path

from connectors.errors import NotTrained, ScoringError
from models.state.database import State
from models.state.registry import ModelVersion, Registry, VersionStatus
from scoring.classification import Classifier, Kind, read

__all__ = ["ModelStore", "ModelVersion", "VersionStatus"]

_SUFFIX: dict[Kind, str] = {"lightgbm": "txt", "logistic_regression": "json"}


class ModelStore:
    """The versions of every prediction. A file is named by its content and written before its row.

    `home` is the project's `.headrace`; `threads` are LightGBM's (0: one a core).
    """

    def __init__(self, state: State, home: Path, threads: int = 0) -> None:
        self.threads = threads
        self._registry = Registry(state)
        self._home = home

    def keep(self, version: ModelVersion, model: Classifier) -> int:
        """Keep a model as a candidate; the version's number, from 1."""
        text = model.text()
        digest = hashlib.sha256(text.encode()).hexdigest()
        path = Path("models") / version.prediction / f"{digest[:16]}.{_SUFFIX[model.kind]}"
        _write(self._home / path, text)
        return self._registry.add(
            dataclasses.replace(
                version,
                model_file=path.as_posix(),
                parameters=version.parameters | {"kind": model.kind},
                data=version.data | {"model_sha256": digest},
            )
        )

    def load(self, version: ModelVersion) -> Classifier:
        """The model of a version.

        Raises:
            ScoringError: its file is gone or is not the one that was kept.
        """
        name = f"{version.prediction} version {version.version}"
        try:
            text = (self._home / version.model_file).read_text()
        except OSError as error:
            raise ScoringError(
                f"the model file of {name} cannot be read ({error.strerror}): train again"
            ) from error
        if hashlib.sha256(text.encode()).hexdigest() != version.data["model_sha256"]:
            raise ScoringError(f"the model file of {name} was changed since it was kept: train again")
        return read(version.parameters["kind"], text, self.threads)

    def promote(self, prediction: str, version: int, by: str) -> None:
        """Make a version the one that scores.

        Raises:
            StateError: there is no such version.
        """
        self._registry.promote(prediction, version, by)

    def version(self, prediction: str, number: int) -> ModelVersion:
        """One version.

        Raises:
            NotTrained: there is no such version.
        """
        found = self._registry.get(prediction, number)
        if found is None:
            raise NotTrained(f"{prediction} has no version {number}: see `headrace score list {prediction}`")
        return found

    def champion_or_none(self, prediction: str) -> ModelVersion | None:
        """The version that scores, None before the first training."""
        return self._registry.champion(prediction)

    def champion(self, prediction: str) -> ModelVersion:
        """The version that scores.

        Raises:
            NotTrained: there is none yet.
        """
        version = self.champion_or_none(prediction)
        if version is None:
            raise NotTrained(f"{prediction} has no model yet: run `headrace score train {prediction}`")
        return version

    def versions(self, prediction: str | None = None) -> list[ModelVersion]:
        """Versions of one prediction or of all, newest first."""
        return self._registry.versions(prediction)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f"{path.name}.{os.getpid()}")
    with aside.open("w", newline="") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)
