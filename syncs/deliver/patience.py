"""How long a delivery goes on with a batch that the destination does not take."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tenacity import RetryCallState, wait_exponential, wait_random

from connectors.errors import OutcomeUnknown, Throttled, Unavailable

__all__ = ["Patience", "Spell"]


@dataclass(frozen=True, slots=True)
class Patience:
    """Bounds of retry.

    A batch is tried `attempts` times in all; the wait between two tries starts at `base_seconds`, doubles up
    to `max_seconds` and has jitter. A destination that asks for more than `longest_wait_seconds` ends the
    run. Being throttled is no failed attempt: it may last `throttled_seconds` without a single success.
    Batches under way when a stop is asked for have `grace_seconds` to finish.
    """

    attempts: int = 6
    base_seconds: float = 0.5
    max_seconds: float = 30.0
    longest_wait_seconds: float = 300.0
    throttled_seconds: float = 900.0
    grace_seconds: float = 30.0


class Spell:
    """One batch's row of failed tries: tenacity asks it whether, when and for how long to go on.

    Args:
        patience: the bounds.
        repeats_are_harmless: whether a batch without an answer may be sent again.
        monotonic: a clock in seconds.
        answered_at: when the destination last took a batch, by the same clock.
    """

    def __init__(
        self,
        patience: Patience,
        *,
        repeats_are_harmless: bool,
        monotonic: Callable[[], float],
        answered_at: Callable[[], float],
    ) -> None:
        self._patience = patience
        self._repeats_are_harmless = repeats_are_harmless
        self._monotonic = monotonic
        self._answered_at = answered_at
        self._began_at = monotonic()
        self._failures = 0
        self._jitter = wait_random(0, patience.base_seconds)
        grown = wait_exponential(multiplier=patience.base_seconds, max=patience.max_seconds)
        self._backoff = grown + self._jitter

    def worth_another_try(self, error: BaseException) -> bool:
        """Whether the same batch may fare better later."""
        if isinstance(error, OutcomeUnknown):
            return self._repeats_are_harmless
        return isinstance(error, Throttled | Unavailable)

    def wait(self, state: RetryCallState) -> float:
        """Seconds until the next try: the destination's own wish, or exponential backoff."""
        asked: float | None = getattr(_error(state), "retry_after_seconds", None)
        return self._backoff(state) if asked is None else asked + self._jitter(state)

    def stop(self, state: RetryCallState) -> bool:
        """Whether this was the last try."""
        error = _error(state)
        wait = state.upcoming_sleep
        if (getattr(error, "retry_after_seconds", None) or 0) > self._patience.longest_wait_seconds:
            return True
        if isinstance(error, Throttled):
            hopeless_since = max(self._began_at, self._answered_at())
            return self._monotonic() + wait - hopeless_since > self._patience.throttled_seconds
        self._failures += 1
        return self._failures >= self._patience.attempts


def _error(state: RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome else None
