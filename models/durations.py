"""Spans of time as people write them: `15m`, `1h30m`, `90d`."""

from __future__ import annotations

import datetime as dt
import re
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

__all__ = ["Duration", "duration_text", "parse_duration"]

_UNITS = {"w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1}
_PATTERN = "^" + "".join(rf"(?:(\d{{1,9}}){unit})?" for unit in _UNITS) + "$"
_DURATION = re.compile(_PATTERN, re.ASCII)
_LONGEST = dt.timedelta(days=36_525)


def parse_duration(value: Any) -> dt.timedelta:
    """A span from a text: numbers with units w, d, h, m, s, in this order, such as `1h30m`.

    Raises:
        ValueError: the text is no span, is zero, or is longer than a century.
    """
    if isinstance(value, dt.timedelta):
        return value
    found = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if found is None or not value:
        raise ValueError("a duration is needed, such as 15m, 1h30m or 90d (units: w, d, h, m, s)")
    seconds = sum(int(n) * unit for n, unit in zip(found.groups(), _UNITS.values(), strict=True) if n)
    if not 0 < seconds <= _LONGEST.total_seconds():
        raise ValueError("a duration must be more than zero and at most a century")
    return dt.timedelta(seconds=seconds)


def duration_text(span: dt.timedelta) -> str:
    """The shortest text of a span of whole seconds: 7 days is `7d`, 90 minutes `1h30m`."""
    seconds, parts = int(span.total_seconds()), []
    for unit, size in list(_UNITS.items())[1:]:
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts)


Duration = Annotated[
    dt.timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(duration_text, return_type=str),
    WithJsonSchema({"type": "string", "pattern": _PATTERN, "examples": ["15m", "1h30m", "90d"]}),
]
"""A field that holds a span."""
