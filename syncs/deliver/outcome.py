"""What a delivery came to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from connectors.errors import DestinationError, HubError
from connectors.operation import Kind

__all__ = ["ConnectorDefect", "Delivery", "Interrupted", "Progress", "Reporter"]

_SECONDS_BETWEEN_REPORTS = 0.1


class Interrupted(HubError):
    """A person or the system asked the run to stop: what was not sent stays pending."""


class ConnectorDefect(DestinationError):
    """A connector broke the law of destinations: its code must be mended."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a delivery is: rows with a journalled outcome, those rejected among them, requests made."""

    done: int
    rejected: int
    requests: int


@dataclass(slots=True)
class Delivery:
    """What a delivery came to.

    `requests` counts every call of the destination, `retries` those that repeat an earlier one.
    `throttled_seconds` is the time on the clock in which the destination held at least one batch back.
    `accepted` and `rejected` count rows whose outcome is in the journal. `unfinished` are ranges [from, to)
    that may have been written and whose outcome is not known to be in the journal. `stopped_by` is what
    ended the delivery early, None where every slice was taken; what was not taken stays pending.
    """

    requests: int = 0
    retries: int = 0
    throttled_seconds: float = 0.0
    accepted: dict[Kind, int] = field(default_factory=lambda: dict.fromkeys(Kind, 0))
    rejected: int = 0
    unfinished: list[tuple[int, int]] = field(default_factory=list)
    stopped_by: BaseException | None = None


class Reporter:
    """Tells somebody how far a delivery is, some ten times a second at most and once at its end."""

    def __init__(
        self, delivery: Delivery, tell: Callable[[Progress], None] | None, monotonic: Callable[[], float]
    ) -> None:
        self._delivery = delivery
        self._tell = tell
        self._monotonic = monotonic
        self._next_at = 0.0

    def now(self, *, last: bool = False) -> None:
        """Tell, if it is time or the end."""
        if self._tell is None:
            return
        at = self._monotonic()
        if at < self._next_at and not last:
            return
        self._next_at = at + _SECONDS_BETWEEN_REPORTS
        delivery = self._delivery
        done = sum(delivery.accepted.values()) + delivery.rejected
        self._tell(Progress(done=done, rejected=delivery.rejected, requests=delivery.requests))
