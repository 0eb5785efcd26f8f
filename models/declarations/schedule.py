"""When something runs by itself."""

from __future__ import annotations

import re
import zoneinfo
from typing import Annotated, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from connectors.strict import Strict
from models.durations import Duration

__all__ = ["Schedule"]

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_FIELDS: tuple[tuple[str, int, int, dict[str, int]], ...] = (
    ("minute", 0, 59, {}),
    ("hour", 0, 23, {}),
    ("day of month", 1, 31, {}),
    ("month", 1, 12, {name: number for number, name in enumerate(_MONTHS, 1)}),
    ("day of week", 0, 7, {name: number for number, name in enumerate(_DAYS)}),
)
_STEP = re.compile(r"(?P<range>[^/]+)(?:/(?P<step>\d{1,4}))?", re.ASCII)


def _cron(text: str) -> str:
    parts = text.lower().split()
    if len(parts) != len(_FIELDS):
        raise ValueError("a cron text has five fields: minute, hour, day of month, month, day of week")
    for part, (field, low, high, names) in zip(parts, _FIELDS, strict=True):
        for item in part.split(","):
            if not _item_is_right(item, low, high, names):
                raise ValueError(f"'{item}' is no {field} ({low}-{high}, *, ranges a-b, steps */n)")
    return text


def _item_is_right(item: str, low: int, high: int, names: dict[str, int]) -> bool:
    found = _STEP.fullmatch(item)
    if found is None or (found["step"] is not None and int(found["step"]) == 0):
        return False
    if found["range"] == "*":
        return True
    ends = [
        names.get(end, int(end) if re.fullmatch(r"[0-9]{1,2}", end) else -1)
        for end in found["range"].split("-")
    ]
    return len(ends) in (1, 2) and all(low <= end <= high for end in ends) and ends == sorted(ends)


def _zone(name: str) -> str:
    try:
        zoneinfo.ZoneInfo(name)
    except (ValueError, KeyError, OSError):
        raise ValueError("no such time zone; a name such as Europe/Berlin or UTC is needed") from None
    return name


class Schedule(Strict):
    """Every so often, at times of the calendar, or after something else: one of the three."""

    every: Duration | None = Field(default=None, description="Run every so often, such as 15m or 1h30m.")
    cron: Annotated[str, StringConstraints(max_length=500), AfterValidator(_cron)] | None = Field(
        default=None,
        description="Run at times of the calendar: minute, hour, day of month, month, day of week; 0 and 7 "
        "are Sunday.",
    )
    timezone: Annotated[str, StringConstraints(max_length=100), AfterValidator(_zone)] = Field(
        default="UTC", description="Time zone of the cron text, such as Europe/Berlin."
    )
    after: tuple[Annotated[str, StringConstraints(min_length=1, max_length=100)], ...] = Field(
        default=(),
        description="Run when all of these have run: names of sources, traits, predictions or syncs; "
        "`predictions/churn` where a name is not enough.",
    )

    @model_validator(mode="after")
    def _one_of_three(self) -> Self:
        given = [name for name in ("every", "cron", "after") if getattr(self, name)]
        if len(given) != 1:
            raise ValueError(
                "a schedule needs one of every, cron, after" + (", and only one" if given else "")
            )
        if "timezone" in self.model_fields_set and self.cron is None:
            raise ValueError("timezone goes with cron only")
        return self
