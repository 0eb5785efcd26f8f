"""Runs in processes of their own: two at once, one that is asked to stop, one with many rows."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from connectors.testing import Received, Reply, Sink, serve
from connectors.warehouses import open_warehouse

WORKER = Path(__file__).with_name("engine_worker.py")


class Runner:
    """Starts runs of one sync, each in a process of its own."""

    def __init__(self, folder: Path, url: str) -> None:
        self.warehouse = f"duckdb:///{folder}/warehouse.duckdb"
        self.said: dict[str, Any] = {
            "warehouse": self.warehouse,
            "state": f"sqlite:///{folder}/.headrace/state.db",
            "folder": str(folder / ".headrace"),
            "settings": {"url": url, "limits": {"batch_size": 10, "concurrency": 2}},
            "sync": {
                "name": "people_to_sink",
                "model": {"table": "people", "primary_key": "id"},
                "destination": "sink",
                "mode": "upsert",
                "fields": {"name": "name"},
            },
        }
        self._folder = folder
        self._started: list[subprocess.Popen[str]] = []

    def fill(self, rows: int) -> None:
        """Make the model's table."""
        with open_warehouse(self.warehouse).connect("a test") as session:
            session.run(
                "CREATE OR REPLACE TABLE people AS "
                f"SELECT i AS id, 'name of number ' || i AS name FROM range({rows}) AS t(i)"
            )

    def process(self) -> subprocess.Popen[str]:
        """A process that is ready to run."""
        process = subprocess.Popen(
            [sys.executable, str(WORKER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process

    def start(self, process: subprocess.Popen[str]) -> int:
        """Start a run; the number of the process that runs."""
        said = self._folder / "said.json"
        said.write_text(json.dumps(self.said), encoding="utf-8")
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"{said}\n")
        process.stdin.close()
        return int(process.stdout.readline().removeprefix("pid "))

    def result(self, process: subprocess.Popen[str]) -> dict[str, Any]:
        """What a run came to."""
        assert process.stdout is not None
        lines = process.stdout.read().splitlines()
        [result] = [line for line in lines if line.startswith("result ")]
        found: dict[str, Any] = json.loads(result.removeprefix("result "))
        return found

    def run(self) -> dict[str, Any]:
        """A run from its start to its end."""
        process = self.process()
        self.start(process)
        return self.result(process)

    def close(self) -> None:
        """End what is left."""
        for process in self._started:
            process.wait(timeout=60)
            assert process.stdout is not None
            process.stdout.close()


@pytest.fixture
def slow_sink() -> Iterator[Sink]:
    """A sink that takes its time."""

    def answer(_: Received) -> Reply:
        return Reply(delay_seconds=0.15)

    with serve(answer=answer) as sink:
        yield sink


@pytest.fixture
def make_runner(tmp_path: Path) -> Iterator[Callable[..., Runner]]:
    """Makes a runner for a sink's address."""
    made: list[Runner] = []

    def make(url: str, folder: Path = tmp_path) -> Runner:
        made.append(Runner(folder, url))
        return made[-1]

    yield make
    for runner in made:
        runner.close()


def _wait_for(sink: Sink, requests: int) -> None:
    deadline = time.monotonic() + 60
    while len(sink.received) < requests:
        assert time.monotonic() < deadline
        time.sleep(0.005)


def _ids(sink: Sink) -> list[int]:
    return [row["key"]["id"] for received in sink.received for row in received.json()["rows"]]


def test_two_runs_of_one_sync_never_overlap(slow_sink: Sink, make_runner: Callable[[str], Runner]) -> None:
    """The second is told who runs it, and sends nothing."""
    runner = make_runner(slow_sink.url)
    runner.fill(100)
    first, other = runner.process(), runner.process()
    pid = runner.start(first)
    _wait_for(slow_sink, 1)
    runner.start(other)
    second = runner.result(other)
    assert second["status"] == "already running"
    assert str(pid) in second["error"]
    assert runner.result(first)["delivered"]["add"] == 100
    assert sorted(_ids(slow_sink)) == list(range(100))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_asked_to_stop_a_run_ends_in_order(
    slow_sink: Sink, make_runner: Callable[[str], Runner], number: signal.Signals
) -> None:
    """What is under way finishes and is settled, the rest is pending, and the next run sends just that."""
    runner = make_runner(slow_sink.url)
    runner.fill(200)
    process = runner.process()
    pid = runner.start(process)
    _wait_for(slow_sink, 3)
    os.kill(pid, number)
    stopped = runner.result(process)
    sent = len(_ids(slow_sink))
    assert (stopped["status"], stopped["exit_code"]) == ("interrupted", 1)
    assert (stopped["delivered"]["add"], stopped["pending"]) == (sent, 200 - sent)
    assert 0 < sent < 200
    rest = runner.run()
    assert (rest["status"], rest["delivered"]["add"], rest["recovered"]) == ("done", 200 - sent, None)
    assert sorted(_ids(slow_sink)) == list(range(200))


def test_memory_does_not_grow_with_the_rows(tmp_path: Path, make_runner: Callable[..., Runner]) -> None:
    """Three times the rows need hardly more memory: the warehouse spills, the spool streams."""
    rows: list[int] = []

    def count(received: Received) -> Reply:
        rows.append(received.body.count(b'"operation"'))
        return Reply()

    peaks: dict[int, int] = {}
    with serve(answer=count) as sink:
        for number in (100_000, 300_000):
            folder = tmp_path / str(number)
            folder.mkdir()
            runner = make_runner(sink.url, folder)
            runner.said["settings"] = {"url": sink.url, "limits": {"batch_size": 1000, "concurrency": 4}}
            runner.said["memory_limit"] = "100MB"
            runner.fill(number)
            rows.clear()
            result = runner.run()
            sink.received.clear()
            assert (result["status"], sum(rows)) == ("done", number)
            peaks[number] = result["peak_mib"]
    print(f"peak MiB by rows: {peaks}")  # noqa: T201  figures
    assert peaks[300_000] - peaks[100_000] <= 60
