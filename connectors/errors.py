"""Every error that headrace raises on purpose, named for what happens next.

HubError
├── ConfigError         a person edits a file
├── WarehouseError      the run fails
│   └── WarehouseBusy   another process holds the embedded warehouse
├── SourceError         an ingest fails; what was loaded before it stays
├── StateError
│   ├── AlreadyRunning  another process runs this sync
│   ├── LeaseLost       this process was paused for so long that another took over: it stops
│   └── SnapshotMoved   an approved plan no longer fits what the destination has accepted
├── ScoringError
│   └── NotTrained      a prediction is asked for before it was trained
└── DestinationError    about a whole batch; what concerns one row is returned as a `Rejection`
    ├── Unauthorized    stop; a person renews a credential; all else stays pending
    ├── Throttled       wait `retry_after_seconds`, lower the pace
    ├── Unavailable     back off and retry; a circuit breaker ends the run with the rest pending
    ├── BatchRefused    nothing of it was written: halve until the bad row stands alone
    └── OutcomeUnknown  sent, no answer: it may have been written
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "AlreadyRunning",
    "BatchRefused",
    "ConfigError",
    "DestinationError",
    "HubError",
    "LeaseLost",
    "NotTrained",
    "OutcomeUnknown",
    "Problem",
    "ScoringError",
    "SnapshotMoved",
    "SourceError",
    "StateError",
    "Throttled",
    "Unauthorized",
    "Unavailable",
    "WarehouseBusy",
    "WarehouseError",
]


class HubError(Exception):
    """Base of every error that is told to a person in one or a few lines, without a traceback."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in a project, with its place.

    `file` is relative to the project folder; `line` and `column` start at 1; `key` is a dotted path.
    """

    message: str
    file: str | None = None
    line: int | None = None
    column: int | None = None
    key: str | None = None

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.line, self.column) if part is not None)
        return ": ".join(part for part in (place, self.key, self.message) if part)


class ConfigError(HubError):
    """A person edits a file. Carries every problem found, not only the first."""

    def __init__(self, *problems: Problem | str) -> None:
        self.problems = tuple(p if isinstance(p, Problem) else Problem(p) for p in problems)
        super().__init__("\n".join(str(p) for p in self.problems))


class WarehouseError(HubError):
    """The warehouse refused a statement or cannot be reached; the run fails."""


class WarehouseBusy(WarehouseError):
    """The embedded warehouse stayed in another process's hands for longer than we wait."""


class SourceError(HubError):
    """An ingest failed; what was loaded before it stays."""


class StateError(HubError):
    """The state database says no."""


class AlreadyRunning(StateError):
    """Another process runs this sync."""


class LeaseLost(StateError):
    """This process's lease ended and another took over: it must write nothing more."""


class SnapshotMoved(StateError):
    """A held plan was made against a snapshot that has changed since."""


class ScoringError(HubError):
    """Training or scoring cannot go on."""


class NotTrained(ScoringError):
    """A prediction has no model version yet."""


class DestinationError(HubError):
    """Raised about a whole batch by a destination."""


class Unauthorized(DestinationError):
    """The credential was refused: the run stops, everything else stays pending."""


class Throttled(DestinationError):
    """Too fast. `retry_after_seconds` is the destination's own wish, where it gave one."""

    def __init__(self, message: str, retry_after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class Unavailable(DestinationError):
    """The destination is down or failing: back off and retry. Nothing is known to be written."""

    def __init__(self, message: str, retry_after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class BatchRefused(DestinationError):
    """Nothing of the batch was written, for its content: it is halved until the bad row stands alone."""

    def __init__(self, message: str, code: str = "refused") -> None:
        super().__init__(message)
        self.code = code


class OutcomeUnknown(DestinationError):
    """The batch was sent and no answer came back: it may have been written."""
