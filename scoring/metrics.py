"""How good scores are on rows whose labels are known. Plain numpy, nothing heavier."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Numbers: TypeAlias = NDArray[np.float64]

__all__ = ["Metrics", "auc_difference", "measure"]

_BINS = 10


@dataclass(frozen=True, slots=True)
class Metrics:
    """Quality on one set of rows; `auc_error` is the standard error of `auc`.

    `ece` is the expected calibration error over 10 bins of equal width; `lift_top_decile` the share of
    positives in the tenth with the highest scores over their share in all rows (ties at its edge count in
    proportion).
    """

    n: int
    positives: int
    base_rate: float
    auc: float
    auc_error: float
    log_loss: float
    brier: float
    ece: float
    average_precision: float
    lift_top_decile: float


def measure(labels: Numbers, scores: Numbers) -> Metrics:
    """All metrics of scores in [0, 1] against labels 0 and 1, of which there must be both."""
    import numpy as np

    clipped = np.clip(scores, np.finfo(np.float64).eps, 1 - np.finfo(np.float64).eps)
    auc, above, below = _placements(labels, scores)
    return Metrics(
        n=len(labels),
        positives=int(labels.sum()),
        base_rate=float(labels.mean()),
        auc=auc,
        auc_error=_error(above, below),
        log_loss=float(-np.mean(np.where(labels == 1, np.log(clipped), np.log1p(-clipped)))),
        brier=float(np.mean((scores - labels) ** 2)),
        ece=_calibration_error(labels, scores),
        average_precision=_average_precision(labels, scores),
        lift_top_decile=_lift(labels, scores, share=0.1),
    )


def auc_difference(labels: Numbers, scores: Numbers, others: Numbers) -> tuple[float, float]:
    """AUC of `scores` less AUC of `others` on the same rows, and its standard error.

    The error is DeLong's (Biometrics 44, 1988) for correlated curves.
    """
    one, above, below = _placements(labels, scores)
    two, other_above, other_below = _placements(labels, others)
    return one - two, _error(above - other_above, below - other_below)


def _midranks(values: Numbers) -> Numbers:
    """Ranks from 1; tied values share the middle of theirs."""
    import numpy as np

    _, group, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts - 1) / 2)[group], dtype=np.float64)


def _placements(labels: Numbers, scores: Numbers) -> tuple[float, Numbers, Numbers]:
    """AUC; the share of negatives below each positive; the share of positives above each negative."""
    ranks = _midranks(scores)
    positive = labels == 1
    positives, negatives = int(positive.sum()), int((~positive).sum())
    above = (ranks[positive] - _midranks(scores[positive])) / negatives
    below = 1 - (ranks[~positive] - _midranks(scores[~positive])) / positives
    return float(above.mean()), above, below


def _error(above: Numbers, below: Numbers) -> float:
    variance = sum(float(part.var(ddof=1)) / len(part) for part in (above, below) if len(part) > 1)
    return float(variance**0.5)


def _calibration_error(labels: Numbers, scores: Numbers) -> float:
    import numpy as np

    bins = np.minimum((scores * _BINS).astype(np.int64), _BINS - 1)
    gaps = np.bincount(bins, weights=labels - scores, minlength=_BINS)
    return float(np.abs(gaps).sum() / len(labels))


def _average_precision(labels: Numbers, scores: Numbers) -> float:
    """The area under precision over recall as a step function, one step for each distinct score."""
    import numpy as np

    thresholds, group = np.unique(-scores, return_inverse=True)
    hits = np.cumsum(np.bincount(group, weights=labels, minlength=len(thresholds)))
    taken = np.cumsum(np.bincount(group, minlength=len(thresholds)))
    steps = np.diff(hits, prepend=0.0) / hits[-1]
    return float(np.sum(steps * hits / taken))


def _lift(labels: Numbers, scores: Numbers, share: float) -> float:
    import numpy as np

    top = max(1, round(len(labels) * share))
    edge = np.partition(scores, -top)[-top]
    above, tied = scores > edge, scores == edge
    in_ties = (top - int(above.sum())) * float(labels[tied].mean())
    return float((labels[above].sum() + in_ties) / top / labels.mean())
