"""What runs that did not end in order leave behind, and what the next run makes of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from connectors.errors import LeaseLost, SnapshotMoved, Unauthorized, Unavailable
from connectors.operation import Kind
from connectors.testing import Recorder
from models.state import open_state
from models.state.runs import Run, Runs
from syncs.deliver import Patience
from syncs.home import open_home
from syncs.journal import Entry
from syncs.lease import hold
from syncs.names import Tables
from syncs.run import Options, approve, cancel
from syncs.settle import Outcome, settle
from syncs.snapshot import prepare, read_bearing

pytestmark = pytest.mark.parametrize("make_hub", ["duckdb", "postgres"], indirect=True)

ALL = {"guards": {"min_rows": 0, "max_removed": "100%"}}
HASTY = Options(patience=Patience(attempts=1))


class Died(BaseException):
    """Stands in for the death of the process."""


def _die(*_: object, **__: object) -> Any:
    raise Died


def _spools(hub: Any) -> list[Path]:
    return sorted((hub.folder / "spool").glob("*")) if (hub.folder / "spool").exists() else []


def _names(hub: Any) -> dict[str, Any]:
    return {key: row["name"] for key, row in hub.store.rows.items()}


@pytest.fixture
def rows() -> list[tuple[Any, ...]]:
    """Ten rows."""
    return [(number, f"n{number}", number) for number in range(10)]


def test_a_spool_that_a_dead_run_left_is_deleted(
    hub: Any, rows: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file holds personal data: it goes with the run, also where that died before it sent anything."""
    hub.fill(rows)
    with monkeypatch.context() as patched:
        patched.setattr("syncs.run.carry_out", _die)
        with pytest.raises(Died):
            hub.run()
    assert len(_spools(hub)) == 1
    result = hub.run()
    assert (result.status, len(hub.store.rows), _spools(hub)) == ("done", 10, [])


