"""What HTTP answers say about time."""

from __future__ import annotations

import time
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.pacing import pause_seconds, retry_after_seconds

DATE = "Wed, 21 Oct 2026 07:28:00 GMT"
LATER = "Wed, 21 Oct 2026 07:28:30 GMT"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "120"}, 120),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": LATER, "date": DATE}, 30),
        ({"retry-after": DATE, "date": LATER}, 0),
        ({"retry-after": DATE, "date": "nonsense"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
    ],
)
def test_retry_after_is_read(headers: dict[str, str], seconds: float | None) -> None:
    """Seconds and dates are read, nonsense is no wish."""
    found = retry_after_seconds(headers)
    if headers.get("date") == "nonsense":
        assert found is not None
        assert found >= 0
    else:
        assert found == seconds


def test_a_date_without_the_servers_clock_is_taken_against_ours() -> None:
    """A server that sends no `Date` is still understood."""
    found = retry_after_seconds({"retry-after": formatdate(time.time() + 60, usegmt=True)})
    assert found is not None
    assert 50 < found <= 61


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 0),
        ({"ratelimit-remaining": "0", "ratelimit-reset": "9"}, 9),
        ({"ratelimit-remaining": "3", "ratelimit-reset": "9"}, 0),
        ({"ratelimit-remaining": "0"}, 0),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "9"}, 9),
        ({"x-rate-limit-remaining": "0", "x-rate-limit-reset": "9"}, 9),
        ({"ratelimit": "limit=100, remaining=0, reset=4"}, 4),
        ({"ratelimit": "limit=100, remaining=50, reset=4"}, 0),
        ({"ratelimit": '"burst";r=0;t=2, "day";r=10;t=900'}, 2),
        ({"ratelimit": '"burst";r=5;t=2, "day";r=0;t=900'}, 900),
        ({"ratelimit": "nonsense;;;"}, 0),
    ],
)
def test_a_spent_window_says_when_it_opens(headers: dict[str, str], seconds: float) -> None:
    """All spellings of the draft, and the common one before it."""
    assert pause_seconds(headers) == seconds


def test_a_reset_in_unix_time_is_taken_against_our_clock() -> None:
    """Some APIs send the moment, not the distance."""
    reset = str(int(time.time()) + 30)
    assert 25 < pause_seconds({"x-ratelimit-remaining": "0", "x-ratelimit-reset": reset}) <= 30


HEADERS = st.dictionaries(
    st.sampled_from(
        [
            "retry-after",
            "date",
            "ratelimit",
            "ratelimit-remaining",
            "ratelimit-reset",
            "x-ratelimit-remaining",
        ]
    ),
    st.text() | st.integers().map(str) | st.just(DATE) | st.just("0"),
)


@given(HEADERS)
def test_no_header_breaks_the_reading(headers: dict[str, str]) -> None:
    """Whatever stands there, the answer is a number of seconds or none."""
    wish, pause = retry_after_seconds(headers), pause_seconds(headers)
    assert wish is None or wish >= 0
    assert pause >= 0
