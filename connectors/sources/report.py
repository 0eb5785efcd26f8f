"""What an ingest tells while it runs and when it is done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

__all__ = ["IngestProgress", "IngestResult", "Step", "TableLoad"]

Step = Literal["read", "load", "done"]


@dataclass(frozen=True, slots=True)
class IngestProgress:
    """Where one table stands: rows read so far, rows kept back so far."""

    source: str
    table: str
    step: Step
    rows: int = 0
    rejected: int = 0


@dataclass(frozen=True, slots=True)
class TableLoad:
    """What one table received.

    `rows` were handed to the warehouse, `rejected` were kept back in `_rejected_rows`. `files` were read,
    `matched` is how many files the pattern finds in all (None where the source has no files).
    """

    rows: int = 0
    rejected: int = 0
    new_files: int = 0
    matched: int | None = None
    columns_added: tuple[str, ...] = ()
    left_out: bool = False


@dataclass(frozen=True, slots=True)
class IngestResult:
    """What an ingest brought: the dataset (schema of the warehouse) and its tables by their names there."""

    source: str
    dataset: str
    tables: Mapping[str, TableLoad]
    load_ids: tuple[str, ...]
    seconds: float

    @property
    def rejected(self) -> int:
        """Rows kept back, over all tables."""
        return sum(load.rejected for load in self.tables.values())
