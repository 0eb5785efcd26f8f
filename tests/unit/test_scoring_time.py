"""Cut-offs, their split, and times bound into SQL."""

from __future__ import annotations

import datetime as dt
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.errors import ScoringError
from scoring.binding import bind
from scoring.cutoffs import cutoffs_before, split_in_time

DAY = dt.timedelta(days=1)
NOON = dt.datetime(2024, 6, 1, 12, tzinfo=dt.timezone(2 * dt.timedelta(hours=1)))


@given(every=st.integers(1, 60), count=st.integers(1, 40), horizon=st.integers(1, 120))
def test_no_label_reaches_into_what_is_tested(every: int, count: int, horizon: int) -> None:
    """Every label ends by the scoring date, and the labels of what trains end by the cut-off that tests."""
    now = NOON
    cutoffs = cutoffs_before(now, every=every * DAY, count=count, horizon=horizon * DAY)
    assert len(cutoffs) == count
    assert cutoffs[-1] + horizon * DAY == now
    assert all(later - earlier == every * DAY for earlier, later in itertools.pairwise(cutoffs))
    if (count - 1) * every < horizon:
        with pytest.raises(ScoringError, match=r"raise cutoffs\.count"):
            split_in_time(cutoffs, horizon * DAY)
        return
    split = split_in_time(cutoffs, horizon * DAY)
    assert split.test == cutoffs[-1]
    assert sorted([*split.train, *split.dropped, split.test]) == cutoffs
    assert all(cutoff + horizon * DAY <= split.test for cutoff in split.train)
    assert all(cutoff + horizon * DAY > split.test for cutoff in split.dropped)
    assert all(cutoff + horizon * DAY <= split.stop[0] for cutoff in split.fit)
    assert set(split.fit) <= set(split.train)


def test_parameters_are_bound_and_nothing_else_is_touched() -> None:
    """Strings, comments and casts keep what looks like a parameter; a final semicolon goes."""
    sql = "select ':as_of', x::as_of -- :as_of\nfrom t where x < :as_of and y >= :until;  "
    assert bind(
        sql, "duckdb", {"as_of": NOON, "until": dt.datetime(2024, 7, 1, 0, 0, 0, 5, tzinfo=dt.UTC)}
    ) == (
        "select ':as_of', x::as_of -- :as_of\nfrom t where x < TIMESTAMP '2024-06-01 10:00:00' "
        "and y >= TIMESTAMP '2024-07-01 00:00:00.000005'"
    )


def test_an_unknown_parameter_is_named() -> None:
    """A parameter that nothing is known for is an error that says what is allowed."""
    with pytest.raises(ScoringError, match="unknown parameter :asof in this SQL; allowed: :as_of"):
        bind("select :asof", "postgres", {"as_of": NOON})


def test_sql_that_cannot_be_read_is_an_error_in_words() -> None:
    """A string that never ends is told, not thrown."""
    with pytest.raises(ScoringError, match="cannot be read"):
        bind("select 'x", "duckdb", {"as_of": NOON})