def test_a_destination_that_cannot_be_opened_has_been_sent_nothing(
    hub: Any, rows: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next run plans from today's rows: one that was deleted meanwhile is not sent first."""
    hub.fill(rows)
    with monkeypatch.context() as patched:

        async def refuse(_: Any) -> None:
            raise Unauthorized("no")

        patched.setattr(Recorder, "start", refuse)
        with pytest.raises(Unauthorized):
            hub.run()
    hub.fill(rows[1:])
    result = hub.run(mode="upsert")
    assert (result.status, len(hub.store.rows), len(hub.store.operations)) == ("done", 9, 9)


def test_a_change_that_was_under_way_and_was_taken_back_is_corrected(
    hub: Any, rows: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The batch was written and never journalled; then the row changed back: the destination gets both."""
    hub.fill(rows)
    hub.run()
    hub.fill([(0, "other", 0), *rows[1:]])
    with monkeypatch.context() as patched:
        patched.setattr("syncs.journal.Journal.record", _die)
        with pytest.raises(BaseExceptionGroup):
            hub.run()
    assert _names(hub)["0"] == "other"
    hub.fill(rows)
    hub.run()
    assert _names(hub)["0"] == "n0"
    assert hub.run().requests == 0


def test_recovery_that_dies_too_is_recovered(
    hub: Any, rows: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sending again may be killed like anything else: before it wrote, after it, before it was settled."""
    hub.fill(rows)
    hub.limits = {"batch_size": 2, "concurrency": 2}
    for place in ("syncs.journal.Journal.record", "syncs.recover.carry_out", "syncs.recover.settle"):
        with monkeypatch.context() as patched:
            patched.setattr(place, _die)
            patched.setattr("syncs.run.settle", _die)
            with pytest.raises((Died, BaseExceptionGroup)):
                hub.run()
    hub.fill(rows[5:])
    assert hub.run(**ALL).status == "done"
    assert sorted(hub.store.rows) == ["5", "6", "7", "8", "9"]
    assert hub.run().requests == 0


def test_a_destination_that_is_down_while_recovering_ends_the_run_with_nothing_planned(
    hub: Any, rows: list[Any]
) -> None:
    """What may have been sent comes first; the run after that settles both."""
    hub.fill(rows)
    hub.store.failures.append(Unavailable("down"))
    assert hub.run(HASTY).exit_code == 1
    hub.fill(rows[5:])
    hub.store.failures.append(Unavailable("down"))
    result = hub.run(HASTY)
    assert (result.exit_code, result.planned[Kind.ADD], hub.store.rows) == (1, 0, {})
    assert hub.run(**ALL).status == "done"
    assert sorted(hub.store.rows) == ["5", "6", "7", "8", "9"]


@pytest.mark.parametrize("mode", ["mirror", "upsert", "append", "replace"])
def test_a_lost_state_loses_no_row(
    hub: Any, rows: list[Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, mode: str
) -> None:
    """A plan of which the state knows nothing may have been sent: its rows are, whatever the model says."""
    said = {"mode": mode, **ALL}
    hub.fill(rows)
    hub.run(**said)
    hub.fill([(0, "other", 0), *rows[1:5], (77, "new", 1)])
    with monkeypatch.context() as patched:
        patched.setattr("syncs.run._settle", _die)
        with pytest.raises(Died):
            hub.run(**said)
    hub.fill(rows)
    with open_state(f"sqlite:///{tmp_path}/another.db") as hub.state:
        assert hub.run(**said).status == "done"
        expected = {str(number): f"n{number}" for number in range(10)}
        if mode == "append":
            held = {record["id"]: record["name"] for record in hub.store.events}
            assert set(held) == {*range(10), 77}
        else:
            assert _names(hub) == expected | ({"77": "new"} if mode == "upsert" else {})
        assert hub.run(**said).requests == 0


def test_a_whole_set_that_may_have_become_visible_is_sent_again(
    hub: Any, rows: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The set was replaced, the process died, the model went back to what it was: so must the destination."""
    said = {"mode": "replace", **ALL}
    hub.fill([])
    hub.run(**said)
    hub.fill(rows)
    with monkeypatch.context() as patched:
        patched.setattr("syncs.run._settle", _die)
        with pytest.raises(Died):
            hub.run(**said)
    assert len(hub.store.rows) == 10
    hub.fill([])
    hub.run(**said)
    assert hub.store.rows == {}
    assert hub.run(**said).requests == 0


def test_a_replacement_that_fails_in_the_middle_shows_nothing_of_itself(hub: Any, rows: list[Any]) -> None:
    """All or nothing: the old set stays visible until the new one is whole."""
    hub.limits = {"batch_size": 3, "concurrency": 1}
    said = {"mode": "replace", **ALL}
    hub.fill(rows[:4])
    hub.run(**said)
    hub.fill(rows)
    hub.store.failures.extend([lambda _: [], Unavailable("down")])
    result = hub.run(HASTY, **said)
    assert (result.exit_code, result.delivered[Kind.ADD], result.pending) == (1, 0, 10)
    assert sorted(hub.store.rows) == ["0", "1", "2", "3"]
    assert hub.run(**said).status == "done"
    assert len(hub.store.rows) == 10


def test_a_replacement_keeps_rows_whose_key_became_a_duplicate(hub: Any, rows: list[Any]) -> None:
    """An invalid row is not sent, and it removes nothing either."""
    said = {"mode": "replace", **ALL}
    hub.fill(rows[:3])
    hub.run(**said)
    hub.fill([*rows[:2], (2, "twice", 1), (2, "twice", 2), (3, "n3", 3)])
    result = hub.run(**said)
    assert (result.invalid, _names(hub)) == (2, {"0": "n0", "1": "n1", "2": "n2", "3": "n3"})
    assert hub.run(**said).requests == 0


def test_a_process_that_slept_through_its_lease_plans_nothing(
    hub: Any, rows: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its plan would take the place of the one that a newer process is delivering."""
    hub.fill(rows)

    def late(*_: object) -> None:
        raise LeaseLost("gone")

    with monkeypatch.context() as patched:
        patched.setattr("syncs.lease.Lease.check", late)
        with pytest.raises(LeaseLost):
            hub.run()
    tables = Tables(hub.name)
    job = hub.job()
    with open_home(job.warehouse, job.folder, "a test") as home:
        prepare(home.session)
        assert read_bearing(home.session, tables) is None
    assert hub.store.writes == 0
    assert hub.run().status == "done"


def test_a_held_plan_is_delivered_exactly_or_not_at_all(hub: Any, rows: list[Any]) -> None:
    """Approved, it delivers what was planned, not what the model says by now, and only to where."""
    guards = {"guards": {"max_removed": "50%"}}
    hub.fill(rows)
    hub.run(**guards)
    hub.fill([(0, "other", 0)])
    held = hub.run(**guards)
    assert (held.exit_code, held.pending) == (4, 10)
    assert hub.run(**guards).run_id == held.run_id
    hub.fill([])
    with pytest.raises(SnapshotMoved):
        approve(hub.job(**guards, destination="elsewhere"), held.run_id, "ann")
    result = approve(hub.job(**guards), held.run_id, "ann")
    assert (result.status, _names(hub)) == ("done", {"0": "other"})
    assert hub.run(**guards).held_by


def test_a_held_plan_whose_snapshot_moved_is_refused_and_can_be_cancelled(hub: Any, rows: list[Any]) -> None:
    """The plan was made against what the destination had accepted then."""
    hub.fill(rows)
    hub.run()
    hub.fill([])
    held = hub.run()
    job = hub.job()
    with open_home(job.warehouse, job.folder, "a test") as home:
        home.session.run("UPDATE headrace.snapshots SET revision = revision + 1")
    with pytest.raises(SnapshotMoved, match="cancel"):
        approve(job, held.run_id, "ann")
    cancel(job, held.run_id, "ann")
    assert Runs(hub.state).held(hub.name) == []
    assert hub.run().held_by
    assert len(hub.store.rows) == 10


def test_a_run_that_slept_settles_nothing_over_a_newer_one(
    make_hub: Callable[[], Any], rows: list[Any]
) -> None:
    """The lease's token stands beside the snapshot: an older one is refused there."""
    hub = make_hub()
    hub.fill(rows)
    hub.run()
    hub.fill([])
    held = hub.run()
    job = hub.job()
    with open_home(job.warehouse, job.folder, "a test") as home, pytest.raises(LeaseLost):
        settle(home, Tables(hub.name), 0, Outcome(held.run_id, [Entry(0, 10)]))
    with hold(hub.state, f"sync:{hub.name}") as lease:
        assert lease.token > 2


def test_runs_of_the_state_are_what_was_delivered(hub: Any, rows: list[Any]) -> None:
    """A run's totals are kept with its end."""
    hub.fill(rows)
    result = hub.run()
    [run] = Runs(hub.state).history(hub.name)
    assert isinstance(run, Run)
    assert (run.id, run.status, run.settled, run.total) == (result.run_id, "done", True, 10)
    assert run.counts["delivered"] == {"add": 10, "change": 0, "remove": 0}
    assert run.finished_at is not None
