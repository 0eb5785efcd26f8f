"""Training: two models side by side on one training set, a verdict, a kept version."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version as installed
from typing import TYPE_CHECKING

from connectors.errors import ScoringError, WarehouseError
from connectors.warehouses.base import Dialect, Session
from models.declarations.feature import Feature
from models.declarations.prediction import Prediction
from scoring.classification import Classifier, Recipe, count_rounds, fit_logistic, fit_trees
from scoring.inputs import Inputs
from scoring.matrix import read_matrix
from scoring.metrics import measure
from scoring.pairs import make_pairs
from scoring.registry import ModelStore, ModelVersion
from scoring.training_set import TrainingSet, read_training_set
from scoring.verdict import better, verdict

if TYPE_CHECKING:
    from scoring.classification import Kind
    from scoring.matrix import Numbers

__all__ = ["TrainResult", "train"]


@dataclass(frozen=True, slots=True)
class TrainResult:
    """A trained version. `promotion` says why it scores from now on, or why it does not."""

    version: ModelVersion
    promotion: str


def train(
    prediction: Prediction,
    features: Mapping[str, Feature],
    session: Session,
    dialect: Dialect,
    store: ModelStore,
    *,
    as_of: dt.datetime | None = None,
) -> TrainResult:
    """Train trees beside the baseline, keep the better as a version, and promote it if it deserves it.

    Better is who has the higher AUC on the last cut-off, which neither has seen. The first version is
    promoted; a later one where it is at least as good there as the champion with the champion's own features.

    Args:
        prediction: what is declared.
        features: the project's features by name.
        session: a session of a writable warehouse.
        dialect: the warehouse's.
        store: where versions are kept.
        as_of: the time at which the newest label ends; the last midnight in UTC where left out.

    Raises:
        ScoringError: nothing can be learnt or tested from what there is.
        WarehouseError: the warehouse refuses the SQL of a feature, the population or the label.
    """
    midnight = dt.datetime.now(dt.UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    training = read_training_set(prediction, features, session, dialect, as_of or midnight)
    recipe = Recipe(prediction.algorithm.lightgbm, prediction.seed, store.threads)
    models, rounds = _fit(prediction, training, recipe)
    x, labels = training.at([training.split.test])
    scores = {kind: model.predict(x) for kind, model in models.items()}
    measured = {kind: measure(labels, values) for kind, values in scores.items()}
    kept = better(measured)
    rival, words = _rival(prediction, training, session, dialect, store)
    number = store.keep(
        ModelVersion(
            prediction=prediction.name,
            model_file="",
            metrics={
                "test": {kind: dataclasses.asdict(metrics) for kind, metrics in measured.items()},
                "kept": kept,
                "verdict": verdict(labels, scores, measured),
                "champion_auc": rival,
            },
            parameters={"lightgbm": recipe.parameters(), "rounds": rounds, "seed": prediction.seed},
            features=training.inputs.to_json() | {"sql": dict(training.sql)},
            data=training.described(prediction.label.horizon),
            code_version=installed("headrace"),
        ),
        models[kept],
    )
    if rival is None or measured[kept].auc >= rival:
        store.promote(prediction.name, number, by="headrace")
    else:
        words = f"{words}; version {number} with {measured[kept].auc:.3f} stays a candidate"
    return TrainResult(store.version(prediction.name, number), words)


def _fit(prediction: Prediction, training: TrainingSet, recipe: Recipe) -> tuple[dict[Kind, Classifier], int]:
    """The models by kind, and the rounds that the trees took: counted on the last training cut-off."""
    split, columns = training.split, training.inputs.columns
    x, labels = training.at(split.train)
    rounds = recipe.settings.rounds
    if split.fit and recipe.settings.early_stopping_rounds:
        fit, stop = training.at(split.fit), training.at(split.stop)
        if _has_both(fit[1]) and _has_both(stop[1]):
            rounds = count_rounds(fit, stop, recipe)
    models: dict[Kind, Classifier] = {"lightgbm": fit_trees(x, labels, columns, recipe, rounds)}
    if prediction.baseline:
        models["logistic_regression"] = fit_logistic(x, labels, columns, recipe.seed)
    return models, rounds


def _has_both(labels: Numbers) -> bool:
    return bool(0 < labels.sum() < len(labels))


def _rival(
    prediction: Prediction, training: TrainingSet, session: Session, dialect: Dialect, store: ModelStore
) -> tuple[float | None, str]:
    """The champion's AUC on the same held-out cut-off, None where there is none to beat; and words on it."""
    champion = store.champion_or_none(prediction.name)
    if champion is None:
        return None, "the first version: it scores from now on"
    named = f"the champion, version {champion.version},"
    try:
        model, inputs = store.load(champion), Inputs.from_json(champion.features)
        with make_pairs(prediction, [training.split.test], session, dialect, labelled=True) as pairs:
            block = read_matrix(inputs, pairs, session, dialect)
    except (ScoringError, WarehouseError) as error:
        # It cannot score any more either: it is nothing to lose.
        return None, f"{named} can no longer be used ({error})"
    auc = measure(block.labels, model.predict(block.x)).auc
    return auc, f"{named} has AUC {auc:.3f} on the same cut-off"
