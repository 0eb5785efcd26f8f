"""What each mode promises, on warehouses that hold the plan and on those that are only read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

Rows = dict[int, tuple[str | None, int | None]]

names = st.one_of(st.none(), st.sampled_from(["ann", "bob", "", "ß", "O'Brien", "\\", "%s", "😀"]))
tables = st.dictionaries(
    st.integers(0, 12), st.tuples(names, st.one_of(st.none(), st.integers(-5, 5))), min_size=0, max_size=9
)


def _state(rows: Rows) -> dict[int, dict[str, Any]]:
    return {key: {"name": name, "age": age} for key, (name, age) in rows.items()}


def _held(hub: Any) -> dict[int, dict[str, Any]]:
    """What the recorder holds, rows and events alike, by the id in the record."""
    records = [*hub.store.rows.values(), *hub.store.events]
    assert len({record["id"] for record in records}) == len(records)
    return {record["id"]: {n: record[n] for n in ("name", "age")} for record in records}


def _promised(mode: str, before: Rows, after: Rows) -> dict[int, dict[str, Any]]:
    """What the destination holds after a run on `before` and a run on `after`."""
    if mode in {"mirror", "replace"}:
        return _state(after)
    if mode in {"insert", "append"}:
        return {**_state(after), **_state(before)}
    return {**_state(before), **_state(after)}


@pytest.mark.parametrize("mode", ["upsert", "mirror", "insert", "append", "replace"])
@given(before=tables, after=tables)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_run_leaves_the_destination_as_its_mode_promises_and_a_second_sends_nothing(
    make_hub: Callable[[], Any], mode: str, before: Rows, after: Rows
) -> None:
    """For any two tables the destination holds what the mode promises, and running again sends nothing."""
    hub = make_hub()
    hub.declared |= {"mode": mode, "guards": {"min_rows": 0, "max_removed": "100%"}}
    for rows in (before, after):
        hub.fill([(key, *values) for key, values in rows.items()])
        result = hub.run()
        assert (result.status, result.pending, result.rejected) == ("done", 0, 0)
    assert _held(hub) == _promised(mode, before, after)
    assert hub.run().requests == 0
