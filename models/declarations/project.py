"""headrace.yml: what holds for the whole project."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, SecretStr, StringConstraints

from connectors.strict import Strict
from models.declarations.guards import Guards

__all__ = ["Defaults", "DuckDbSettings", "LogSettings", "ProjectSettings"]

_A_CENTURY = 36_525


class Defaults(Strict):
    """What holds for every sync that says nothing else."""

    guards: Guards = Field(
        default_factory=Guards, description="Guards, each where a sync gives none of its own."
    )
    nulls: Literal["send", "omit"] | None = Field(
        default=None, description="Whether a null is sent or left out of the record."
    )
    retry_rejected: Literal["every_run", "on_change", "never"] | None = Field(
        default=None, description="When a rejected row is tried again."
    )


class LogSettings(Strict):
    """How long what happened is kept."""

    keep_rows_days: int = Field(
        default=30,
        ge=1,
        le=_A_CENTURY,
        description="Days that the row-level log (headrace.sync_log) is kept.",
    )
    keep_runs_days: int = Field(
        default=365, ge=1, le=_A_CENTURY, description="Days that the totals of runs are kept."
    )


class DuckDbSettings(Strict):
    """How much of the machine the embedded engine takes."""

    memory_limit: (
        Annotated[str, StringConstraints(pattern=r"^[0-9]{1,6}(\.[0-9]{1,3})? ?([KMGT]i?B)$")] | None
    ) = Field(
        default=None,
        description="Most memory that DuckDB takes, such as 2GB; its own default where left out.",
    )
    threads: int | None = Field(
        default=None, ge=1, le=1024, description="Threads that DuckDB runs; all by default."
    )


class ProjectSettings(Strict):
    """The settings of a project."""

    warehouse: SecretStr = Field(
        default=SecretStr("duckdb:///.headrace/warehouse.duckdb"),
        min_length=1,
        description="SQLAlchemy URL of the warehouse; relative DuckDB and SQLite paths start at the project.",
    )
    state: SecretStr = Field(
        default=SecretStr("sqlite:///.headrace/state.db"),
        min_length=1,
        description="SQLAlchemy URL of the state database, sqlite or postgresql.",
    )
    defaults: Defaults = Field(
        default_factory=Defaults, description="What holds for every sync that says nothing else."
    )
    log: LogSettings = Field(default_factory=LogSettings, description="How long what happened is kept.")
    duckdb: DuckDbSettings = Field(
        default_factory=DuckDbSettings, description="How much of the machine the embedded engine takes."
    )
