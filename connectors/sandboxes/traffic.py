"""What a sandbox remembers of its requests, no bodies and credentials, and how many it lets in."""

from __future__ import annotations

import datetime as dt
import math
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field

__all__ = ["RateLimit", "Request", "Traffic"]


@dataclass(slots=True)
class RateLimit:
    """So many requests in each second, counted in windows of one second.

    `clock` gives seconds that never run backwards.
    """

    requests_per_second: int
    clock: Callable[[], float] = time.monotonic
    _window: int = -1
    _used: int = 0

    def admit(self) -> tuple[bool, dict[str, str]]:
        """Whether one more request is let in, and the headers to tell the client how it stands.

        The headers are those of draft-ietf-httpapi-ratelimit-headers-07 in their three-field form, and
        `Retry-After` (RFC 9110) where the answer is no.
        """
        now = self.clock()
        if math.floor(now) != self._window:
            self._window, self._used = math.floor(now), 0
        admitted = self._used < self.requests_per_second
        self._used += admitted
        headers = {
            "RateLimit-Limit": str(self.requests_per_second),
            "RateLimit-Remaining": str(self.requests_per_second - self._used),
            "RateLimit-Reset": "1",
        }
        return admitted, headers if admitted else headers | {"Retry-After": "1"}


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it is remembered: `note` names a fault or a repeat."""

    at: dt.datetime
    method: str
    path: str
    status: int
    milliseconds: float
    note: str = ""


@dataclass(slots=True)
class Traffic:
    """Counts of all requests, and the last hundred of them."""

    total: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)
    last: deque[Request] = field(default_factory=lambda: deque(maxlen=100))

    def record(self, request: Request) -> None:
        """Count a request and remember it for a while."""
        self.total += 1
        self.statuses[str(request.status) if request.status else "no answer"] += 1
        if request.note:
            self.notes[request.note] += 1
        self.last.appendleft(request)
