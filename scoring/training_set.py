"""A prediction's training set: inputs and labels of its population as of each cut-off, split in time."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from connectors.errors import ScoringError
from connectors.warehouses.base import Dialect, Session
from models.declarations.feature import Feature
from models.declarations.prediction import Prediction
from models.durations import duration_text
from scoring.binding import naive_utc
from scoring.cutoffs import Split, cutoffs_before, split_in_time
from scoring.features import feature_sql
from scoring.inputs import Inputs, choose_inputs
from scoring.matrix import Block, read_matrix
from scoring.pairs import make_pairs

if TYPE_CHECKING:
    from scoring.matrix import Matrix, Numbers

__all__ = ["TrainingSet", "read_training_set"]

_FEWEST = 20
"""Positives, and negatives, below which a model learns by heart instead of by example."""


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """Rows by cut-off, oldest first, and their split; `as_of` ends every label."""

    as_of: dt.datetime
    split: Split
    inputs: Inputs
    sql: Mapping[str, str]
    cutoffs: Mapping[dt.datetime, slice]
    x: Matrix
    labels: Numbers
    warnings: tuple[str, ...]

    def at(self, cutoffs: Sequence[dt.datetime]) -> tuple[Matrix, Numbers]:
        """Inputs and labels of the rows of some cut-offs."""
        import numpy as np

        rows = np.concatenate([np.r_[self.cutoffs.get(each, slice(0, 0))] for each in cutoffs])
        return self.x[rows], self.labels[rows]

    def described(self, horizon: dt.timedelta) -> dict[str, Any]:
        """What the registry keeps of it: its window, its counts, its fingerprint."""
        digest = hashlib.sha256(repr((self.inputs.columns, list(self.cutoffs))).encode())
        digest.update(self.x.tobytes())
        digest.update(self.labels.tobytes())
        return {
            "as_of": self.as_of.isoformat(),
            "horizon": duration_text(horizon),
            "test": self.split.test.isoformat(),
            "cutoffs": [
                {
                    "as_of": cutoff.isoformat(),
                    "rows": rows.stop - rows.start,
                    "positives": int(self.labels[rows].sum()),
                }
                for cutoff, rows in self.cutoffs.items()
            ],
            "dropped": [cutoff.isoformat() for cutoff in self.split.dropped],
            "rows": len(self.labels),
            "positives": int(self.labels.sum()),
            "fingerprint": digest.hexdigest(),
            "warnings": list(self.warnings),
        }


def read_training_set(
    prediction: Prediction,
    features: Mapping[str, Feature],
    session: Session,
    dialect: Dialect,
    as_of: dt.datetime,
) -> TrainingSet:
    """Compute the training set whose labels all end by `as_of`.

    Inputs that are null in every training row are left out, with a warning.

    Raises:
        ScoringError: nothing can be learnt or tested from what there is; the words say why.
    """
    as_of, horizon = naive_utc(as_of), prediction.label.horizon
    split = split_in_time(
        cutoffs_before(
            as_of, every=prediction.cutoffs.every, count=prediction.cutoffs.count, horizon=horizon
        ),
        horizon,
    )
    with make_pairs(prediction, [*split.train, split.test], session, dialect, labelled=True) as pairs:
        inputs = choose_inputs(prediction.features, features, pairs, session, dialect)
        sql = {feature.name: feature_sql(feature, pairs, dialect) for feature in inputs.features}
        counted = session.rows(f"SELECT as_of, count(*) FROM {pairs.relation} GROUP BY as_of ORDER BY as_of")
        block = read_matrix(inputs, pairs, session, dialect)
    starts = [0]
    for _, count in counted:
        starts.append(starts[-1] + count)
    cutoffs = {time: slice(starts[i], starts[i + 1]) for i, (time, _) in enumerate(counted)}
    whole = TrainingSet(as_of, split, inputs, sql, cutoffs, block.x, block.labels, _infinite(block))
    _refuse_what_teaches_nothing(prediction, whole)
    return _without_empty_columns(prediction, whole)


def _infinite(block: Block) -> tuple[str, ...]:
    return (f"{block.infinite} infinite values were taken as missing",) if block.infinite else ()


def _refuse_what_teaches_nothing(prediction: Prediction, training: TrainingSet) -> None:
    name, horizon = prediction.name, duration_text(prediction.label.horizon)
    for use, cutoffs in (("training", training.split.train), ("test", (training.split.test,))):
        labels = training.at(cutoffs)[1]
        times = " … ".join(dict.fromkeys(f"{time:%Y-%m-%d}" for time in (cutoffs[0], cutoffs[-1])))
        where = f"{name}: the {use} cut-offs ({times})"
        if not len(labels):
            raise ScoringError(
                f"{where} have an empty population: look at population, or at the time to train as of"
            )
        positives = int(labels.sum())
        negatives = len(labels) - positives
        if not positives or not negatives:
            which = "none" if not positives else "all"
            raise ScoringError(
                f"{where} have one class only: the label holds for {which} of {len(labels)} rows within "
                f"{horizon}; look at the label's SQL, and whether the data reaches to the end of its horizon"
            )
        if use == "training" and min(positives, negatives) < _FEWEST:
            raise ScoringError(
                f"{where} have {positives} positives and {negatives} negatives; at least {_FEWEST} of each "
                "are needed"
            )


def _without_empty_columns(prediction: Prediction, training: TrainingSet) -> TrainingSet:
    import numpy as np

    taught = training.at(training.split.train)[0]
    empty = np.isnan(taught).all(axis=0)
    if not empty.any():
        return training
    if empty.all():
        raise ScoringError(
            f"{prediction.name}: every input is null in every training row; look at the features"
        )
    columns = np.asarray(training.inputs.columns)
    left_out = f"left out, null in every training row: {', '.join(columns[empty])}"
    return dataclasses.replace(
        training,
        inputs=training.inputs.only(columns[~empty].tolist()),
        x=np.ascontiguousarray(training.x[:, ~empty]),
        warnings=(*training.warnings, left_out),
    )
