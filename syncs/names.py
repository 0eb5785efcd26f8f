"""The tables that a sync has in the warehouse's own `headrace` schema."""

from __future__ import annotations

from dataclasses import dataclass

from connectors.warehouses.base import HUB_SCHEMA

__all__ = ["LOG", "SNAPSHOTS", "Tables"]

SNAPSHOTS = f"{HUB_SCHEMA}.snapshots"
"""One row a sync: what its snapshot was made for, and the plan that is not settled yet."""

LOG = f"{HUB_SCHEMA}.sync_log"
"""One row for each row that a destination accepted or rejected."""


@dataclass(frozen=True, slots=True)
class Tables:
    """Qualified names; a sync's name is a plain identifier (see `models.naming`)."""

    sync: str

    @property
    def snapshot(self) -> str:
        """What the destination has accepted."""
        return self._of("snapshot")

    @property
    def plan(self) -> str:
        """The operations of the run under way, or of the one that is held."""
        return self._of("plan")

    @property
    def rejected(self) -> str:
        """The rows that the destination refused, with its words."""
        return self._of("rejected")

    @property
    def invalid(self) -> str:
        """The keys that cannot be sent: null, or there twice."""
        return self._of("invalid")

    @property
    def all(self) -> tuple[str, ...]:
        """Every table of the sync."""
        return (self.snapshot, self.plan, self.rejected, self.invalid)

    def _of(self, part: str) -> str:
        return f'{HUB_SCHEMA}."{part}_{self.sync.lower()}"'
