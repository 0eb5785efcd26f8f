"""What is left of a destination's words once a row's values are taken out."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.operation import Kind, Operation, Rejection
from syncs.deliver import masked
from syncs.deliver.words import without_values


def row(record: dict[str, Any], **more: Any) -> Operation:
    """A change with this record."""
    return Operation(0, Kind.CHANGE, more.pop("key", {}), more.pop("match", {}), record, **more)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("ada@example.com is taken", "[email] is taken"),
        ("ADA@Example.COM is taken", "[email] is taken"),
        ("tier 'gold' of Ada Lovelace", "tier '[life.tier]' of [name]"),
        ("salary 120500.25 is too high", "salary [pay] is too high"),
        ("born 1815-12-10", "born [born]"),
        ("tags: alpha, beta", "tags: [tags], [tags]"),
        ("was old@example.com", "was [email]"),
        ("id 90210 and id 77", "id [id] and id 77"),
        ("no such field", "no such field"),
    ],
)
def test_values_are_named_by_their_fields(message: str, expected: str) -> None:
    """Strings, numbers and dates of record, previous and key are replaced, whatever their case."""
    record = {
        "email": "ada@example.com",
        "name": "Ada Lovelace",
        "life": {"tier": "gold"},
        "pay": Decimal("120500.25"),
        "born": dt.date(1815, 12, 10),
        "tags": ["alpha", "beta"],
        "ok": True,
        "none": None,
    }
    operation = row(record, key={"id": 90210, "n": 77}, previous={"email": "old@example.com"})
    assert masked(message, operation) == expected


def test_the_longest_value_goes_first_and_overlaps_go_whole() -> None:
    """A short value inside a long one does not save the rest of it."""
    operation = row({"first": "ann", "full": "ann smith", "tail": "smithers"})
    assert masked("ann smith failed", operation) == "[full] failed"
    assert masked("x ann smithers y", operation) == "x [full] y"


def test_a_mask_is_not_masked_again() -> None:
    """A value that spells a field's name does no harm to the marks."""
    assert masked("a@b.co and email", row({"email": "a@b.co", "x": "email"})) == "[email] and [x]"


def test_spellings_of_json_and_urls_are_found() -> None:
    """A value echoed with escapes is still the value."""
    name = 'O"Brién & sons'
    operation = row({"name": name})
    for spelt in (json.dumps(name)[1:-1], quote(name), name):
        assert masked(f"<{spelt}>", operation) == "<[name]>"


def test_words_are_short_and_plain() -> None:
    """Control characters and direction marks go, and 500 characters are enough."""
    assert masked("a\x00b\r\n\x1b[31mred\u202e!", row({})) == "a b [31mred !"
    assert len(masked("x" * 2_000, row({}))) == 500
    assert masked("lone \ud800 surrogate", row({})) == "lone ? surrogate"


def test_a_rejection_keeps_its_row_and_code() -> None:
    """Only the words change; an overlong code is cut."""
    operation = row({"email": "ada@example.com"})
    kept = without_values(Rejection(operation, "c" * 300, "ada@example.com", retryable=True))
    assert kept == Rejection(operation, "c" * 100, "[email]", retryable=True)


LETTERS = st.characters(exclude_characters="[]#", exclude_categories=["Cs"])
VALUES = st.one_of(st.text(LETTERS, min_size=3, max_size=12), st.integers(100, 10**12), st.emails())


@settings(max_examples=60, deadline=None)
@given(values=st.lists(VALUES, min_size=1, max_size=5), around=st.text(alphabet="X \n", max_size=20))
def test_no_value_survives(values: list[str | int], around: str) -> None:
    """Whatever the values are, none of them stands in the words."""
    operation = row({f"{number}": value for number, value in enumerate(values)})
    words = masked(around.join(str(value) for value in values), operation)
    left = words
    for number in range(len(values)):
        left = left.replace(f"[{number}]", "#")
    assert all(str(value) not in left for value in values)
