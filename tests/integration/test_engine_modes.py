"""What each mode promises, on warehouses that hold the plan and on those that are only read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

Key = tuple[int, str]
Rows = dict[Key, tuple[str | None, int | None]]

FREE = {"min_rows": 0, "max_removed": "100%"}
texts = st.sampled_from(["ann", "bob", "", "ß", "O'Brien", "\\", "%s", "😀", " ", "NULL"])
keys = st.tuples(st.integers(-1, 3), st.sampled_from(["", "a", "A", "ä", "a ", "'"]))
values = st.tuples(st.one_of(st.none(), texts), st.one_of(st.none(), st.integers(-5, 5)))
tables = st.dictionaries(keys, values, max_size=9)
COLUMNS = "a INTEGER, b VARCHAR(20), name VARCHAR(200), age INTEGER"


def _state(rows: Rows) -> dict[Key, dict[str, Any]]:
    return {key: {"name": name, "age": age} for key, (name, age) in rows.items()}


def _held(hub: Any) -> dict[Key, dict[str, Any]]:
    """What the recorder holds, rows and events alike, by the key in the record."""
    records = [*hub.store.rows.values(), *hub.store.events]
    held = {(record["a"], record["b"]): {n: record[n] for n in ("name", "age")} for record in records}
    assert len(held) == len(records)
    return held


def _promised(mode: str, before: Rows, after: Rows, there: set[Key]) -> dict[Key, dict[str, Any]]:
    """What the destination holds after a run on `before` and a run on `after`."""
    if mode in {"mirror", "replace"}:
        return _state(after)
    if mode in {"insert", "append"}:
        return {**_state(after), **_state(before)}
    both = {**_state(before), **_state(after)}
    if mode == "upsert":
        return both
    return {key: both.get(key, {"name": "there", "age": 0}) for key in there}


@pytest.mark.parametrize("mode", ["upsert", "update", "mirror", "insert", "append", "replace"])
@given(before=tables, after=tables, there=st.sets(keys, max_size=4))
@settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_run_leaves_the_destination_as_its_mode_promises_and_a_second_sends_nothing(
    make_hub: Callable[[], Any], mode: str, before: Rows, after: Rows, there: set[Key]
) -> None:
    """For any two tables the destination holds what the mode promises, and running again sends nothing."""
    hub = make_hub()
    hub.limits = {"batch_size": 2, "concurrency": 2}
    hub.declared |= {
        "model": {"table": hub.table, "primary_key": ["a", "b"]},
        "mode": mode,
        "fields": {name: name for name in ("a", "b", "name", "age")},
        "guards": FREE,
    }
    if mode == "update":
        for a, b in there:
            record = {"a": a, "b": b, "name": "there", "age": 0}
            hub.store.rows[hub.store.identifier({"a": a, "b": b})] = record
    for rows in (before, after):
        hub.fill([(*key, *row) for key, row in rows.items()], COLUMNS)
        result = hub.run()
        assert (result.status, result.pending, result.rejected, result.invalid) == ("done", 0, 0, 0)
    assert _held(hub) == _promised(mode, before, after, there)
    assert hub.run().requests == 0
