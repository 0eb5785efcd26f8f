"""At which times a training set looks at its entities, and which of them may teach and which must test.

A cut-off is a moment: features look back from it, the label forward over its horizon. Cut-offs are counted
back from the last moment whose label is complete. The last one tests. So that nothing of what it tests is
learnt, a training cut-off whose label reaches beyond the test's cut-off is left out; the same holds between
the cut-offs that train and the one that stops the training early.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from connectors.errors import ScoringError

__all__ = ["Split", "complete_before", "cutoffs_before", "split_in_time"]


@dataclass(frozen=True, slots=True)
class Split:
    """Cut-offs by their use, oldest first.

    `fit` and `stop` are parts of `train`: rounds are counted on `stop` after training on `fit`; both are
    empty where there is too little history for that. `dropped` are those whose label overlaps the test.
    """

    test: dt.datetime
    train: tuple[dt.datetime, ...]
    dropped: tuple[dt.datetime, ...]
    fit: tuple[dt.datetime, ...] = ()
    stop: tuple[dt.datetime, ...] = ()


def cutoffs_before(
    as_of: dt.datetime, *, every: dt.timedelta, count: int, horizon: dt.timedelta
) -> list[dt.datetime]:
    """`count` cut-offs, oldest first, the last one a horizon before `as_of`: every label ends by then."""
    return [as_of - horizon - step * every for step in reversed(range(count))]


def complete_before(
    cutoffs: Sequence[dt.datetime], moment: dt.datetime, horizon: dt.timedelta
) -> list[dt.datetime]:
    """The cut-offs whose label ends at a moment or before it."""
    return [cutoff for cutoff in cutoffs if cutoff + horizon <= moment]


def split_in_time(cutoffs: Sequence[dt.datetime], horizon: dt.timedelta) -> Split:
    """The last cut-off tests, the earlier ones that do not overlap it train.

    Raises:
        ScoringError: no training cut-off is left.
    """
    *earlier, test = sorted(cutoffs)
    train = complete_before(earlier, test, horizon)
    if not train:
        raise ScoringError(
            f"none of {len(earlier)} earlier cut-offs has a label that ends before the test's cut-off "
            f"({test:%Y-%m-%d}): raise cutoffs.count so that they reach back more than the label's horizon "
            f"of {horizon.days} days"
        )
    stop = train[-1]
    fit = complete_before(train, stop, horizon)
    dropped = tuple(cutoff for cutoff in earlier if cutoff not in train)
    return Split(test, tuple(train), dropped, tuple(fit), (stop,) if fit else ())
