"""Our metrics against scikit-learn's, and the verdict's words."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from scoring.metrics import Metrics, auc_difference, measure
from scoring.verdict import better, verdict

# Scores on a coarse grid: ties, and the extremes 0 and 1, are common.
rows = st.lists(
    st.tuples(st.integers(0, 1), st.integers(0, 8).map(lambda eighths: eighths / 8)), min_size=2, max_size=60
).filter(lambda drawn: len({label for label, _ in drawn}) == 2)


@settings(max_examples=60, deadline=None)
@given(drawn=rows)
def test_metrics_equal_scikit_learns(drawn: list[tuple[int, float]]) -> None:
    """AUC, log loss, Brier score and average precision are scikit-learn's to rounding, ties included."""
    labels, scores = (np.array(column, dtype=np.float64) for column in zip(*drawn, strict=True))
    found = measure(labels, scores)
    assert found.auc == pytest.approx(sk.roc_auc_score(labels, scores))
    assert found.log_loss == pytest.approx(sk.log_loss(labels, scores), abs=1e-9)
    assert found.brier == pytest.approx(sk.brier_score_loss(labels, scores))
    assert found.average_precision == pytest.approx(sk.average_precision_score(labels, scores))
    assert found.base_rate == pytest.approx(labels.mean())
    assert (found.n, found.positives) == (len(labels), labels.sum())


def test_calibration_error_is_the_mean_gap_over_ten_bins() -> None:
    """Two bins of two rows, 0.2 and 0.1 off, are 0.15 off together."""
    labels = np.array([0.0, 0.0, 1.0, 1.0])
    scores = np.array([0.15, 0.25, 0.95, 0.85])
    assert measure(labels, np.array([0.2, 0.2, 0.9, 0.9])).ece == pytest.approx(0.15)
    assert measure(labels, scores).ece == pytest.approx((0.15 + 0.25 + 0.05 + 0.15) / 4)
    assert measure(labels, labels).ece == 0


def test_lift_shares_ties_at_the_edge_of_the_top_tenth() -> None:
    """Where all scores are equal nobody is lifted; where the best tenth is all positive, fully."""
    labels = np.array([1.0] * 10 + [0.0] * 90)
    assert measure(labels, np.full(100, 0.5)).lift_top_decile == pytest.approx(1.0)
    assert measure(labels, np.linspace(1, 0, 100)).lift_top_decile == pytest.approx(10.0)


def test_the_error_of_a_difference_is_what_repeated_sampling_shows() -> None:
    """DeLong's standard error agrees with the spread of the difference over many samples."""
    generator = np.random.default_rng(1)

    def sample() -> tuple[float, float]:
        truth = generator.normal(size=300)
        labels = (truth + generator.normal(size=300) > 0).astype(np.float64)
        return auc_difference(labels, truth, truth + generator.normal(size=300))

    differences, errors = zip(*(sample() for _ in range(200)), strict=True)
    assert np.mean(errors) == pytest.approx(np.std(differences), rel=0.2)


def judged(signal: float, more: float) -> tuple[str, dict[str, Metrics]]:
    """The verdict on a baseline with some signal and trees with some more."""
    generator = np.random.default_rng(3)
    labels = (np.arange(2_000) % 2).astype(np.float64)
    noise = generator.normal(size=(2, 2_000))
    scores = {
        "logistic_regression": 1 / (1 + np.exp(-(labels * signal + noise[0]))),
        "lightgbm": 1 / (1 + np.exp(-(labels * (signal + more) + noise[1]))),
    }
    measured = {kind: measure(labels, values) for kind, values in scores.items()}
    return verdict(labels, scores, measured), measured  # type: ignore[arg-type]  # keys are the two kinds


@pytest.mark.parametrize(
    ("signal", "more", "words", "kept"),
    [
        (1.0, 1.0, "LightGBM is better than the baseline by", "lightgbm"),
        (1.0, -0.5, "the baseline is enough", "logistic_regression"),
        (0.0, 0.0, "do not act on these scores", None),
    ],
)
def test_the_verdict_claims_only_what_is_no_chance(
    signal: float, more: float, words: str, kept: str | None
) -> None:
    """Trees are better only where they are, the baseline is enough where it is, and noise is called noise."""
    found, measured = judged(signal, more)
    assert words in found
    assert kept is None or better(measured) == kept  # type: ignore[arg-type]  # keys are the two kinds
