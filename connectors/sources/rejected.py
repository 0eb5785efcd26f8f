"""Rows that were kept back: one table `_rejected_rows` per dataset, loaded in the same package as the rows.

While a table is read they wait in a file, so that memory does not grow with them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Self

import orjson

from connectors.sources.convert import json_text

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["REJECTED_TABLE", "RejectedRows"]

REJECTED_TABLE = "_rejected_rows"
"""Columns: table_name, reason, row (JSON text), origin (file and line, where known), rejected_at."""

_ROWS_A_BATCH = 10_000
_LONGEST_ROW = 1_000_000


class RejectedRows:
    """The rows of one table that were kept back, counted, in a file that is removed at the end."""

    def __init__(self, table: str, folder: Path) -> None:
        self.table = table
        self.count = 0
        self._path = folder / f"{table}.rejected.jsonl"
        self._file: IO[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()
        self._path.unlink(missing_ok=True)

    def add(self, row: Any, reason: str, origin: str | None = None) -> None:
        """Keep a row (a mapping, or the text of a line that could not be read) with the reason."""
        if self._file is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("wb")
        text = json_text(row)
        kept = text if len(text) <= _LONGEST_ROW else json_text(text[:_LONGEST_ROW])
        self._file.write(orjson.dumps({"reason": reason, "row": kept, "origin": origin}) + b"\n")
        self.count += 1

    def batches(self) -> Iterator[pa.Table]:
        """All of them as Arrow tables, once reading is done."""
        if self._file is None:
            return
        self._file.flush()
        with self._path.open("rb") as lines:
            part: list[dict[str, Any]] = []
            for line in lines:
                part.append(orjson.loads(line))
                if len(part) == _ROWS_A_BATCH:
                    yield self._arrow(part)
                    part = []
            if part:
                yield self._arrow(part)

    def _arrow(self, rows: list[dict[str, Any]]) -> pa.Table:
        import pyarrow as pa

        now = dt.datetime.now(dt.UTC)
        texts = {
            name: pa.array([row[name] for row in rows], pa.string()) for name in ("reason", "row", "origin")
        }
        return pa.table(
            {
                "table_name": pa.array([self.table] * len(rows), pa.string()),
                **texts,
                "rejected_at": pa.array([now] * len(rows), pa.timestamp("us", "UTC")),
            }
        )
