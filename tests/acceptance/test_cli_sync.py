"""`headrace sync`: every subcommand, against a webhook that refuses what it is told to."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from connectors.testing import Received, Reply, Sink, serve
from models.state import open_state
from syncs.lease import hold

MODEL = "-- primary_key: id\nselect id, email, points from shop.people\n"
SYNC = "model: people\ndestination: hook\nmode: mirror\nfields: {email: email, points: points}\n"


class Hook:
    """A receiver of the webhook format that refuses some keys."""

    def __init__(self) -> None:
        self.refused: set[int] = set()
        self.rows: list[dict[str, Any]] = []

    def __call__(self, request: Received) -> Reply:
        """Take the rows, but for the refused ones."""
        rows = request.json()["rows"]
        bad = [index for index, row in enumerate(rows) if row["key"]["id"] in self.refused]
        self.rows += [row for index, row in enumerate(rows) if index not in bad]
        named = [{"index": index, "code": "no_consent", "message": "asked not to be kept"} for index in bad]
        return Reply(json={"rejected": named})


@pytest.fixture
def hook() -> Hook:
    """The receiver's mind."""
    return Hook()


@pytest.fixture
def sink(hook: Hook) -> Iterator[Sink]:
    """The receiver, listening."""
    with serve(answer=hook) as running:
        yield running


@pytest.fixture
def cli(make_project: Callable[[Mapping[str, str]], Any], sink: Sink) -> Any:
    """A project with ten people and a mirror of them."""
    made = make_project(
        {
            "models/people.sql": MODEL,
            "syncs/people_out.yml": SYNC,
            "destinations/hook.yml": f"type: webhook\nurl: {sink.url}/rows\nbatch_size: 5\n",
        }
    )
    made.sql(
        "CREATE SCHEMA shop",
        "CREATE TABLE shop.people AS SELECT i AS id, 'p' || i || '@example.com' AS email, i * 10 AS points "
        "FROM range(10) AS t(i)",
    )
    return made


def test_a_row_is_followed_from_plan_to_answer(cli: Any, hook: Hook) -> None:
    """Plan, dry run, run, list, history and explain tell of the same ten rows; a second run sends nothing."""
    plan = cli("sync", "plan", "people_out", "--rows", "2", "--json")
    assert plan.code == 0
    assert plan.json["planned"] == {"add": 10, "change": 0, "remove": 0}
    assert len(plan.json["samples"]) == 2
    dry = cli("sync", "run", "people_out", "--dry-run")
    assert (dry.code, hook.rows) == (0, [])
    assert "p0@example.com" in dry.out
    run = cli("sync", "run", "people_out", "--json")
    assert run.code == 0
    assert run.json["delivered"] == {"add": 10, "change": 0, "remove": 0}
    assert {"run_id", "status", "pending", "requests", "retries", "throttled_seconds", "seconds"} <= set(
        run.json
    )
    assert len(hook.rows) == 10
    again = cli("sync", "run", "people_out")
    assert (again.code, again.out.splitlines()[0].partition(",")[0]) == (0, "people_out: nothing to send")
    [listed] = cli("sync", "list", "--json").json["syncs"]
    assert (listed["name"], listed["last_run"]["status"]) == ("people_out", "done")
    history = cli("sync", "history", "people_out", "--json").json["runs"]
    assert [one["planned"]["add"] for one in history] == [0, 10]
    explained = cli("sync", "explain", "people_out", "3", "--json").json
    assert explained["verdict"] == "delivered"
    assert explained["accepted"] == {"email": "p3@example.com", "points": 30}


def test_rejected_rows_are_named_and_tried_again(cli: Any, hook: Hook) -> None:
    """A refused row makes exit code 3, is listed with the destination's words, and goes when retried."""
    hook.refused = {4}
    run = cli("sync", "run", "people_out")
    assert run.code == 3
    assert "headrace sync rejected people_out" in run.out
    [row] = cli("sync", "rejected", "people_out", "--json").json["rows"]
    assert (row["key"], row["code"], row["message"]) == ({"id": 4}, "no_consent", "asked not to be kept")
    assert "no_consent" in cli("sync", "rejected", "people_out").out
    hook.refused = set()
    retried = cli("sync", "retry", "people_out", "--json")
    assert (retried.code, retried.json["delivered"]["add"]) == (0, 1)
    assert cli("sync", "rejected", "people_out", "--json").json["rows"] == []


