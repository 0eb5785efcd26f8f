"""The two classifiers: what they compute, and that their texts are all there is of them."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from models.declarations.prediction import LightGbm
from scoring.classification import Recipe, count_rounds, fit_logistic, fit_trees, read

RECIPE = Recipe(LightGbm(rounds=20, num_leaves=7), seed=7, threads=2)
COLUMNS = ["activity.count_7d", "activity.days_since_last", "activity.constant"]


def drawn(rows: int = 2_000) -> tuple[np.ndarray, np.ndarray]:
    """Inputs with missing values and a constant, and labels that depend on the first two."""
    generator = np.random.default_rng(5)
    x = generator.normal(size=(rows, 3)).astype(np.float32)
    labels = (x[:, 0] + x[:, 1] ** 2 + generator.normal(size=rows) > 1).astype(np.float64)
    x[generator.random((rows, 3)) < 0.1] = np.nan
    x[:, 2] = 4
    return x, labels


def test_the_baseline_equals_scikit_learns_pipeline() -> None:
    """Median imputation, standardisation and the default penalty give the same probabilities."""
    x, labels = drawn()
    pipeline = make_pipeline(
        SimpleImputer(strategy="median"), StandardScaler(), LogisticRegression(max_iter=5_000)
    )
    pipeline.fit(x.astype(np.float64), labels)
    expected = pipeline.predict_proba(x.astype(np.float64))[:, 1]
    assert fit_logistic(x, labels, COLUMNS, 7).predict(x) == pytest.approx(expected, abs=1e-4)


def test_a_model_read_from_its_text_scores_the_same() -> None:
    """Both kinds come back from text with equal scores, extremes and missing values included."""
    x, labels = drawn()
    odd = np.array([[np.nan] * 3, [3e38] * 3, [-3e38] * 3], dtype=np.float32)
    for model in (fit_logistic(x, labels, COLUMNS, 7), fit_trees(x, labels, COLUMNS, RECIPE, 20)):
        again = read(model.kind, model.text(), threads=1)
        assert np.array_equal(model.predict(x), again.predict(x))
        assert np.array_equal(model.predict(odd), again.predict(odd))
        assert np.all((model.predict(odd) >= 0) & (model.predict(odd) <= 1))


def test_the_same_rows_and_seed_give_the_same_text() -> None:
    """A model file is reproducible, byte for byte."""
    x, labels = drawn()
    assert (
        fit_trees(x, labels, COLUMNS, RECIPE, 20).text() == fit_trees(x, labels, COLUMNS, RECIPE, 20).text()
    )
    assert fit_logistic(x, labels, COLUMNS, 7).text() == fit_logistic(x, labels, COLUMNS, 7).text()


def test_rounds_stop_where_later_rows_gain_no_more() -> None:
    """With noise for labels hardly a round is worth it; with signal many are."""
    x, labels = drawn()
    recipe = Recipe(LightGbm(rounds=200, num_leaves=7, learning_rate=0.1, early_stopping_rounds=10), 7, 2)
    noise = np.random.default_rng(1).permutation(labels)
    assert count_rounds((x[:1_000], noise[:1_000]), (x[1_000:], noise[1_000:]), recipe) < 20
    assert 20 < count_rounds((x[:1_000], labels[:1_000]), (x[1_000:], labels[1_000:]), recipe) < 200


def test_heavy_libraries_are_imported_when_they_are_used() -> None:
    """Importing what the command line needs of scoring imports no library that is slow."""
    modules = "scoring.traits, scoring.training, scoring.predicting, scoring.report, scoring.registry"
    heavy = "{'lightgbm', 'sklearn', 'pandas', 'numpy', 'pyarrow', 'duckdb'}"
    code = f"import sys, {modules}; print(sorted({heavy} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
