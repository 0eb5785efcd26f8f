"""What each contender is put through: a story of five syncs, and three accidents."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb

from benchmarks.peers.contenders import Command, Contender, Job
from benchmarks.process import Whole, run_whole
from benchmarks.sink import Receipt, RunningSink, running_sink

__all__ = ["ROWS", "Story", "bad_row", "killed_at_half", "slow_sink", "story"]

ROWS = 200_000
_DELETED = 100


@dataclass(frozen=True, slots=True)
class Story:
    """How five syncs in a row went: whole processes, and what the sink saw of the last two."""

    first: Whole
    nothing: Whole
    changed: Whole
    deletes_arrived: int
    late_row_arrived: bool


@dataclass(frozen=True, slots=True)
class _Stage:
    """A contender's own warehouse, sink and command."""

    job: Job
    sink: RunningSink
    command: Command

    def sync(self) -> Whole:
        return run_whole(
            self.command.arguments, folder=self.job.folder, more_environment=self.command.environment
        )

    def alter(self, *statements: str) -> None:
        with duckdb.connect(str(self.job.warehouse)) as connection:
            for statement in statements:
                connection.execute(statement)


@contextmanager
def _stage(
    contender: Contender, work: Path, *, batch_size: int, latency: float = 0.0, bad_id: int | None = None
) -> Iterator[_Stage]:
    folder = work / contender.name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with running_sink(latency=latency, bad_id=bad_id) as sink:
        job = Job(folder, sink.url, batch_size)
        stage = _Stage(job, sink, contender.prepare(job))
        stage.alter(
            "CREATE TABLE customers AS SELECT i AS id, 'person' || i || '@example.com' AS email, "
            "['DE', 'FR', 'US', 'JP', 'BR'][1 + i % 5] AS country, hash(i) % 100000 / 1e5 AS score, "
            "(hash(i + 1) % 90)::INTEGER AS orders, "
            f"TIMESTAMP '2024-01-01' + INTERVAL 1 SECOND * i AS updated_at FROM range({ROWS}) AS r(i)"
        )
        yield stage
    shutil.rmtree(folder, ignore_errors=True)


def story(contender: Contender, work: Path) -> Story:
    """A first sync, one with nothing to do, 1 % changed, 100 rows deleted, one row late."""
    with _stage(contender, work, batch_size=1_000) as stage:
        first = _well(stage.sync(), stage.sink.receipt(), Receipt(ROWS // 1_000, ROWS, ROWS, 0, 0))
        nothing = _well(stage.sync(), stage.sink.receipt(), Receipt(ROWS // 1_000, ROWS, ROWS, 0, 0))
        stage.alter(
            "UPDATE customers SET score = score + 1, updated_at = updated_at + INTERVAL 30 DAY "
            "WHERE id % 100 = 7"
        )
        changed = stage.sync()
        after = stage.sink.receipt()
        if changed.status or after.rows - ROWS < ROWS // 100:
            raise RuntimeError(f"{contender.name} sent {after.rows - ROWS} changed rows: {changed.output}")
        stage.alter(f"DELETE FROM customers WHERE id < {_DELETED} * 100 AND id % 100 = 8")
        stage.sync()
        deleted = stage.sink.receipt().removed
        stage.alter(
            f"INSERT INTO customers SELECT {ROWS} AS id, 'late@example.com', 'DE', 0.5, 1, max(updated_at) "
            "FROM customers"
        )
        stage.sync()
        return Story(first, nothing, changed, deleted, stage.sink.receipt().keys > ROWS)


def slow_sink(contender: Contender, work: Path) -> float:
    """Seconds for a first sync, 100 rows a request, where each answer takes 50 ms."""
    with _stage(contender, work, batch_size=100, latency=0.05) as stage:
        return _well(stage.sync(), stage.sink.receipt(), Receipt(ROWS // 100, ROWS, ROWS, 0, 0)).seconds


def bad_row(contender: Contender, work: Path) -> int:
    """Rows that have not arrived after two runs into a sink that refuses any request with one certain row."""
    with _stage(contender, work, batch_size=1_000, bad_id=ROWS // 2) as stage:
        stage.sync()
        stage.sync()
        return ROWS - stage.sink.receipt().keys


def killed_at_half(contender: Contender, work: Path) -> Receipt:
    """What has arrived after a first sync that was killed at half its requests, and a second to the end."""
    with _stage(contender, work, batch_size=1_000, latency=0.02) as stage:
        environment = {**os.environ, **stage.command.environment}
        with subprocess.Popen(
            stage.command.arguments, cwd=stage.job.folder, env=environment, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process:  # fmt: skip
            while stage.sink.requests() < ROWS // 1_000 // 2:
                if process.poll() is not None:
                    raise RuntimeError(f"{contender.name} ended before it could be killed")
                time.sleep(0.002)
            process.kill()
        stage.sync()
        return stage.sink.receipt()


def _well(whole: Whole, receipt: Receipt, expected: Receipt) -> Whole:
    arrived = (receipt.rows, receipt.keys)
    if whole.status or arrived != (expected.rows, expected.keys):
        raise RuntimeError(f"expected {expected}, the sink saw {receipt}; it said:\n{whole.output[-2000:]}")
    return whole