def test_invalid_rows_are_no_success(cli: Any, hook: Hook) -> None:
    """Rows with a null or repeated key are never sent, are listed, and make exit code 3."""
    cli.sql("INSERT INTO shop.people VALUES (NULL, 'n@example.com', 1), (1, 'twice@example.com', 2)")
    run = cli("sync", "run", "people_out", "--json")
    assert (run.code, run.json["invalid"]) == (3, 3)
    assert len(hook.rows) == 9
    codes = {row["code"] for row in cli("sync", "rejected", "people_out", "--json").json["rows"]}
    assert codes == {"null_key", "duplicate_key"}


def test_a_guard_holds_until_a_person_decides(cli: Any, hook: Hook) -> None:
    """A held plan sends nothing and says how far it goes; it can be cancelled, or delivered as it is."""
    assert cli("sync", "run", "people_out").code == 0
    cli.sql("DELETE FROM shop.people WHERE id >= 2")
    held = cli("sync", "run", "people_out")
    assert held.code == 4
    assert "max_removed: 8 of 10 delivered rows" in held.out
    first = cli("sync", "run", "people_out", "--json")
    assert (first.code, first.json["status"]) == (4, "held")
    assert first.json["run_id"] in held.out
    cancelled = cli("sync", "cancel", first.json["run_id"], "--json")
    assert cancelled.json["status"] == "cancelled"
    assert len(hook.rows) == 10
    second = cli("sync", "run", "people_out", "--json").json["run_id"]
    approved = cli("sync", "approve", second, "--json")
    assert (approved.code, approved.json["delivered"]["remove"]) == (0, 8)
    assert [row["operation"] for row in hook.rows[10:]] == ["remove"] * 8
    assert cli("sync", "approve", "20200101T000000-NOBODY").code == 2


def test_resync_sends_again_and_reset_forgets(cli: Any, hook: Hook) -> None:
    """Resync sends every row once more; reset sends nothing and makes the next run a first one."""
    cli("sync", "run", "people_out")
    resent = cli("sync", "resync", "people_out", "--yes", "--json")
    assert (resent.code, len(hook.rows)) == (0, 20)
    assert cli("sync", "reset", "people_out", "--yes", "--json").json["status"] == "reset"
    assert len(hook.rows) == 20
    assert cli("sync", "run", "people_out", "--json").json["delivered"]["add"] == 10


def test_a_failing_destination_leaves_all_pending(cli: Any, sink: Sink, hook: Hook) -> None:
    """Where the destination cannot be reached, the run fails, says so, and nothing is taken for delivered."""
    cli.write(
        {"destinations/hook.yml": "type: webhook\nurl: http://nobody.invalid/rows\ntimeout_seconds: 1\n"}
    )
    run = cli("sync", "run", "people_out", "--json")
    assert (run.code, run.json["status"], run.json["pending"]) == (1, "failed", 10)
    assert run.json["error"]
    cli.write({"destinations/hook.yml": f"type: webhook\nurl: {sink.url}/rows\n"})
    after = cli("sync", "run", "people_out", "--json")
    assert (after.code, after.json["pending"]) == (0, 0)
    assert sorted(row["key"]["id"] for row in hook.rows) == list(range(10))


def test_two_runs_never_overlap(cli: Any) -> None:
    """A sync that runs elsewhere is exit code 5; SIGTERM while waiting for it ends with words."""
    cli("sync", "list")
    with open_state(f"sqlite:///{cli.project}/.headrace/state.db") as state, hold(state, "sync:people_out"):
        busy = cli("sync", "run", "people_out", "--json")
        assert busy.code == 5
        assert busy.json["error"]["kind"] == "AlreadyRunning"
        waiting = cli.start("sync", "run", "people_out", "--wait")
        _until_waiting(waiting.pid)
        waiting.send_signal(signal.SIGTERM)
        out, err = waiting.communicate(timeout=30)
    assert waiting.returncode == 1
    assert "goes on from there" in err
    assert "Traceback" not in err + out


def _until_waiting(pid: int) -> None:
    """Wait until the process has the state open, and so hears signals its own way."""
    for _ in range(600):
        try:
            links = [str(path.readlink()) for path in Path(f"/proc/{pid}/fd").iterdir()]
        except OSError:
            links = []
        if any(link.endswith("state.db") for link in links):
            return
        time.sleep(0.05)
    raise AssertionError("the command never opened the state")
