"""predictions/*.yml: what is trained and scored, one table of the schema `predictions` each."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from connectors.strict import Names, Strict
from models.declarations.base import Declared, Query
from models.declarations.schedule import Schedule
from models.durations import Duration
from models.naming import Name

__all__ = ["Algorithm", "Cutoffs", "FeatureReference", "Label", "LightGbm", "Prediction", "Split"]

FeatureReference = Annotated[
    str,
    StringConstraints(max_length=320, pattern=r"^[A-Za-z][A-Za-z0-9_]{0,47}(\.(\*|[^.\x00-\x1f\x7f]+))?$"),
]
"""A feature file's name, `name.*` (the same), or one column of it: `name.column`."""


class Label(Strict):
    """What is to be foretold."""

    sql: Query = Field(
        description="One SELECT of the keys of those for whom it happened after :as_of and up to :until; "
        "all others count as not."
    )
    horizon: Duration = Field(description="How far ahead: :until is :as_of plus this, such as 90d.")


class Cutoffs(Strict):
    """The times as of which examples are made."""

    every: Duration = Field(description="Distance between two of them, such as 30d.")
    count: int = Field(
        ge=1, le=1_000, description="How many, counted back from the newest whose label is known."
    )


class Split(Strict):
    """Which examples test the trained model."""

    by: Literal["time"] = Field(
        default="time", description="By time: what is tested is later than what is learned."
    )
    test: Literal["last"] = Field(default="last", description="The last cutoff tests.")


class LightGbm(Strict):
    """Gradient boosted trees, as in https://lightgbm.readthedocs.io/en/stable/Parameters.html."""

    rounds: int = Field(
        default=300, ge=1, le=100_000, description="Most trees; early stopping may keep fewer."
    )
    learning_rate: float = Field(default=0.05, gt=0, le=1, description="How much each tree counts.")
    num_leaves: int = Field(default=31, ge=2, le=131_072, description="Most leaves of a tree.")
    max_depth: int = Field(
        default=-1, ge=-1, le=1_000, description="Greatest depth of a tree; -1 is no limit."
    )
    min_data_in_leaf: int = Field(default=20, ge=0, le=2**31 - 1, description="Fewest examples in a leaf.")
    feature_fraction: float = Field(
        default=1.0, gt=0, le=1, description="Part of the features that a tree sees."
    )
    bagging_fraction: float = Field(
        default=1.0, gt=0, le=1, description="Part of the examples that a tree sees."
    )
    bagging_freq: int = Field(
        default=0, ge=0, le=100_000, description="Trees between two draws of examples; 0 is none."
    )
    lambda_l1: float = Field(default=0.0, ge=0, le=1e9, description="L1 regularisation.")
    lambda_l2: float = Field(default=0.0, ge=0, le=1e9, description="L2 regularisation.")
    early_stopping_rounds: int = Field(
        default=30, ge=0, le=100_000, description="Stop after this many trees without a gain; 0 is never."
    )


class Algorithm(Strict):
    """What learns."""

    lightgbm: LightGbm = Field(
        default_factory=LightGbm, description="Gradient boosted trees and their settings."
    )


class Prediction(Declared):
    """A trained model's output for each entity."""

    type: Literal["classification"] = Field(
        description="classification: how likely it is that something happens."
    )
    entity: Name = Field(description="What is scored, such as customer.")
    key: Names = Field(description="Column or columns that identify the entity.")
    population: Query = Field(description="One SELECT of the keys of those who are scored as of :as_of.")
    features: tuple[FeatureReference, ...] = Field(
        min_length=1,
        description="Names under features/; `name.column` takes one column, `name.*` or `name` all.",
    )
    label: Label = Field(description="What is to be foretold.")
    cutoffs: Cutoffs = Field(description="The times as of which examples are made.")
    split: Split = Field(default_factory=Split, description="Which examples test the trained model.")
    baseline: Literal["logistic_regression"] | None = Field(
        default="logistic_regression", description="What the model is compared with."
    )
    algorithm: Algorithm = Field(default_factory=Algorithm, description="What learns.")
    seed: int = Field(default=1, ge=0, le=2**31 - 1, description="Seed of everything random.")
    schedule: Schedule | None = Field(
        default=None, description="When it is scored by itself; by hand where left out."
    )
