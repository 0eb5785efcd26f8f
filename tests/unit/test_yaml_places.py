"""The YAML reader: plain data, places, and an error for everything it does not take."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.errors import ConfigError, Problem
from models.yaml_file import parse_yaml


def _problems(text: str | bytes) -> tuple[Problem, ...]:
    with pytest.raises(ConfigError) as raised:
        parse_yaml(text if isinstance(text, bytes) else text.encode(), "syncs/x.yml")
    return raised.value.problems


def test_keys_and_items_have_places() -> None:
    """Each key and list item is found at its line and column, starting at 1."""
    document = parse_yaml(b"a: 1\nb:\n  - x: {y: [1, 2.5]}\n  - 'z'\n", "f.yml")
    assert document.data == {"a": 1, "b": [{"x": {"y": [1, 2.5]}}, "z"]}
    assert document.places[("b",)] == (2, 1)
    assert document.places[("b", 0, "x", "y")] == (3, 9)
    assert document.places[("b", 1)] == (4, 5)


def test_scalars_follow_yaml_1_2() -> None:
    """`on`, `no`, times of day and dates are texts; only true, false, null and numbers are not."""
    document = parse_yaml(b"on: no\nt: 12:30\nd: 2024-01-01\nb: true\nn: ~\ni: -7\nf: 1e3\nq: '1'\n", "f.yml")
    assert document.data == {
        "on": "no", "t": "12:30", "d": "2024-01-01", "b": True, "n": None, "i": -7, "f": 1000.0, "q": "1",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "line", "column", "words"),
    [
        ("", 1, 1, "is empty"),
        ("# only a comment\n", 1, 1, "is empty"),
        ("[1, 2]", 1, 1, "holds a list"),
        ("a: 1\nb: 2\na: 3", 3, 1, "first in line 1"),
        ("a:\n\t- 1", 2, 1, "spaces, not tabs"),
        ("a: &x [1]", 1, 4, "an anchor"),
        ("a: *x", 1, 4, "an alias"),
        ("a: !!python/object/apply:os.system [x]", 1, 4, "a tag"),
        ("<<: {a: 1}", 1, 1, "a merge"),
        ("? [a]\n: 1", 1, 3, "a key must be a text"),
        ("a: 1\n---\nb: 2", 2, 1, "second document"),
        ("a: [1", 2, 1, "not valid YAML"),
        ("a: \x00", 1, 1, "U+0000"),
        ("a: " + "[" * 100_000, 1, 33, "nested deeper"),
    ],
)
def test_what_is_not_taken_is_named_with_its_place(text: str, line: int, column: int, words: str) -> None:
    """A file that cannot be used says where and why."""
    problem = _problems(text)[0]
    assert (problem.file, problem.line, problem.column) == ("syncs/x.yml", line, column)
    assert words in problem.message


def test_text_that_is_no_utf_8_is_named_with_its_line() -> None:
    """Bytes that are no UTF-8 are a problem, not a traceback."""
    assert _problems(b"a: 1\nb: \xff")[0].line == 2


def test_all_problems_are_told_at_once() -> None:
    """Two doubled keys are two problems."""
    assert len(_problems("a: 1\na: 2\nb: 1\nb: 2")) == 2


def test_aliases_that_grow_without_bound_are_refused() -> None:
    """A bomb of aliases costs nothing: aliases are not followed."""
    bomb = "a: &a [x]\n" + "".join(f"b{n}: &b{n} [*a,*a,*a,*a]\n" for n in range(50))
    assert all("is not taken" in problem.message for problem in _problems(bomb))


_TEXT = st.text(st.characters(categories=("L", "N", "P", "S")), max_size=10)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | _TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=10,
)


@settings(max_examples=100)
@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace")))
def test_any_bytes_give_a_mapping_or_problems(content: bytes) -> None:
    """Whatever a file holds, the reader answers with a mapping or with problems that have a place."""
    try:
        assert isinstance(parse_yaml(content, "f.yml").data, dict)
    except ConfigError as error:
        problems = error.problems
    else:
        problems = ()
    assert all(problem.file == "f.yml" and problem.line for problem in problems)


@settings(max_examples=50)
@given(st.dictionaries(_TEXT, _JSON, max_size=4))
def test_json_is_read_as_it_is(data: dict[str, object]) -> None:
    """JSON is YAML: whatever it holds is read back the same."""
    assert parse_yaml(json.dumps(data, ensure_ascii=False).encode(), "f.yml").data == data
