"""Shares of guards, spans of time, schedules."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from models.declarations import Schedule, Share
from models.durations import duration_text, parse_duration


@pytest.mark.parametrize(
    ("text", "n", "of", "exceeded"),
    [
        ("5%", 5, 100, False),
        ("5%", 6, 100, True),
        ("0.5%", 1, 199, True),
        ("0.5%", 1, 200, False),
        ("0%", 1, 10, True),
        ("0%", 0, 0, False),
        ("100%", 7, 7, False),
        (10, 10, 1, False),
        (10, 11, 1_000_000, True),
    ],
)
def test_a_share_is_exceeded_by_more_than_it(text: object, n: int, of: int, exceeded: bool) -> None:  # noqa: FBT001  a table
    """Exactly the share passes, one row more does not."""
    assert Share.parse(text).exceeded(n, of) is exceeded


@pytest.mark.parametrize(
    "value", ["101%", "-1%", "5", "%", -1, 1.5, True, None, "5 percent", "1e2%", [], 2**70]
)
def test_what_is_no_share_is_refused(value: object) -> None:
    """Anything but a percentage or a whole number is refused with an example."""
    with pytest.raises(ValueError, match="such as 5%"):
        Share.parse(value)


@pytest.mark.parametrize(
    ("text", "seconds"), [("15m", 900), ("1h30m", 5_400), ("90d", 7_776_000), ("2w", 1_209_600), ("45s", 45)]
)
def test_a_span_is_read(text: str, seconds: int) -> None:
    """Numbers with units add up."""
    assert parse_duration(text) == dt.timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "value",
    ["", "15", "0m", "m15", "1m1h", "1.5h", "-1h", 15, None, "999999999w", "\N{ARABIC-INDIC DIGIT ONE}m"],
)
def test_what_is_no_span_is_refused(value: object) -> None:
    """Anything else is refused."""
    with pytest.raises(ValueError, match="a duration"):
        parse_duration(value)


@settings(max_examples=50)
@given(st.integers(1, 36_525 * 86_400))
def test_a_span_is_written_as_it_is_read(seconds: int) -> None:
    """The text of a span gives the span."""
    span = dt.timedelta(seconds=seconds)
    assert parse_duration(duration_text(span)) == span


@pytest.mark.parametrize("cron", ["0 6 * * *", "*/15 8-18 * * mon-fri", "0 0 1,15 jan *", "5 4 * * 7"])
def test_a_cron_text_passes(cron: str) -> None:
    """The five fields of cron with ranges, lists, steps and names are taken."""
    assert Schedule.model_validate({"cron": cron, "timezone": "Europe/Berlin"}).cron == cron


@pytest.mark.parametrize(
    "cron", ["", "* * * *", "60 * * * *", "* * 0 * *", "*/0 * * * *", "5-1 * * * *", "a b c d e"]
)
def test_a_wrong_cron_text_is_refused(cron: str) -> None:
    """A text that no clock understands is refused."""
    with pytest.raises(ValidationError):
        Schedule.model_validate({"cron": cron})
