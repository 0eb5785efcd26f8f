"""The conformance suite on the files destination, with each format."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson
import pyarrow.parquet as pq
import pytest

from connectors.destination import Destination, Target
from connectors.destinations.files import Files, FilesSettings
from connectors.testing import DestinationSuite
from connectors.values import on_wire


class FilesSuite(DestinationSuite):
    """What the formats share: the parts, read in the order of their runs' manifests, are the rows."""

    format: str

    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path
        self._runs = 0

    def destination(self, target: Target) -> Destination:
        """Writes into a folder of the test's own."""
        return Files(FilesSettings.model_validate({"path": str(self.folder), "format": self.format}), target)

    def written(self) -> Mapping[str, Mapping[str, Any]]:
        """What is left when each part's operations are applied in the order in which they were written."""
        held: dict[str, Mapping[str, Any]] = {}
        parts = self.folder.rglob(f"*.{self.format}")
        for part in sorted(parts, key=lambda path: path.stat().st_mtime_ns):
            for row in self.rows(part.read_bytes()):
                if row["_operation"] == "remove":
                    held.pop(row["email"], None)
                else:
                    held[row["email"]] = row
        return held

    def rows(self, content: bytes) -> Iterator[Mapping[str, Any]]:
        """The rows of a part."""
        raise NotImplementedError


class TestJsonLines(FilesSuite):
    """JSON lines."""

    format = "jsonl"

    def rows(self, content: bytes) -> Iterator[Mapping[str, Any]]:
        """One JSON object a line."""
        return map(orjson.loads, content.splitlines())


class TestParquet(FilesSuite):
    """Parquet."""

    format = "parquet"

    def rows(self, content: bytes) -> Iterator[Mapping[str, Any]]:
        """Typed rows."""
        yield from pq.read_table(io.BytesIO(content)).to_pylist()


class TestCsv(FilesSuite):
    """CSV."""

    format = "csv"

    def rows(self, content: bytes) -> Iterator[Mapping[str, Any]]:
        """Texts."""
        return csv.DictReader(io.StringIO(content.decode(), newline=""))

    def same(self, sent: Any, held: Any) -> bool:
        """In CSV every value is a text, and null is an empty one."""
        form = on_wire(sent)
        if isinstance(form, bool):
            return bool(held == str(form).lower())
        if isinstance(form, int | float):
            return float(held) == float(form)
        return bool(held == ("" if form is None else form))
