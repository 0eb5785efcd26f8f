"""Shaping: the schema contract, keys, and rows that are kept back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from connectors.errors import SourceError
from connectors.sources.kinds import typed_as
from connectors.sources.rejected import RejectedRows
from connectors.sources.settings import ContractParts
from connectors.sources.shape import Shaper, TableRules

_KNOWN = {"id": {"data_type": "bigint"}, "amount": {"data_type": "double"}}


def _shape(
    tmp_path: Path, columns: dict[str, list[Any]], contract: dict[str, str] | None = None, **rules: Any
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], Shaper]:
    with RejectedRows("orders", tmp_path) as rejected:
        settled = TableRules(
            table="orders",
            contract=ContractParts.model_validate(contract or {}),
            primary_key=rules.pop("primary_key", ("id",)),
            known=rules.pop("known", _KNOWN),
            normal=str.lower,
            types=rules.pop("types", {"extra": typed_as("text")}),
            **rules,
        )
        shaper = Shaper(settled, rejected)
        table = shaper.shape(columns, "part.csv")
        kept = [row for batch in rejected.batches() for row in batch.to_pylist()]
    return table.to_pylist() if table is not None else [], kept, shaper


def test_evolve_adds_a_column(tmp_path: Path) -> None:
    """A new column is added and reported."""
    rows, kept, shaper = _shape(tmp_path, {"id": [1], "extra": ["x"]})
    assert rows == [{"id": 1, "extra": "x"}]
    assert (kept, list(shaper.columns_added)) == ([], ["extra"])


def test_evolve_puts_a_value_of_another_type_beside_its_column(tmp_path: Path) -> None:
    """A value that does not fit goes to a text column of its own, the row stays."""
    rows, kept, shaper = _shape(tmp_path, {"id": [1, 2], "amount": [1.5, "n/a"]})
    assert rows == [
        {"id": 1, "amount": 1.5, "amount__v_text": None},
        {"id": 2, "amount": None, "amount__v_text": "n/a"},
    ]
    assert (kept, list(shaper.columns_added)) == ([], ["amount__v_text"])


def test_discard_keeps_rows_with_a_new_column_back(tmp_path: Path) -> None:
    """Rows that bring a value for a new column are rejected whole; rows without one are loaded."""
    rows, kept, _ = _shape(tmp_path, {"id": [1, 2], "extra": [None, "x"]}, {"columns": "discard"})
    assert rows == [{"id": 1}]
    assert [(row["row"], row["origin"]) for row in kept] == [('{"id":2,"extra":"x"}', "part.csv")]
    assert "extra is new" in kept[0]["reason"]


def test_discard_keeps_values_of_another_type_back(tmp_path: Path) -> None:
    """Rows with a value that does not fit are rejected with the reason."""
    rows, kept, _ = _shape(tmp_path, {"id": [1, 2], "amount": ["x", 2]}, {"data_type": "discard"})
    assert rows == [{"id": 2, "amount": 2.0}]
    assert kept[0]["reason"] == "column amount is float, not 'x'"


def test_freeze_names_table_and_column(tmp_path: Path) -> None:
    """A frozen contract fails with the table's and the column's name, and shows no value."""
    with pytest.raises(SourceError, match="orders: the source has a new column 'extra'"):
        _shape(tmp_path, {"id": [1], "extra": ["x"]}, {"columns": "freeze"})
    with pytest.raises(
        SourceError, match="orders: column 'amount' is float, and 1 of 1 values are not"
    ) as caught:
        _shape(tmp_path, {"id": [1], "amount": ["private"]}, {"data_type": "freeze"})
    assert "private" not in str(caught.value)


def test_a_new_table_may_have_any_columns(tmp_path: Path) -> None:
    """The contract speaks of changes: the first load settles the columns."""
    rows, _, _ = _shape(
        tmp_path,
        {"id": [1], "extra": ["x"]},
        {"columns": "freeze"},
        known={},
        types={"id": typed_as("integer"), "extra": typed_as("text")},
    )
    assert rows == [{"id": 1, "extra": "x"}]


def test_rows_without_a_key_are_kept_back(tmp_path: Path) -> None:
    """A null in the primary key costs the row."""
    rows, kept, _ = _shape(tmp_path, {"id": [None, 2], "amount": [1, 2]})
    assert [row["id"] for row in rows] == [2]
    assert kept[0]["reason"] == "primary key id is null"


def test_a_primary_key_that_is_no_column_is_an_error(tmp_path: Path) -> None:
    """A key that the source does not have is named, with what there is."""
    with pytest.raises(SourceError, match=r"primary key 'key' is no column.*'id'"):
        _shape(tmp_path, {"id": [1]}, primary_key=("key",))


def test_two_columns_may_not_share_a_name(tmp_path: Path) -> None:
    """Names that become one in the warehouse are an error that names both."""
    with pytest.raises(SourceError, match="'Id' and 'id' would both be called 'id'"):
        _shape(tmp_path, {"Id": [1], "id": [2]})


def test_postgres_cannot_hold_a_nul(tmp_path: Path) -> None:
    """A text with a NUL is kept back on PostgreSQL, and binary is written as it reads it."""
    rows, kept, _ = _shape(
        tmp_path,
        {"id": pa.array([1, 2]), "extra": pa.array(["a\x00b", "c"]), "raw": pa.array([b"\x00", b"\xff"])},
        on_postgres=True,
    )
    assert rows == [{"id": 2, "extra": "c", "raw": "\\xff"}]
    assert "NUL" in kept[0]["reason"]


def test_rejected_rows_do_not_wait_in_memory(tmp_path: Path) -> None:
    """They wait in a file that is gone afterwards, and come back in batches."""
    with RejectedRows("orders", tmp_path) as rejected:
        for number in range(25_000):
            rejected.add({"n": number, "raw": b"\x01"}, "because")
        sizes = [batch.num_rows for batch in rejected.batches()]
    assert (rejected.count, sizes) == (25_000, [10_000, 10_000, 5_000])
    assert list(tmp_path.iterdir()) == []
