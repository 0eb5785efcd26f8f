"""Typed values, their logical types, and their one form on the wire.

On the wire (JSON): numbers as numbers, a decimal or integer that a double cannot hold as a string; timestamps
in ISO 8601 in UTC with `Z`, microseconds only where there are some, a timestamp without zone taken as UTC;
dates as `YYYY-MM-DD`; NaN and infinities as null; binary as base64.
`syncs.spool` states the same rules in SQL for whole batches; a property test holds the two together.
"""

from __future__ import annotations

import base64
import datetime as dt
import math
import uuid
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Literal

__all__ = ["LOGICAL_TYPES", "Logical", "holds_in_double", "nest", "on_wire"]

Logical = Literal[
    "boolean", "integer", "decimal", "float", "text", "date", "timestamp", "timestamptz", "time",
    "binary", "uuid", "json", "list", "struct",
]  # fmt: skip
LOGICAL_TYPES: tuple[str, ...] = Logical.__args__  # type: ignore[attr-defined]

_LARGEST_EXACT_INTEGER = 2**53
_DIGITS_A_DOUBLE_KEEPS = 15


def holds_in_double(value: int | Decimal) -> bool:
    """Whether a JSON reader that takes every number as a double gets this value back, digit by digit.

    True for integers up to 2**53 in size and for decimals of at most 15 significant digits (DBL_DIG).
    """
    if isinstance(value, int):
        return abs(value) <= _LARGEST_EXACT_INTEGER
    if not value.is_finite():
        return False
    if value == value.to_integral_value() and abs(value) <= _LARGEST_EXACT_INTEGER:
        return True
    # Not by `normalize`, which rounds to the 28 digits of the decimal context.
    digits = "".join(map(str, value.as_tuple().digits)).strip("0")
    return len(digits) <= _DIGITS_A_DOUBLE_KEEPS


def _timestamp(value: dt.datetime) -> str:
    utc = value.astimezone(dt.UTC) if value.tzinfo else value.replace(tzinfo=dt.UTC)
    return utc.isoformat().replace("+00:00", "Z")


def _decimal(value: Decimal) -> float | int | str | None:
    if not value.is_finite():
        return None
    if not holds_in_double(value):
        return format(value, "f")
    # A JSON writer takes no integer of more than 64 bits, though a double may hold it.
    is_small = value == value.to_integral_value() and abs(value) <= _LARGEST_EXACT_INTEGER
    return int(value) if is_small else float(value)


_FORMS: dict[type, Callable[[Any], Any]] = {
    type(None): lambda v: v,
    bool: lambda v: v,
    str: lambda v: v,
    int: lambda v: v if holds_in_double(v) else str(v),
    float: lambda v: v if math.isfinite(v) else None,
    Decimal: _decimal,
    dt.datetime: _timestamp,
    dt.date: dt.date.isoformat,
    dt.time: dt.time.isoformat,
    bytes: lambda v: base64.b64encode(v).decode(),
    uuid.UUID: str,
}


def on_wire(value: Any) -> Any:
    """A typed value, list or mapping in the form that goes into a JSON body.

    Raises:
        TypeError: for a type that no warehouse of ours produces.
    """
    form = _FORMS.get(type(value))
    if form is not None:
        return form(value)
    if isinstance(value, Mapping):
        return {str(name): on_wire(inner) for name, inner in value.items()}
    if isinstance(value, Sequence | set | frozenset):
        return [on_wire(inner) for inner in value]
    for kind, convert in _FORMS.items():
        if isinstance(value, kind):
            return convert(value)
    raise TypeError(f"no wire form for {type(value).__name__}")


def nest(flat: Mapping[str, Any]) -> dict[str, Any]:
    """`{"a.b": 1, "c": 2}` as `{"a": {"b": 1}, "c": 2}`: a dot in a field's name nests."""
    nested: dict[str, Any] = {}
    for name, value in flat.items():
        *parents, leaf = name.split(".")
        level = nested
        for parent in parents:
            level = level.setdefault(parent, {})
        level[leaf] = value
    return nested
