"""What a run came to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from connectors.operation import Kind

__all__ = ["Result"]

DONE, FAILED, REJECTED, HELD = 0, 1, 3, 4


@dataclass(slots=True)
class Result:
    """A run's totals; rows, requests and seconds.

    `rejected` are rows refused in this run, `kept_back` rows refused earlier and not tried again, `invalid`
    rows without a key of their own, `pending` planned rows without an outcome. `baseline` are rows taken as
    delivered without being sent.
    """

    run_id: str
    sync: str
    status: str = "done"
    planned: dict[Kind, int] = field(default_factory=lambda: dict.fromkeys(Kind, 0))
    delivered: dict[Kind, int] = field(default_factory=lambda: dict.fromkeys(Kind, 0))
    rejected: int = 0
    kept_back: int = 0
    invalid: int = 0
    pending: int = 0
    baseline: int = 0
    requests: int = 0
    retries: int = 0
    throttled_seconds: float = 0.0
    seconds: dict[str, float] = field(default_factory=lambda: {"plan": 0.0, "deliver": 0.0, "settle": 0.0})
    recovered: str | None = None
    held_by: list[str] = field(default_factory=list)
    error: str | None = None

    @property
    def exit_code(self) -> int:
        """0 only where every row that should have arrived has."""
        if self.status == "held":
            return HELD
        if self.status != "done" or self.pending:
            return FAILED
        return REJECTED if self.rejected or self.kept_back or self.invalid else DONE

    def to_json(self) -> dict[str, Any]:
        """The document that `--json` prints."""
        parts = {name: getattr(self, name) for name in self.__slots__}
        for name in ("planned", "delivered"):
            parts[name] = {kind.value: count for kind, count in parts[name].items()}
        return {
            **parts,
            "throttled_seconds": round(self.throttled_seconds, 3),
            "seconds": {phase: round(seconds, 3) for phase, seconds in self.seconds.items()},
        }
