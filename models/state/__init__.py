"""The state: runs, journal, leases, audit trail, model versions and loads, in SQLite or PostgreSQL."""

from models.state.database import State, open_state

__all__ = ["State", "open_state"]
