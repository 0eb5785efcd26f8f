"""Ends a delivery that would go wrong row by row to its end."""

from __future__ import annotations

from connectors.errors import BatchRefused

__all__ = ["Breaker"]

_SINGLES_REFUSED = 50


class Breaker:
    """Counts what may be one systematic mistake rather than many bad rows.

    Args:
        unanswered_batches: so many batches left without an outcome end the delivery. They keep their places
            in the window of what may have been sent, and with all places taken nothing more can be.
    """

    def __init__(self, unanswered_batches: int) -> None:
        self._places = unanswered_batches
        self._accepted = False
        self._code: str | None = None
        self._refused = 0

    def accepted(self) -> None:
        """A row was accepted: what is refused from now on is refused for itself."""
        self._accepted = True

    def refused_alone(self, code: str, words: str) -> BatchRefused | None:
        """A row was refused standing alone; the error that ends the delivery where it is one too many."""
        self._refused = self._refused + 1 if code == self._code else 1
        self._code = code
        if self._accepted or self._refused < _SINGLES_REFUSED:
            return None
        return BatchRefused(
            f"the destination refused {self._refused} rows one by one with the code {code!r} and accepted "
            f"none, so the mistake is likely in the sync and not in its rows; the rest was not sent. "
            f"Its last words: {words}",
            code,
        )

    def unanswered(self) -> bool:
        """A batch stays without an outcome; whether no place is left."""
        self._places -= 1
        return self._places <= 0
