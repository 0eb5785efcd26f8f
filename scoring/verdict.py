"""What the figures of one held-out cut-off say, in a sentence, with chance taken into account."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from scoring.metrics import Metrics, auc_difference

if TYPE_CHECKING:
    from scoring.classification import Kind
    from scoring.matrix import Numbers

__all__ = ["better", "verdict"]

_SURE = 1.96
"""Standard errors beyond which a difference is no chance, at 95 %."""
_CHANCE = 0.5
"""The AUC of scores that know nothing."""


def better(measured: Mapping[Kind, Metrics]) -> Kind:
    """Which model is kept: trees where their AUC is higher than the baseline's, else the baseline."""
    trees, baseline = measured["lightgbm"], measured.get("logistic_regression")
    return "lightgbm" if baseline is None or trees.auc > baseline.auc else "logistic_regression"


def verdict(labels: Numbers, scores: Mapping[Kind, Numbers], measured: Mapping[Kind, Metrics]) -> str:
    """Whether the better model tells positives from negatives at all, and whether it needed to be trees."""
    best = measured[better(measured)]
    if best.auc - _SURE * best.auc_error <= _CHANCE:
        return (
            f"no better than chance: AUC {best.auc:.3f} ± {_SURE * best.auc_error:.3f}, where chance has "
            f"{_CHANCE:.3f}; do not act on these scores"
        )
    trees, baseline = measured["lightgbm"], measured.get("logistic_regression")
    if baseline is None:
        return f"LightGBM has AUC {trees.auc:.3f}; there is no baseline to compare it with"
    ahead, error = auc_difference(labels, scores["lightgbm"], scores["logistic_regression"])
    against = f"AUC {trees.auc:.3f} against {baseline.auc:.3f}"
    if ahead <= 0:
        return f"the baseline is enough: LightGBM is not better ({against})"
    if ahead <= _SURE * error:
        chance = f"which may be chance (± {_SURE * error:.3f})"
        return f"LightGBM leads the baseline by {ahead:.3f} ({against}), {chance}"
    return f"LightGBM is better than the baseline by {ahead:.3f} ({against})"
