"""What a destination is asked to do: operations in, rejections out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

__all__ = ["Kind", "Mode", "Operation", "Rejection"]


class Kind(StrEnum):
    """What happened to a row since the destination last accepted it."""

    ADD = "add"
    CHANGE = "change"
    REMOVE = "remove"


class Mode(StrEnum):
    """What a sync promises about the destination's state after a run."""

    UPSERT = "upsert"
    INSERT = "insert"
    UPDATE = "update"
    MIRROR = "mirror"
    APPEND = "append"
    REPLACE = "replace"


@dataclass(frozen=True, slots=True)
class Operation:
    """One row's change, with typed values (never text made of them).

    `key` maps primary key columns to values. `match` maps the destination's identifier fields (`match_on`;
    the key where a sync names none) to the values that identify the row there; on a remove they are the last
    accepted ones. `record` is what the row shall be (None on a remove), `previous` what the destination
    last accepted (None on an add), both nested where a field's name has dots. `previous_match` differs from
    `match` where an identifier changed.
    """

    seq: int
    kind: Kind
    key: Mapping[str, Any]
    match: Mapping[str, Any]
    record: Mapping[str, Any] | None
    previous: Mapping[str, Any] | None = None
    previous_match: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Rejection:
    """One row that the destination refused, in its own code and words.

    `retryable` says whether the same row may be accepted later (a lock, a missing parent) or never as it is.
    """

    operation: Operation
    code: str
    message: str
    retryable: bool = False
