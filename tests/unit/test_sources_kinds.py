"""Types of columns: inference from every value, and values that fit or do not."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.sources.kinds import Guess, fit, typed_as, typed_by_arrow


def _kind(*chunks: Any) -> str | None:
    guess = Guess()
    for chunk in chunks:
        guess.see(chunk)
    return guess.kind


@pytest.mark.parametrize(
    ("texts", "kind"),
    [
        (["1", "-20", "0", None, ""], "integer"),
        (["007", "1"], "text"),
        (["+1"], "text"),
        (["123456789012345678"], "integer"),
        (["1234567890123456789"], "text"),
        (["1", "2.50", "1e-3"], "float"),
        (["-0"], "float"),
        (["TRUE", "false"], "boolean"),
        (["1", "true"], "text"),
        (["2024-02-29"], "date"),
        (["2023-02-29"], "text"),
        (["2024-01-01T10:00", "2024-01-01 10:00:00.123456"], "timestamp"),
        (["2024-01-01T10:00:00Z", "2024-01-01T10:00:00+02:00"], "timestamptz"),
        (["2024-01-01T10:00:00Z", "2024-01-01T10:00:00"], "text"),
        (["1 "], "text"),
        (["NaN"], "text"),
        ([None, None], None),
        (["", None], "text"),
    ],
)
def test_texts_are_typed_by_all_of_their_values(texts: list[str | None], kind: str | None) -> None:
    """A column of texts gets a type only where every value reads back as it was written."""
    assert _kind(pa.array(texts, pa.string())) == kind


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1, 2, None], "integer"),
        ([1, 2.5], "float"),
        ([2**63], "text"),
        ([True, False], "boolean"),
        ([True, 1], "text"),
        (["12", "13"], "text"),
        (["2024-01-01T00:00:00Z", None], "timestamptz"),
        (["2024-01-01", "x"], "text"),
        (["a", 1], "text"),
        ([{"a": 1}, [1], "x"], "json"),
        ([None], None),
    ],
)
def test_json_values_keep_their_types(values: list[Any], kind: str | None) -> None:
    """JSON numbers and booleans stay what they are; only ISO texts become dates and timestamps."""
    assert _kind(values) == kind


def test_a_late_value_changes_the_type() -> None:
    """Inference is over all chunks: a fraction in the last one makes the column a float."""
    assert _kind(pa.array(["1"] * 5), pa.array(["2"]), pa.array(["2.5"])) == "float"
    assert _kind([1] * 5, [2.5]) == "float"


@pytest.mark.parametrize(
    ("value", "kind", "fits"),
    [
        (1.5, "integer", False),
        (2.0, "integer", True),
        (True, "integer", False),
        (2**63, "integer", False),
        ("5", "integer", True),
        ("x", "integer", False),
        (1, "boolean", False),
        (7, "timestamp", False),
        ("2024-01-01", "timestamp", True),
        ("2024-13-01", "date", False),
        ("12.345", "decimal", True),
        ("1e-12", "decimal", False),
        ([1], "text", True),
        ([1], "integer", False),
    ],
)
def test_a_value_fits_where_nothing_of_it_is_lost(value: Any, kind: str, fits: bool) -> None:  # noqa: FBT001
    """A value that would lose something in the column's type is a misfit, and null in the column."""
    array, misfits = fit([value, None], typed_as(kind))
    assert misfits == ([] if fits else [0])
    assert (array[0].as_py() is not None) is fits


def test_arrow_numbers_are_no_timestamps() -> None:
    """A number is never taken for a moment in time, though Arrow would cast it."""
    _, misfits = fit(pa.array([1, 2]), typed_as("timestamptz"))
    assert misfits == [0, 1]


def test_a_misfit_costs_only_itself() -> None:
    """The other values of a batch stay."""
    array, misfits = fit(pa.array(["1", "x", "", None, "3"]), typed_as("integer"))
    assert (array.to_pylist(), misfits) == ([1, None, None, None, 3], [1])


def test_nested_arrow_values_become_json() -> None:
    """Structs and lists are kept as JSON text."""
    array, misfits = fit(pa.array([{"a": [1, 2]}, None]), typed_as("json"))
    assert (array.to_pylist(), misfits) == (['{"a":[1,2]}', None], [])


def test_arrow_types_that_no_warehouse_holds_are_refused() -> None:
    """A type without a place in a warehouse is an error, not a guess."""
    with pytest.raises(TypeError, match="no place in a warehouse"):
        typed_by_arrow(pa.month_day_nano_interval())


_SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.text(max_size=20)
)


@settings(max_examples=50, deadline=None)
@given(st.lists(_SCALARS | st.lists(st.integers(), max_size=2), max_size=20))
def test_what_is_inferred_holds_every_value(values: list[Any]) -> None:
    """No value of a column is a misfit of the type that was inferred from it."""
    kind = _kind(values)
    if kind is not None:
        array, misfits = fit(values, typed_as(kind))
        assert not misfits
        assert len(array) == len(values)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.integers(-(10**17), 10**17).map(str) | st.dates().map(str) | st.just("") | st.none(), max_size=20
    )
)
def test_what_is_inferred_from_texts_holds_every_text(texts: list[str | None]) -> None:
    """The same for texts; an empty one is null in every type but text."""
    column = pa.array(texts, pa.string())
    kind = _kind(column)
    if kind is not None:
        assert fit(column, typed_as(kind))[1] == []


def test_decimals_and_dates_pass_unchanged() -> None:
    """Typed columns go through as they are."""
    for values in ([Decimal("1.10")], [dt.date(2024, 1, 1)], [b"\x00"]):
        column = pa.array(values)
        typed = typed_by_arrow(column.type)
        assert typed is not None
        assert fit(column, typed)[0].to_pylist() == values
