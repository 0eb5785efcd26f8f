"""From a warehouse's URL to the warehouse."""

from __future__ import annotations

import os
from pathlib import Path

from connectors.errors import ConfigError
from connectors.warehouses.base import Warehouse

__all__ = ["open_warehouse"]


def open_warehouse(
    url: str,
    *,
    memory_limit: str | None = None,
    threads: int | None = None,
    wait_seconds: float | None = None,
) -> Warehouse:
    """The warehouse behind a SQLAlchemy URL.

    `memory_limit` (such as `2GB`) and `threads` are DuckDB's; `wait_seconds` is how long to wait for another
    process that holds a DuckDB file (default: HEADRACE_WAREHOUSE_WAIT_SECONDS or 120).

    Raises:
        ConfigError: the URL is none, or its driver is not installed.
    """
    scheme, separator, rest = url.partition("://")
    if not separator:
        raise ConfigError("the warehouse is no URL; write for example duckdb:///.headrace/warehouse.duckdb")
    base = scheme.split("+")[0]
    if base == "duckdb":
        from connectors.warehouses.duckdb import DuckDBWarehouse

        path = rest.removeprefix("/").split("?")[0]
        if wait_seconds is None:
            wait_seconds = float(os.environ.get("HEADRACE_WAREHOUSE_WAIT_SECONDS", "120"))
        return DuckDBWarehouse(
            None if path in {"", ":memory:"} else Path(path),
            memory_limit=memory_limit,
            threads=threads,
            wait_seconds=wait_seconds,
        )
    if base in {"postgresql", "postgres"}:
        from connectors.warehouses.postgres import PostgresWarehouse

        return PostgresWarehouse(url.replace("postgres:", "postgresql:", 1))
    from connectors.warehouses.readonly import ReadOnlyWarehouse

    return ReadOnlyWarehouse(url)
