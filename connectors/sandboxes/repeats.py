"""Answers kept by idempotency key, so that a request sent again is not done again."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

__all__ = ["Kept", "Repeats"]

_KEYS_KEPT = 10_000


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer, and the digest of the request that it answered."""

    digest: bytes
    status: int
    text: str


class Repeats:
    """The latest ten thousand answers by key."""

    def __init__(self) -> None:
        self._answers: OrderedDict[str, Kept] = OrderedDict()

    def get(self, key: str) -> Kept | None:
        """The answer that a key got before."""
        return self._answers.get(key)

    def keep(self, key: str, answer: Kept) -> None:
        """Keep an answer; the oldest one goes where there are too many."""
        self._answers[key] = answer
        if len(self._answers) > _KEYS_KEPT:
            self._answers.popitem(last=False)
