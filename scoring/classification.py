"""Two classifiers, kept as text: boosted trees in LightGBM's own format, logistic regression as JSON.

A kept model is read as data; nothing is ever unpickled.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

import orjson

if TYPE_CHECKING:
    from collections.abc import Sequence

    import lightgbm

    from models.declarations.prediction import LightGbm
    from scoring.matrix import Matrix, Numbers

    Parameters: TypeAlias = Numbers | Sequence[float]

__all__ = [
    "Classifier",
    "Kind",
    "LogisticRegression",
    "Recipe",
    "Trees",
    "count_rounds",
    "fit_logistic",
    "fit_trees",
    "read",
]

Kind = Literal["lightgbm", "logistic_regression"]

_FURTHEST = 10.0
"""Standard deviations from the mean at which the baseline takes a value for that far and no farther."""


class Classifier(Protocol):
    """Something that scores."""

    @property
    def kind(self) -> Kind:
        """What made it."""
        ...

    def predict(self, x: Matrix) -> Numbers:
        """The probability of each row of (rows, columns)."""
        ...

    def text(self) -> str:
        """The model as it is kept, to be read by `read`."""
        ...


@dataclass(frozen=True, slots=True)
class LogisticRegression:
    """The baseline: medians for what is missing, standardised inputs, one coefficient each."""

    columns: tuple[str, ...]
    medians: tuple[float, ...]
    means: tuple[float, ...]
    scales: tuple[float, ...]
    coefficients: tuple[float, ...]
    intercept: float
    kind: Kind = "logistic_regression"

    def predict(self, x: Matrix) -> Numbers:
        """The probability of each row."""
        import numpy as np

        inputs = _standardised(x, self.medians, self.means, self.scales)
        linear = inputs @ np.asarray(self.coefficients) + self.intercept
        return np.asarray(0.5 * (1 + np.tanh(linear / 2)))  # the logistic function, without its overflow

    def text(self) -> str:
        """JSON of the fields."""
        return orjson.dumps(asdict(self), option=orjson.OPT_INDENT_2).decode() + "\n"


class Trees:
    """LightGBM's booster."""

    kind: Kind = "lightgbm"

    def __init__(self, booster: lightgbm.Booster, threads: int) -> None:
        self._booster = booster
        self._threads = threads

    def predict(self, x: Matrix) -> Numbers:
        """The probability of each row."""
        import numpy as np

        return np.asarray(self._booster.predict(x, num_threads=self._threads), dtype=np.float64)

    def text(self) -> str:
        """LightGBM's text format."""
        return str(self._booster.model_to_string())


def read(kind: Kind, text: str, threads: int) -> Classifier:
    """A kept model."""
    if kind == "logistic_regression":
        kept: dict[str, Any] = orjson.loads(text)
        fields: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in kept.items()}
        return LogisticRegression(**fields)
    import lightgbm

    return Trees(lightgbm.Booster(model_str=text), threads)


def fit_logistic(x: Matrix, labels: Numbers, columns: Sequence[str], seed: int) -> LogisticRegression:
    """Fit the baseline: scikit-learn's with its default penalty, on standardised inputs."""
    import numpy as np
    from sklearn.linear_model import LogisticRegression as Fitted

    medians = np.nanmedian(x, axis=0).astype(np.float64)
    filled = np.where(np.isnan(x), medians, x)
    means = filled.mean(axis=0)
    spread = filled.std(axis=0)
    scales = np.where(spread > 0, spread, 1.0)
    fitted = Fitted(max_iter=5_000, random_state=seed)
    fitted.fit(_standardised(x, medians, means, scales), labels)
    return LogisticRegression(
        columns=tuple(columns),
        medians=tuple(medians.tolist()),
        means=tuple(means.tolist()),
        scales=tuple(scales.tolist()),
        coefficients=tuple(fitted.coef_[0].tolist()),
        intercept=float(fitted.intercept_[0]),
    )


def _standardised(x: Matrix, medians: Parameters, means: Parameters, scales: Parameters) -> Numbers:
    import numpy as np

    filled = np.where(np.isnan(x), np.asarray(medians), x)
    return np.asarray(np.clip((filled - np.asarray(means)) / np.asarray(scales), -_FURTHEST, _FURTHEST))


@dataclass(frozen=True, slots=True)
class Recipe:
    """How trees are grown: what is declared, the seed, and the threads to use."""

    settings: LightGbm
    seed: int
    threads: int

    def parameters(self) -> dict[str, Any]:
        """LightGBM's parameters, with every source of chance tied to the seed."""
        declared = self.settings.model_dump(exclude={"rounds", "early_stopping_rounds"})
        return declared | {
            "objective": "binary",
            "metric": "binary_logloss",
            "seed": self.seed,
            "deterministic": True,
            "force_row_wise": True,
            "num_threads": self.threads,
            "verbosity": -1,
        }


def fit_trees(x: Matrix, labels: Numbers, columns: Sequence[str], recipe: Recipe, rounds: int) -> Trees:
    """Grow boosted trees; the same rows and recipe give the same text, byte for byte."""
    import lightgbm

    data = lightgbm.Dataset(x, labels, feature_name=list(columns))
    return Trees(lightgbm.train(recipe.parameters(), data, num_boost_round=rounds), recipe.threads)


def count_rounds(fit: tuple[Matrix, Numbers], stop: tuple[Matrix, Numbers], recipe: Recipe) -> int:
    """After how many rounds trees grown on `fit` are best on `stop`, which is later (log loss)."""
    import lightgbm

    patience = recipe.settings.early_stopping_rounds
    data = lightgbm.Dataset(*fit)
    booster = lightgbm.train(
        recipe.parameters(),
        data,
        num_boost_round=recipe.settings.rounds,
        valid_sets=[lightgbm.Dataset(*stop, reference=data)],
        callbacks=[lightgbm.early_stopping(patience, verbose=False)],
    )
    return max(1, booster.best_iteration)
