"""The files destination: each batch becomes one part, written aside and then named; nobody sees half of one.

A part's name comes from the run, the batch's first row and its idempotency key: a batch that is sent again
takes the place of its own part. What a run wrote is listed in `<run>.manifest.json`, put there when the run
ends and anything was written.

Parts hold the record's fields; a nested one is JSON in a column of its own. Outside of the modes append and
replace `_operation` (add, change, remove) stands first, then the identity; a removal has nothing else.

Replace: the parts of a set lie under `<sync>.sets/<run>/`. They become the visible set in the moment in which
`<sync>.current.json` is put in its place, which lists them; so read the list, then the files in it. The set
before stays until the next one is finished, for readers who have just read the old list.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, Self
from urllib.parse import quote

import orjson
from pydantic import Field, SecretStr, ValidationInfo, field_validator, model_validator

from connectors.batch import Batch
from connectors.destination import Destination, DestinationSettings, Limits
from connectors.destinations.file_formats import COMPRESSIONS, Format, encode
from connectors.destinations.file_store import FileStore
from connectors.errors import ConfigError
from connectors.operation import Mode, Operation, Rejection

__all__ = ["Files", "FilesSettings"]

_OPERATION = "_operation"
_PLACEHOLDERS = ("sync", "run", "date", "part", "object")


class FilesSettings(DestinationSettings):
    """Where files go, what they are called and what is in them."""

    path: str = Field(
        min_length=1,
        description="A folder: a path, relative to the project folder, or an fsspec URL such as s3://bucket/folder.",
    )
    format: Format = Field(description="csv, jsonl or parquet.")
    file_name: str = Field(
        default="{sync}/{run}/{part}",
        description="Template of names, without the ending: {sync}, {run}, {part}, {object} and {date} "
        "(of the run, in UTC). {run} and {part} must be in it.",
    )
    compression: Literal["none", "gzip", "zstd", "snappy"] = Field(
        default="none", description="gzip for csv and jsonl; gzip, zstd or snappy for parquet."
    )
    escape_formulas: bool = Field(
        default=False,
        description="In CSV, put ' before a text that a spreadsheet would run as a formula (= + - @).",
    )
    storage_options: dict[str, SecretStr] = Field(
        default_factory=dict,
        description="Options of the fsspec file system, such as key, secret, endpoint_url.",
    )

    @field_validator("path")
    @classmethod
    def _from_the_project(cls, path: str, info: ValidationInfo) -> str:
        root = (info.context or {}).get("project_root")
        return str(Path(root) / path) if root and "://" not in path else path

    @field_validator("file_name")
    @classmethod
    def _names_each_part(cls, name: str) -> str:
        try:
            name.format(**dict.fromkeys(_PLACEHOLDERS, "x"))
        except (KeyError, IndexError, ValueError, AttributeError):
            raise ValueError(
                f"takes {', '.join(f'{{{p}}}' for p in _PLACEHOLDERS)} and no other braces"
            ) from None
        if "{part}" not in name or "{run}" not in name:
            raise ValueError("needs {run} and {part}: files of another run or batch would be written over")
        if name.startswith("/") or {"..", "."} & set(name.split("/")):
            raise ValueError("is a path below `path`, without . or ..")
        return name

    @model_validator(mode="after")
    def _compression_fits(self) -> Self:
        fitting = COMPRESSIONS[self.format]
        if self.compression not in fitting:
            raise ValueError(f"{self.format} takes the compressions {', '.join(fitting)}")
        return self

    @property
    def ending(self) -> str:
        """How the names of parts end."""
        return (
            f".{self.format}.gz"
            if self.format != "parquet" and self.compression == "gzip"
            else f".{self.format}"
        )


class Files(Destination):
    """Writes rows as CSV, JSON lines or Parquet, to a folder or an object store."""

    Settings: ClassVar[type[DestinationSettings]] = FilesSettings
    limits = Limits(batch_size=10_000, concurrency=2)
    modes = frozenset(Mode)
    removals = frozenset({"delete", "clear", "archive"})

    settings: FilesSettings

    async def start(self) -> None:
        """Open the file system and settle the names and columns of this run."""
        target = self.target
        self._started = dt.datetime.now(dt.UTC)
        self._parts: dict[str, dict[str, Any]] = {}
        self._store = self._opened()
        own = list(dict.fromkeys(field.partition(".")[0] for field in target.fields))
        self._columns = own if self._holds_records_alone else self._with_identity(own)
        self._types = {name: target.types.get(name, "text") for name in self._columns}
        self._types |= {field.partition(".")[0]: "json" for field in target.fields if "." in field}

    async def check(self) -> None:
        """See that the folder is there, or can be made, and takes files; nothing is written."""
        await asyncio.to_thread(self._opened().check)

    async def write(self, batch: Sequence[Operation]) -> list[Rejection]:
        """Write the rows as one part."""
        if len(batch):
            await asyncio.to_thread(self._write, batch)
        return []

    async def begin_replace(self) -> None:
        """Remove what unfinished sets left behind."""
        await asyncio.to_thread(self._discard_unfinished)

    async def finish_replace(self) -> None:
        """Point the list of the current set to this run's parts."""
        await asyncio.to_thread(self._publish)

    async def close(self) -> None:
        """Write the run's manifest, where anything was written."""
        if not hasattr(self, "_store"):
            return
        if self._parts and self.target.mode is not Mode.REPLACE:
            name = f"{_safe(self.target.run_id)}.manifest.json"
            await asyncio.to_thread(self._store.put, name, _document(self._manifest()))
        del self._store

    # --- Names and columns

    def _opened(self) -> FileStore:
        options = {name: value.get_secret_value() for name, value in self.settings.storage_options.items()}
        return FileStore(self.settings.path, options)

    @property
    def _holds_records_alone(self) -> bool:
        return self.target.mode in {Mode.APPEND, Mode.REPLACE}

    def _with_identity(self, own: list[str]) -> list[str]:
        if _OPERATION in own:
            raise ConfigError(
                f"a field cannot be called {_OPERATION}: files say with it what happened to a row"
            )
        identity = self.target.match_on or self.target.primary_key
        return list(dict.fromkeys([_OPERATION, *identity, *own]))

    def _name(self, batch: Batch) -> str:
        target = self.target
        name = self.settings.file_name.format(
            sync=_safe(target.sync),
            run=_safe(target.run_id),
            date=self._started.date().isoformat(),
            part=f"{batch[0].seq:010d}-{_safe(batch.idempotency_key)[:16]}",
            object=_safe(target.object or target.sync),
        )
        return (
            self._set_folder(target.run_id) + name if target.mode is Mode.REPLACE else name
        ) + self.settings.ending

    @property
    def _sets(self) -> str:
        return f"{_safe(self.target.sync)}.sets/"

    def _set_folder(self, run: str) -> str:
        return f"{self._sets}{_safe(run)}/"

    @property
    def _current(self) -> str:
        return f"{_safe(self.target.sync)}.current.json"

    # --- In a thread

    def _write(self, operations: Sequence[Operation]) -> None:
        batch = operations if isinstance(operations, Batch) else Batch.of(operations, sync=self.target.sync)
        rows = [self._row(operation) for operation in batch]
        settings = self.settings
        content = encode(
            rows, self._types, settings.format, settings.compression, escape_formulas=settings.escape_formulas
        )
        name = self._name(batch)
        self._store.put(name, content)
        self._parts[name] = {
            "name": name,
            "rows": len(rows),
            "bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
        }

    def _row(self, operation: Operation) -> dict[str, Any]:
        held = dict(operation.record or {})
        if not self._holds_records_alone:
            held |= {**operation.match, _OPERATION: operation.kind.value}
        return {name: held[name] for name in self._columns if name in held}

    def _manifest(self) -> dict[str, Any]:
        return {
            "sync": self.target.sync,
            "run": self.target.run_id,
            "object": self.target.object,
            "mode": self.target.mode.value,
            "format": self.settings.format,
            "started": self._started.isoformat(),
            "finished": dt.datetime.now(dt.UTC).isoformat(),
            "columns": [{"name": name, "type": self._types[name]} for name in self._columns],
            "rows": sum(part["rows"] for part in self._parts.values()),
            "parts": [self._parts[name] for name in sorted(self._parts)],
        }

    def _published(self) -> dict[str, Any] | None:
        content = self._store.get(self._current)
        document: dict[str, Any] | None = None if content is None else orjson.loads(content)
        return document

    def _discard_unfinished(self) -> None:
        published = self._published() or {}
        kept = {_safe(run) for run in (published.get("run"), published.get("previous_run")) if run}
        for folder in self._store.folders(self._sets):
            if folder not in kept:
                self._store.remove_folder(f"{self._sets}{folder}")

    def _publish(self) -> None:
        before = self._published() or {}
        self._store.put(self._current, _document(self._manifest() | {"previous_run": before.get("run")}))
        self._discard_unfinished()


def _document(content: dict[str, Any]) -> bytes:
    return orjson.dumps(content, option=orjson.OPT_INDENT_2) + b"\n"


def _safe(text: str) -> str:
    """A text as one part of a path: no separator, nothing hidden, nothing that means a parent."""
    safe = quote(text, safe=" @+,=")
    return safe.replace(".", "%2E") if safe.startswith(".") else safe
