"""Warehouses: where models are evaluated, plans made and snapshots kept."""

from connectors.warehouses.base import Column, Dialect, Session, Warehouse
from connectors.warehouses.opening import open_warehouse

__all__ = ["Column", "Dialect", "Session", "Warehouse", "open_warehouse"]
