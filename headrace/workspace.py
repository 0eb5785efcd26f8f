"""The project that a command works on, with its state and its warehouse."""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from connectors.warehouses import Warehouse
    from models.project import Project
    from models.state import State

__all__ = ["actor", "open_project", "project_folder", "warehouse_of", "writable_warehouse_of"]

_SETTINGS = "headrace.yml"
_DEMO = Path("sync_configs")


def project_folder(given: Path | None) -> Path:
    """The folder that was asked for, else the current one where it is a project, else `./sync_configs`."""
    if given is not None:
        return given
    here = Path()
    return here if (here / _SETTINGS).is_file() or not (_DEMO / _SETTINGS).is_file() else _DEMO


@contextmanager
def open_project(given: Path | None, only: tuple[str, ...] | None = None) -> Iterator[tuple[Project, State]]:
    """A loaded project and its open state; `only` loads just some declarations and what they need.

    Raises:
        ConfigError: everything that is wrong in the project.
        StateError: the state cannot be opened.
    """
    from models.loading import load_project
    from models.state import open_state

    project = load_project(project_folder(given), only)
    with open_state(project.state_url, project.root) as state:
        yield project, state


def warehouse_of(project: Project, wait_seconds: float | None = None) -> Warehouse:
    """The project's warehouse, not connected yet.

    Raises:
        ConfigError: its URL is none, or a driver is not installed.
    """
    from connectors.warehouses import open_warehouse

    embedded = project.settings.duckdb
    return open_warehouse(
        project.warehouse_url,
        memory_limit=embedded.memory_limit,
        threads=embedded.threads,
        wait_seconds=wait_seconds,
    )


def writable_warehouse_of(project: Project) -> Warehouse:
    """The project's warehouse, for what makes tables in it.

    Raises:
        ConfigError: it can only be read.
    """
    from connectors.errors import ConfigError

    warehouse = warehouse_of(project)
    if not warehouse.writable:
        words = "this warehouse can only be read; traits and predictions need DuckDB or PostgreSQL"
        raise ConfigError(project.problem("", "headrace", ("warehouse",), words))
    return warehouse


def actor() -> str:
    """Who is at work, for the audit trail."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user without an entry in the system's list, as in some containers
        return "unknown"
