"""A destination in memory that behaves as the modes promise, for tests of projects and of the engine."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import orjson

from connectors.destination import Destination, DestinationSettings
from connectors.errors import DestinationError
from connectors.operation import Kind, Mode, Operation, Rejection
from connectors.values import on_wire

__all__ = ["Recorder", "RecorderSettings", "RecorderStore"]

Failure = DestinationError | Callable[[Sequence[Operation]], list[Rejection]]
"""What happens in place of a write: an error is raised, a function gives the rejections."""


class RecorderSettings(DestinationSettings):
    """The recorder needs no settings."""


@dataclass
class RecorderStore:
    """What the other side holds, shared by the recorders of several runs.

    `rows` maps an identifier (see `RecorderStore.identifier`) to its record, `events` holds appended records,
    `archived` removed ones. `batches` keeps every batch that was accepted at least in part. `failures` are
    used up one a write.
    """

    rows: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    events: list[Mapping[str, Any]] = field(default_factory=list)
    archived: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    batches: list[tuple[Operation, ...]] = field(default_factory=list)
    failures: deque[Failure] = field(default_factory=deque)
    writes: int = 0
    checks: int = 0

    @property
    def operations(self) -> list[Operation]:
        """All operations of all batches, in order."""
        return [operation for batch in self.batches for operation in batch]

    @staticmethod
    def identifier(match: Mapping[str, Any]) -> str:
        """Identifier values as one text: the value alone where there is one, else JSON sorted by name."""
        form = on_wire(match)
        if len(form) == 1:
            return str(next(iter(form.values())))
        return orjson.dumps(form, option=orjson.OPT_SORT_KEYS).decode()


class Recorder(Destination):
    """Keeps in memory what it is sent."""

    Settings: ClassVar[type[DestinationSettings]] = RecorderSettings
    modes = frozenset(Mode)
    removals = frozenset({"delete", "clear", "archive"})

    def __init__(
        self, settings: Any = None, target: Any = None, *, store: RecorderStore | None = None
    ) -> None:
        super().__init__(settings or RecorderSettings(), target)
        self.store = store or RecorderStore()
        self._new: dict[str, Mapping[str, Any]] | None = None
        self._closed = False

    async def check(self) -> None:
        """Count that somebody asked."""
        self.store.checks += 1

    async def write(self, batch: Sequence[Operation]) -> list[Rejection]:
        """Apply a batch, or fail as the script says."""
        if self._closed:
            raise RuntimeError("this recorder is closed")
        self.store.writes += 1
        rejections: list[Rejection] = []
        if self.store.failures:
            failure = self.store.failures.popleft()
            if isinstance(failure, DestinationError):
                raise failure
            rejections = failure(batch)
        refused = {rejection.operation.seq for rejection in rejections}
        for operation in batch:
            if operation.seq not in refused:
                rejections += self._apply(operation)
        self.store.batches.append(tuple(batch))
        return rejections

    async def begin_replace(self) -> None:
        """Start a new set beside the visible one."""
        self._new = {}

    async def finish_replace(self) -> None:
        """Make the new set the visible one."""
        self.store.rows = self._new or {}
        self._new = None

    async def close(self) -> None:
        """Take no more rows."""
        self._closed = True

    def _apply(self, operation: Operation) -> list[Rejection]:
        mode = self.target.mode if self._target else Mode.UPSERT
        name = self.store.identifier(operation.match)
        rows = self.store.rows if self._new is None else self._new
        if operation.kind is Kind.REMOVE:
            self._remove(name)
        elif mode is Mode.APPEND:
            self.store.events.append(operation.record or {})
        elif mode is Mode.INSERT and name in rows:
            return [Rejection(operation, "exists", f"there is a row {name} already")]
        elif mode is not Mode.UPDATE or name in rows:
            rows[name] = {**rows.get(name, {}), **(operation.record or {})}
        return []

    def _remove(self, name: str) -> None:
        row = self.store.rows.pop(name, None)
        how = self.target.on_removed if self._target else "delete"
        if row is None or how == "delete":
            return
        if how == "archive":
            self.store.archived[name] = row
        else:
            self.store.rows[name] = dict.fromkeys(row)
