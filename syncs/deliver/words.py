"""A destination's words about a row, without the row's values."""

from __future__ import annotations

import datetime as dt
import json
import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from connectors.operation import Operation, Rejection
from connectors.values import on_wire

__all__ = ["masked", "without_values"]

_LONGEST = 500
_LONGEST_CODE = 100
_SHORTEST_VALUE = 3
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]+")
_SHOWN = str | int | float | Decimal | dt.date | dt.time | uuid.UUID


def masked(message: str, operation: Operation) -> str:
    """A message in which the operation's values are replaced by `[field name]`.

    Strings, numbers, dates and identifiers of at least 3 characters are replaced, whatever their case, nested
    ones too, as they are and as JSON and URLs spell them. Where values overlap, all that they cover goes and
    the longest gives the name. Control characters become spaces; no more than 500 characters are kept.
    """
    text = _plain(message)
    pieces: list[str] = []
    end = 0
    for start, stop, name in _covered(text, _names(operation)):
        pieces += text[end:start], f"[{name}]"
        end = stop
    pieces.append(text[end:])
    whole = "".join(pieces)
    return whole if len(whole) <= _LONGEST else whole[: _LONGEST - 1] + "…"


def without_values(rejection: Rejection) -> Rejection:
    """A rejection that may be kept and shown."""
    return replace(
        rejection,
        code=_plain(str(rejection.code))[:_LONGEST_CODE],
        message=masked(str(rejection.message), rejection.operation),
    )


def _plain(text: str) -> str:
    # Lone surrogates cannot be stored as UTF-8 anywhere.
    return _CONTROL.sub(" ", text.encode("utf-8", "replace").decode()).strip()


def _covered(text: str, names: Mapping[str, str]) -> Iterator[tuple[int, int, str]]:
    """Stretches of the text that hold values, in order, those that overlap joined."""
    found = [
        (match.start(), match.start() + len(match[1]), name)
        for value, name in names.items()
        for match in re.finditer(f"(?=({re.escape(value)}))", text, re.IGNORECASE)
    ]
    start = stop = longest = 0
    title = ""
    for begin, end, name in sorted(found):
        if begin >= stop:
            if stop > start:
                yield start, stop, title
            start, stop, longest = begin, end, 0
        stop = max(stop, end)
        if end - begin > longest:
            longest, title = end - begin, name
    if stop > start:
        yield start, stop, title


def _names(operation: Operation) -> dict[str, str]:
    """Each form in which a value may be spelt → the field it is the value of."""
    parts = (
        operation.record, operation.previous, operation.match, operation.previous_match, operation.key,
    )  # fmt: skip
    names: dict[str, str] = {}
    for part in parts:
        for name, value in _leaves("", part or {}):
            for form in _forms(value):
                if len(form) >= _SHORTEST_VALUE:
                    names.setdefault(form, name)
    return names


def _leaves(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for inner, content in value.items():
            yield from _leaves(f"{name}.{inner}" if name else str(inner), content)
    elif isinstance(value, _SHOWN) and not isinstance(value, bool):
        yield name, value
    elif isinstance(value, Sequence | set | frozenset) and not isinstance(value, bytes):
        for content in value:
            yield from _leaves(name, content)


def _forms(value: Any) -> set[str]:
    if not isinstance(value, str):
        return {str(value), str(on_wire(value))}
    plain = _plain(value)
    return {plain, _plain(json.dumps(value)[1:-1]), quote(plain, safe=""), quote(plain)}
