"""What a destination connector is: a class with settings, limits, a check and a write.

The law: **raise about the batch, return about the row.** See `connectors.errors` for what may be raised.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict, Field

from connectors.operation import Mode, Operation, Rejection

__all__ = [
    "Destination",
    "DestinationSettings",
    "Discovers",
    "FieldInfo",
    "LimitSettings",
    "Limits",
    "ObjectInfo",
    "OnRemoved",
    "Reads",
    "Replaces",
    "Target",
]

OnRemoved = Literal["delete", "clear", "archive"]


@dataclass(frozen=True, slots=True)
class Limits:
    """A destination's documented limits, kept exactly. None means that the destination states none."""

    batch_size: int = 100
    requests_per_second: float | None = None
    concurrency: int = 4
    batch_bytes: int | None = None


class LimitSettings(BaseModel):
    """What a user may lower or raise of a connector's limits."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    requests_per_second: float | None = Field(
        default=None, gt=0, description="Requests a second at most, over all syncs of this process."
    )
    concurrency: int | None = Field(
        default=None, ge=1, le=256, description="Requests under way at once, over all syncs of this process."
    )
    batch_size: int | None = Field(
        default=None, ge=1, le=1_000_000, description="Rows in one request at most."
    )

    def over(self, base: Limits) -> Limits:
        """The connector's limits with the user's in their place."""
        return Limits(
            batch_size=self.batch_size or base.batch_size,
            requests_per_second=self.requests_per_second or base.requests_per_second,
            concurrency=self.concurrency or base.concurrency,
            batch_bytes=base.batch_bytes,
        )


class DestinationSettings(BaseModel):
    """Base of every connector's settings. A field without a description does not pass the tests."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    limits: LimitSettings = Field(
        default_factory=LimitSettings, description="Own limits, where they differ from the connector's."
    )


@dataclass(frozen=True, slots=True)
class Target:
    """What one sync asks of a destination, known before the first row.

    `fields` are the record's field names as mapped (dots nest). `match_on` are the identifier fields, empty
    where the primary key identifies. `types` maps each name of key, match and record to its logical type
    (see `connectors.values`), so that a connector can create columns.
    """

    sync: str
    run_id: str
    object: str | None
    mode: Mode
    primary_key: tuple[str, ...]
    match_on: tuple[str, ...]
    fields: tuple[str, ...]
    on_removed: OnRemoved = "delete"
    types: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FieldInfo:
    """A field of a destination's object."""

    name: str
    type: str
    required: bool = False
    description: str = ""


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """An object of a destination: a table, a CRM object, an audience."""

    name: str
    description: str = ""
    fields: tuple[FieldInfo, ...] = ()


class Destination:
    """Base of every connector: a few class attributes and two methods.

    An instance serves one run of one sync. `write` and `check` may be plain functions: they then run in a
    thread. `json_rows = True` asks for the rows as ready JSON texts beside the operations
    (`Batch.json_rows`), for destinations that pass records through as they are.
    """

    Settings: ClassVar[type[DestinationSettings]] = DestinationSettings
    limits: ClassVar[Limits] = Limits()
    modes: ClassVar[frozenset[Mode]] = frozenset(Mode) - {Mode.REPLACE}
    removals: ClassVar[frozenset[str]] = frozenset({"delete"})
    objects: ClassVar[tuple[ObjectInfo, ...]] = ()
    json_rows: ClassVar[bool] = False
    repeats_are_harmless: ClassVar[bool] = True

    def __init__(self, settings: Any, target: Target | None = None) -> None:
        self.settings = settings
        self._target = target

    @property
    def target(self) -> Target:
        """What the sync asks; only while a sync runs."""
        if self._target is None:
            raise RuntimeError("this destination was opened for a check, without a sync")
        return self._target

    @classmethod
    def limits_for(cls, settings: Any) -> Limits:
        """The limits that hold with some settings: the connector's, with the user's in their place."""
        limits: Limits = settings.limits.over(cls.limits)
        return limits

    async def start(self) -> None:
        """Open clients, create what the settings ask to be created. Called once, before the first write."""

    async def check(self) -> None:
        """Prove the credentials and that the other side can be reached, changing nothing there."""
        raise NotImplementedError(f"{type(self).__name__} has no check")

    async def write(self, batch: Sequence[Operation]) -> list[Rejection]:
        """Write a batch. Rows not named in the answer were accepted; raise about the batch as a whole."""
        raise NotImplementedError(f"{type(self).__name__} has no write")

    async def close(self) -> None:
        """Close clients. Called once, also after a failure."""


@runtime_checkable
class Discovers(Protocol):
    """Can tell which objects and fields the other side has."""

    async def discover(self) -> list[ObjectInfo]:
        """All objects with their fields."""
        ...


@runtime_checkable
class Reads(Protocol):
    """Can look rows up by their identifiers, for unknown outcomes and drift audits."""

    async def read(self, operations: Sequence[Operation]) -> list[Mapping[str, Any] | None]:
        """What the other side holds for each operation's `match`, None where it holds nothing."""
        ...


@runtime_checkable
class Replaces(Protocol):
    """Can replace a whole set at once: nothing of it is visible until it is finished."""

    async def begin_replace(self) -> None:
        """Start a new set; leftovers of an unfinished one are discarded."""
        ...

    async def finish_replace(self) -> None:
        """Make the new set the visible one, atomically."""
        ...
