"""Deliver: slices of a plan go to a destination in order, and every outcome goes into the journal."""

from syncs.deliver.lane import Lane, lane_for
from syncs.deliver.outcome import ConnectorDefect, Delivery, Interrupted, Progress
from syncs.deliver.patience import Patience
from syncs.deliver.slice import Slice
from syncs.deliver.words import masked
from syncs.deliver.workers import deliver

__all__ = [
    "ConnectorDefect",
    "Delivery",
    "Interrupted",
    "Lane",
    "Patience",
    "Progress",
    "Slice",
    "deliver",
    "lane_for",
    "masked",
]
