"""A column's type changes, or was never known: what that sends again, and what it must not."""

from __future__ import annotations

from typing import Any

import pytest

from connectors.errors import ConfigError
from connectors.operation import Kind, Rejection

ALL = {"guards": {"min_rows": 0, "max_removed": "100%"}}


def _kinds(hub: Any) -> list[tuple[str, int]]:
    sent = [(operation.kind.value, operation.key["id"]) for operation in hub.store.operations]
    hub.store.batches.clear()
    return sent


def test_a_mirror_of_a_table_that_was_emptied_removes_its_rows(hub: Any) -> None:
    """Where no row is left to tell a column's type, the snapshot still knows it."""
    hub.fill([(1, "ann", 3), (2, None, None)])
    hub.run(**ALL)
    hub.fill([])
    result = hub.run(**ALL)
    assert (result.planned[Kind.REMOVE], result.invalid, hub.store.rows) == (2, 0, {})


def test_a_column_of_nulls_that_gets_values_changes_only_its_rows(hub: Any) -> None:
    """A type that shows only later re-sends the rows that have a value, and no others."""
    hub.fill([(1, "ann", None), (2, "bob", None)])
    hub.run()
    hub.fill([(1, "ann", None), (2, "bob", 7)])
    assert hub.run().planned == {Kind.ADD: 0, Kind.CHANGE: 1, Kind.REMOVE: 0}
    hub.fill([(1, "ann", None), (2, "bob", None)])
    assert hub.run().planned[Kind.CHANGE] == 1
    assert hub.run().requests == 0


@pytest.mark.parametrize("wider", ["BIGINT", "DECIMAL(20, 2)"])
def test_a_wider_number_of_the_same_value_is_no_change(hub: Any, wider: str) -> None:
    """Numbers are compared as numbers, keys too, whatever type the warehouse gives them."""
    rows = [(1, "ann", 3), (2, "bob", -4), (3, "eve", None)]
    hub.fill(rows)
    hub.run()
    hub.fill(rows, f"id {wider}, name VARCHAR(200), age {wider}")
    result = hub.run()
    assert (result.status, result.requests) == ("done", 0)
    hub.fill([(1, "ann", 3), (2, "bob", -5)], f"id {wider}, name VARCHAR(200), age {wider}")
    assert hub.run(**ALL).planned == {Kind.ADD: 0, Kind.CHANGE: 1, Kind.REMOVE: 1}


def test_a_number_is_not_the_text_that_spells_it(hub: Any) -> None:
    """The text '5' that becomes the number 5 is another record."""
    hub.fill([(1, "ann", 5), (2, "bob", None)])
    hub.run(fields={"age": "cast(age as char(1))"})
    hub.store.batches.clear()
    hub.run(fields={"age": "age"})
    assert _kinds(hub) == [("change", 1)]


def test_another_type_of_the_primary_key_is_refused_with_the_way_out(hub: Any) -> None:
    """Nobody can say that row 5 is row '5': a person decides, and `resync` then starts anew."""
    from syncs.run import Options

    hub.fill([(1, "ann", 3)])
    hub.run()
    hub.fill([("1", "ann", 3)], "id VARCHAR(20), name VARCHAR(200), age INTEGER")
    with pytest.raises(ConfigError, match=r"primary key id was integer and is text.*resync"):
        hub.run()
    result = hub.run(Options(resend=True))
    assert result.planned == {Kind.ADD: 1, Kind.CHANGE: 0, Kind.REMOVE: 0}
    assert hub.run().requests == 0


def test_a_wider_key_is_wider_among_rejected_rows_too(hub: Any) -> None:
    """A rejected row is found again under its key's new type."""
    hub.fill([(1, "ann", 3), (2, "bob", 4)])
    hub.store.failures.append(lambda batch: [Rejection(batch[0], "bad", "no")])
    assert hub.run().rejected == 1
    hub.fill([(1, "ann", 3), (2, "bob", 4)], "id DECIMAL(30, 0), name VARCHAR(200), age INTEGER")
    hub.store.failures.append(lambda batch: [Rejection(batch[0], "bad", "no")])
    assert hub.run().rejected == 1
    assert hub.run().delivered[Kind.ADD] == 1
    assert hub.run().requests == 0


def test_a_column_of_mixed_numbers_is_read_as_its_widest(hub: Any) -> None:
    """SQLite keeps 1 and 1.5 of one column in two types."""
    hub.fill([(1, 1), (2, 1.5)], "id INTEGER, age NUMERIC(5, 1)")
    hub.run(fields={"age": "age"})
    assert [float(hub.store.rows[key]["age"]) for key in "12"] == [1.0, 1.5]
    assert hub.run(fields={"age": "age"}).requests == 0
