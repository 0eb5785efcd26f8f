"""Runs, audit trail, model registry and loads, on every database that can hold a state."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

import pytest

from connectors.errors import StateError
from models.state import State
from models.state.audit import Audit
from models.state.loads import Loads
from models.state.registry import ModelVersion, Registry
from models.state.runs import Run, Runs, new_run_id

_NOON = dt.datetime(2026, 5, 4, 12, tzinfo=dt.UTC)


def _run(hour: int, **columns: Any) -> Run:
    return Run(**{"sync": "crm", "started_at": _NOON + dt.timedelta(hours=hour), **columns})


def test_run_ids_tell_their_time() -> None:
    """A run's id is its start in UTC and six characters that make it unique."""
    ids = {new_run_id() for _ in range(100)}
    assert len(ids) == 100
    assert all(re.fullmatch(r"\d{8}T\d{6}-[A-Z2-7]{6}", run_id) for run_id in ids)


def test_a_run_comes_back_as_it_was(state: State) -> None:
    """Every field of a run survives, and `update` changes those it names."""
    runs = Runs(state)
    run = _run(0, counts={"planned": {"add": 3}}, details={"unfinished": [[0, 5]]}, total=2**40, fence=7)
    runs.create(run)
    assert runs.get(run.id) == run
    runs.update(run.id, status="done", settled=True, finished_at=_NOON, error="a\x00b")
    changed = runs.get(run.id)
    assert changed is not None
    assert (changed.status, changed.settled, changed.finished_at) == ("done", True, _NOON)
    assert changed.error == "a\ufffdb"
    assert changed.total == 2**40


def test_unknown_runs(state: State) -> None:
    """A run that is not there is None to read and an error to change."""
    assert Runs(state).get("nosuch") is None
    assert Runs(state).latest("nosuch") is None
    with pytest.raises(KeyError, match="nosuch"):
        Runs(state).update("nosuch", status="done")


def test_runs_are_found_by_what_is_left_to_do(state: State) -> None:
    """History is newest first, unsettled runs oldest first, held ones apart from both."""
    runs = Runs(state)
    done, failed, held, other = (
        _run(1, status="done", settled=True),
        _run(2, status="failed"),
        _run(3, status="held"),
        _run(4, sync="ads", status="interrupted"),
    )
    going = _run(5, status="delivering")
    for run in (going, failed, done, other, held):
        runs.create(run)
    assert runs.history("crm") == [going, held, failed, done]
    assert runs.history("crm", limit=2) == [going, held]
    assert runs.history() == [going, other, held, failed, done]
    assert runs.latest("crm") == going
    assert runs.unsettled("crm") == [failed, going]
    assert runs.held("crm") == runs.held() == [held]
    assert runs.held("ads") == []


def test_prune_keeps_what_is_unsettled(state: State) -> None:
    """Only settled runs that finished before the moment are forgotten."""
    runs = Runs(state)
    old, new = _NOON - dt.timedelta(days=9), _NOON
    kept = [_run(1, settled=True, finished_at=new), _run(2, finished_at=old), _run(3, settled=True)]
    for run in (*kept, _run(4, settled=True, finished_at=old)):
        runs.create(run)
    assert runs.prune(_NOON - dt.timedelta(days=1)) == 1
    assert runs.history("crm") == kept[::-1]


def test_the_audit_trail(state: State) -> None:
    """Deeds come back newest first, of one subject or of all."""
    audit = Audit(state)
    audit.record("ada", "approve", "run 1", {"guard": "max_removed"})
    audit.record("bob", "reset", "crm")
    assert [(deed.actor, deed.action) for deed in audit.history()] == [("bob", "reset"), ("ada", "approve")]
    assert [deed.details for deed in audit.history("run 1")] == [{"guard": "max_removed"}]


def test_model_versions_have_one_champion(state: State) -> None:
    """Versions count from one in each prediction, and a promotion retires the champion before it."""
    registry = Registry(state)
    made = ModelVersion(prediction="churn", model_file="churn/1.txt", metrics={"auc": 0.9}, features=["age"])
    assert [registry.add(made), registry.add(made)] == [1, 2]
    assert registry.add(ModelVersion(prediction="ltv", model_file="x")) == 1
    assert registry.champion("churn") is None
    registry.promote("churn", 1, by="ada")
    registry.promote("churn", 2, by="bob")
    assert [(m.version, m.status) for m in registry.versions("churn")] == [(2, "champion"), (1, "retired")]
    champion = registry.champion("churn")
    assert champion is not None
    assert (champion.promoted_by, champion.metrics, champion.features) == ("bob", {"auc": 0.9}, ["age"])
    assert len(registry.versions()) == 3
    assert registry.get("churn", 3) is None


def test_promoting_what_is_not_there(state: State) -> None:
    """An unknown version is refused by name with those that exist, and the champion stays."""
    registry = Registry(state)
    registry.add(ModelVersion(prediction="churn", model_file="x"))
    registry.promote("churn", 1, by="ada")
    with pytest.raises(StateError, match="churn has no version 4; it has 1"):
        registry.promote("churn", 4, by="ada")
    with pytest.raises(StateError, match="train it first"):
        registry.promote("ltv", 1, by="ada")
    assert registry.champion("churn") is not None


def test_loads(state: State) -> None:
    """A load is running until it is finished with what its tables received."""
    loads = Loads(state)
    first, second = loads.start("shop"), loads.start("events")
    loads.finish(first, "done", {"orders": {"rows": 10, "rejected": 1}})
    assert [(load.id, load.status) for load in loads.history()] == [(second, "running"), (first, "done")]
    assert loads.history("shop")[0].tables == {"orders": {"rows": 10, "rejected": 1}}
    with pytest.raises(KeyError):
        loads.finish(999, "done", {})
