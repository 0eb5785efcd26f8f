"""Rows that are not sent, were refused, or are taken as sent; guards; and what is written down of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from connectors.errors import ConfigError
from connectors.operation import Kind, Rejection
from models.state.runs import Runs
from syncs.home import open_home
from syncs.inspection import rejected
from syncs.run import Options
from syncs.upkeep import mark_for_retry, reset

OWN = pytest.mark.parametrize("make_hub", ["duckdb", "postgres"], indirect=True)
FREE = {"guards": {"min_rows": 0, "max_removed": "100%"}}


def _refuse(*ids: int) -> Any:
    def failure(batch: Any) -> list[Rejection]:
        return [Rejection(o, "bad", f"no {o.key['id']}") for o in batch if o.key["id"] in ids]

    return failure


def _sent(hub: Any) -> list[tuple[str, Any]]:
    sent = [(operation.kind.value, operation.key["id"]) for operation in hub.store.operations]
    hub.store.batches.clear()
    return sorted(sent)


def _query(hub: Any, sql: str) -> list[tuple[Any, ...]]:
    job = hub.job()
    with open_home(job.warehouse, job.folder, "a test") as home:
        found: list[tuple[Any, ...]] = home.session.rows(sql)
    return found


def test_rows_without_a_key_of_their_own_are_counted_listed_and_never_sent(hub: Any) -> None:
    """A duplicate neither changes nor removes what was delivered, and is valid again once it is alone."""
    hub.fill([(1, "ann", 1), (2, "bob", 2), (3, "eve", 3)])
    hub.run()
    _sent(hub)
    hub.fill(
        [(1, "ann", 1), (1, "ann", 1), (2, "x", 2), (2, "y", 2), (None, "n", 1), (None, "m", 1), (4, "d", 4)]
    )
    for planned in (2, 0):
        result = hub.run(**FREE)
        assert (result.invalid, sum(result.planned.values()), result.exit_code) == (6, planned, 3)
        listed = {(row["code"], row["key"]["id"], row["rows"]) for row in rejected(hub.job())}
        assert listed == {("duplicate_key", 1, 2), ("duplicate_key", 2, 2), ("null_key", None, 2)}
    assert _sent(hub) == [("add", 4), ("remove", 3)]
    hub.fill([(1, "ann", 1), (2, "x", 2), (4, "d", 4)])
    assert hub.run().exit_code == 0
    assert _sent(hub) == [("change", 2)]
    assert rejected(hub.job()) == []


@OWN
def test_composite_keys_are_whole_or_invalid(hub: Any) -> None:
    """A key of several columns is null where one of them is, and twice only where all of them are."""
    said: dict[str, Any] = {
        "model": {"table": hub.table, "primary_key": ["a", "b"]},
        "fields": {"name": "name"},
        **FREE,
    }
    columns = "a INTEGER, b VARCHAR(20), name VARCHAR(20)"
    hub.fill(
        [(1, "x", "one"), (1, "y", "two"), (2, "x", "three"), (1, None, "n"), (3, "z", "d"), (3, "z", "d")],
        columns,
    )
    result = hub.run(**said)
    assert (result.delivered[Kind.ADD], result.invalid) == (3, 3)
    hub.fill([(1, "x", "one"), (1, "y", "TWO")], columns)
    result = hub.run(**said)
    assert result.planned == {Kind.ADD: 0, Kind.CHANGE: 1, Kind.REMOVE: 1}
    assert sorted(row["name"] for row in hub.store.rows.values()) == ["TWO", "one"]


@OWN
def test_without_backfill_todays_rows_are_taken_as_delivered(hub: Any) -> None:
    """Only what changes later is sent."""
    hub.fill([(1, "ann", 1), (2, "bob", 2)])
    result = hub.run(backfill=False)
    assert (result.baseline, result.requests, result.exit_code) == (2, 0, 0)
    hub.fill([(1, "ANN", 1), (3, "new", 3)])
    hub.run(backfill=False)
    assert _sent(hub) == [("add", 3), ("change", 1), ("remove", 2)]


@OWN
def test_resync_sends_every_present_row_and_removes_nothing(hub: Any) -> None:
    """Rows that were refused before are present too."""
    hub.fill([(1, "ann", 1), (2, "bob", 2), (3, "eve", 3)])
    hub.store.failures.append(_refuse(3))
    hub.run(retry_rejected="never")
    _sent(hub)
    hub.fill([(1, "ann", 1), (3, "eve", 3), (4, "new", 4)])
    hub.run(Options(resend=True), retry_rejected="never", **FREE)
    assert _sent(hub) == [("add", 3), ("add", 4), ("change", 1)]
    assert hub.run(**FREE).planned[Kind.REMOVE] == 1


@OWN
def test_reset_forgets_and_sends_nothing(hub: Any) -> None:
    """The next run is a first run."""
    hub.fill([(1, "ann", 1)])
    hub.run()
    _sent(hub)
    reset(hub.job(), "ann")
    assert _sent(hub) == []
    hub.run()
    assert _sent(hub) == [("add", 1)]


@pytest.mark.parametrize(
    "moved", [{"destination": "other"}, {"object": "contacts"}, {"model": {"primary_key": "age"}}]
)
def test_another_destination_object_or_key_is_refused_with_the_way_out(
    hub: Any, moved: dict[str, Any]
) -> None:
    """What was accepted elsewhere says nothing of here; `resync` and `reset` both go on."""
    hub.fill([(1, "ann", 1), (2, "bob", 2)])
    hub.run()
    _sent(hub)
    if "model" in moved:
        moved = {"model": {"table": hub.table, "primary_key": "age"}}
    with pytest.raises(ConfigError, match=r"resync .* reset"):
        hub.run(**moved)
    assert _sent(hub) == [] if "model" not in moved else True
    hub.run(Options(resend=True), **moved)
    assert [operation.kind for operation in hub.store.operations] == [Kind.ADD, Kind.ADD]
    assert hub.run(**moved).requests == 0


@OWN
@pytest.mark.parametrize(
    ("policy", "unchanged", "changed"),
    [("every_run", [("add", 2)], [("add", 2)]), ("on_change", [], [("add", 2)]), ("never", [], [])],
)
def test_rejected_rows_are_tried_again_as_the_policy_says(
    hub: Any, policy: str, unchanged: list[Any], changed: list[Any]
) -> None:
    """A row that is kept back still counts: the run is not done without it. `retry` overrides once."""
    said = {"retry_rejected": policy}
    hub.fill([(1, "ann", 1), (2, "bob", 2)])
    hub.store.failures.append(_refuse(2))
    result = hub.run(**said)
    assert (result.rejected, result.exit_code) == (1, 3)
    _sent(hub)
    for _ in range(2):
        hub.store.failures.append(_refuse(2))
        result = hub.run(**said)
        hub.store.failures.clear()
        assert (_sent(hub), result.exit_code, result.kept_back) == (unchanged, 3, 1 - len(unchanged))
    [row] = rejected(hub.job())
    assert (row["attempts"], row["code"], row["operation"]) == (1 + 2 * len(unchanged), "bad", "add")
    assert row["first_at"] <= row["last_at"]
    hub.fill([(1, "ann", 1), (2, "BOB", 2)])
    hub.store.failures.append(_refuse(2))
    hub.run(**said)
    hub.store.failures.clear()
    assert _sent(hub) == changed
    assert mark_for_retry(hub.job()) == 1
    assert hub.run(**said).exit_code == 0
    assert (_sent(hub), rejected(hub.job())) == ([("add", 2)], [])


@OWN
def test_a_rejected_row_that_nobody_wants_any_more_is_forgotten(hub: Any) -> None:
    """An upsert removes nothing: a row that was refused and is gone keeps no run from being done."""
    said = {"mode": "upsert", "retry_rejected": "never"}
    hub.fill([(1, "ann", 1), (2, "bob", 2)])
    hub.run(**said)
    hub.fill([(1, "ann", 1), (2, "BOB", 2)])
    hub.store.failures.append(_refuse(2))
    assert hub.run(**said).exit_code == 3
    hub.fill([(1, "ann", 1)])
    assert hub.run(**said).exit_code == 0
    assert rejected(hub.job()) == []


@pytest.mark.parametrize(
    ("guards", "rows", "held"),
    [
        ({"max_removed": "20%"}, 8, False),
        ({"max_removed": "20%"}, 7, True),
        ({"max_removed": 3}, 7, False),
        ({"max_removed": 2}, 7, True),
        ({}, 5, False),
        ({}, 4, True),
        ({"max_removed": "100%"}, 0, True),
        ({"max_removed": "100%", "min_rows": 0}, 0, False),
        ({"max_removed": "100%", "min_rows": 3}, 3, False),
        ({"max_removed": "100%", "min_rows": 3}, 2, True),
    ],
)
@pytest.mark.parametrize("make_hub", ["duckdb"], indirect=True)
def test_guards_hold_just_beyond_their_boundary(
    make_hub: Callable[[], Any], guards: dict[str, Any], rows: int, *, held: bool
) -> None:
    """Ten rows were delivered; a mirror never removes more than half of them unless the sync says so."""
    hub = make_hub()
    hub.fill([(number, "n", 1) for number in range(10)])
    hub.run()
    writes = hub.store.writes
    hub.fill([(number, "n", 1) for number in range(rows)])
    result = hub.run(guards=guards)
    assert (result.exit_code == 4, bool(result.held_by), hub.store.writes == writes) == (held, held, held)


@pytest.mark.parametrize("make_hub", ["duckdb"], indirect=True)
@pytest.mark.parametrize(
    ("guards", "changed", "twice", "held"),
    [
        ({"max_changed": "30%"}, 3, 0, False),
        ({"max_changed": "30%"}, 4, 0, True),
        ({"max_invalid": 2}, 1, 1, False),
        ({"max_invalid": 1}, 1, 1, True),
    ],
)
def test_guards_of_changes_and_invalid_rows(
    make_hub: Callable[[], Any], guards: dict[str, Any], changed: int, twice: int, *, held: bool
) -> None:
    """A mistake in a model that touches too many rows is held before it is sent."""
    hub = make_hub()
    hub.fill([(number, "n", 1) for number in range(10)])
    hub.run()
    rows = [(number, "m" if number < changed else "n", 1) for number in range(10)]
    hub.fill(rows + [(9, "n", 1)] * twice)
    assert (hub.run(guards=guards).exit_code == 4) is held


@OWN
def test_each_row_is_written_down_and_old_words_are_pruned(hub: Any) -> None:
    """The log holds run, key, operation and outcome; rows older than the sync keeps them go."""
    hub.fill([(1, "ann", 1), (2, "bob", 2)])
    hub.store.failures.append(_refuse(2))
    first = hub.run()
    log = 'SELECT run, "key", operation, outcome, code, message FROM headrace.sync_log ORDER BY "key"'
    rows = [(run, key.replace(" ", ""), *rest) for run, key, *rest in _query(hub, log)]
    assert rows == [
        (first.run_id, '{"id":1}', "add", "accepted", None, None),
        (first.run_id, '{"id":2}', "add", "rejected", "bad", "no 2"),
    ]
    job = hub.job()
    with open_home(job.warehouse, job.folder, "a test") as home:
        home.session.run("UPDATE headrace.sync_log SET \"at\" = now() - INTERVAL '31 days'")
    second = hub.run()
    assert [(row[0], row[3]) for row in _query(hub, log)] == [(second.run_id, "accepted")]
    assert [run.counts["rejected"] for run in Runs(hub.state).history(hub.name)] == [0, 1]
