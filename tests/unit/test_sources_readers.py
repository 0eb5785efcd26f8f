"""Readers of files: chunks of rows, and bad lines that cost only themselves."""

from __future__ import annotations

import io
from typing import Any

import pytest

from connectors.errors import SourceError
from connectors.sources.readers import read


def _read(format_: str, data: bytes) -> tuple[list[dict[str, Any]], list[tuple[Any, str]]]:
    bad: list[tuple[Any, str]] = []
    rows: list[dict[str, Any]] = []
    for chunk in read(format_, io.BytesIO(data), lambda row, reason: bad.append((row, reason))):
        columns = {n: v if isinstance(v, list) else v.to_pylist() for n, v in chunk.items()}
        rows += [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    return rows, bad


def test_csv_keeps_texts_as_written() -> None:
    """Values are texts as they stand; an unquoted nothing is null, a quoted one an empty text."""
    rows, bad = _read("csv", b'\xef\xbb\xbfid,"na""me",note\r\n007,"a,\nb",\r\n8,c,""\r\n')
    assert bad == []
    assert rows == [
        {"id": "007", 'na"me': "a,\nb", "note": None},
        {"id": "8", 'na"me': "c", "note": ""},
    ]


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_csv_finds_its_delimiter(delimiter: str) -> None:
    """The delimiter is the most frequent one in the header."""
    rows, _ = _read("csv", f"a{delimiter}b\n1{delimiter}x,y\n".encode())
    assert rows == [{"a": "1", "b": "x,y"}]


def test_csv_rows_of_another_shape_are_kept_back() -> None:
    """A row with too few or too many fields goes to the rejected ones, the rest is read."""
    rows, bad = _read("csv", b"a,b\n1,2\n3\n4,5,6\n7,8\n")
    assert [row["a"] for row in rows] == ["1", "7"]
    assert [text for text, _ in bad] == ["3", "4,5,6"]
    assert bad[0][1] == "1 fields where the header has 2"


def test_csv_rows_that_are_no_utf8_are_kept_back() -> None:
    """Bytes that are no UTF-8 cost their row."""
    rows, bad = _read("csv", b"a,b\n1,\xff\n2,ok\n")
    assert rows == [{"a": "2", "b": "ok"}]
    assert bad == [({"a": "1", "b": "\\xff"}, "the row is no UTF-8")]


@pytest.mark.parametrize("data", [b"", b"a,b\n", b"a,b"])
def test_csv_without_rows_is_empty(data: bytes) -> None:
    """An empty file and one with only a header have no rows, and that is no error."""
    assert _read("csv", data) == ([], [])


def test_csv_with_a_repeated_name_is_refused() -> None:
    """Two columns of one name cannot be told apart."""
    with pytest.raises(SourceError, match="repeated name"):
        _read("csv", b"a,a\n1,2\n")


def test_jsonl_bad_lines_are_kept_back() -> None:
    """Lines that are no JSON object cost themselves; blank ones are nothing."""
    rows, bad = _read("jsonl", b'\xef\xbb\xbf{"a":1}\n\nnot json\n[1]\n{"b":{"c":2}}\n{"a":')
    assert rows == [{"a": 1, "b": None}, {"a": None, "b": {"c": 2}}]
    assert [row for row, _ in bad] == ["not json", [1], '{"a":']
    assert bad[1][1] == "line 4 is no JSON object"


def test_jsonl_keeps_long_integers() -> None:
    """An integer of more than 64 bits is read digit by digit."""
    assert _read("jsonl", b'{"a": 123456789012345678901}')[0] == [{"a": 123456789012345678901}]


def test_a_file_that_is_no_parquet_says_so() -> None:
    """A file of another kind is an error in words."""
    with pytest.raises(SourceError, match="no readable Parquet"):
        _read("parquet", b"a,b\n1,2\n")
