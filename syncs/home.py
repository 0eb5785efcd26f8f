"""Where a sync's snapshot and plan live: in the warehouse, or in a DuckDB beside the state."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from connectors.warehouses import Dialect, Session, Warehouse
from connectors.warehouses.opening import open_warehouse

__all__ = ["Home", "open_home"]


@dataclass(frozen=True, slots=True)
class Home:
    """An open session for models and one for plans; the same one where the warehouse can be written to."""

    model_session: Session
    model_dialect: Dialect
    session: Session
    dialect: Dialect


@contextmanager
def open_home(warehouse: Warehouse, folder: Path, doing: str, *, lock: str | None = None) -> Iterator[Home]:
    """Open what planning and settling need. `folder` is the project's own, for a plan that must live beside.

    Who writes takes the sync's name as `lock`: a process that died may have left a statement to a server, and
    what that does must be over first.

    Raises:
        WarehouseError: it cannot be reached, or is held by another process for too long.
    """
    with warehouse.connect(doing) as session:
        if warehouse.writable:
            if lock is not None:
                session.lock(lock)
            yield Home(session, warehouse.dialect, session, warehouse.dialect)
            return
        beside = open_warehouse(f"duckdb:///{folder / 'plans.duckdb'}")
        with beside.connect(doing) as plans:
            yield Home(session, warehouse.dialect, plans, beside.dialect)
