"""Runs one sync again and again, each run in a process of its own that can be killed.

A line on stdin is the path of a JSON file that says what to run. The answer on stdout: `pid N`, then
`phase P` as the run reaches them, `result {…}` where it ends by itself, and `exit S` when it is gone. The
first line says `ready`.
Everything heavy is imported once, before the first fork, so that a run costs what the run costs.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import traceback
from pathlib import Path
from typing import Any

import duckdb
import httpx
import httpx_aiohttp
import psycopg
import pyarrow as pa
import pyarrow.parquet as pq

import connectors.destinations.webhook
import connectors.http
import connectors.warehouses.duckdb
import connectors.warehouses.postgres
import models.expressions
from connectors.errors import AlreadyRunning, Problem
from connectors.warehouses import open_warehouse
from models.declarations import Defaults, Sync
from models.questions import Question
from models.state import open_state
from syncs.deliver import Patience
from syncs.job import Job
from syncs.run import Options, run_sync

_LOADED = (
    connectors.destinations.webhook, connectors.http, connectors.warehouses.duckdb,
    connectors.warehouses.postgres, duckdb, httpx, httpx_aiohttp, models.expressions, psycopg, pa, pq,
)  # fmt: skip


def _say(*words: str) -> None:
    os.write(1, (" ".join(words) + "\n").encode())


def _place(path: tuple[str | int, ...], words: str) -> Problem:
    return Problem(words, key=".".join(map(str, path)))


def _run(said: dict[str, Any]) -> None:
    sync = Sync.model_validate(said["sync"]).over(Defaults())
    table: Any = sync.model
    connector = connectors.destinations.webhook.Webhook
    told: list[str] = []

    def tell(phase: str, *_: object) -> None:
        if phase not in told:
            told.append(phase)
            _say("phase", phase)

    with open_state(said["state"]) as state:
        job = Job(
            name=sync.name,
            sync=sync,
            question=Question(None, table.table, tuple(table.primary_key)),
            warehouse=open_warehouse(said["warehouse"], memory_limit=said.get("memory_limit")),
            state=state,
            folder=Path(said["folder"]),
            connector=connector,
            settings=connector.Settings.model_validate(said["settings"]),
            place=_place,
        )
        patience = Patience(**said.get("patience", {}))
        try:
            result = run_sync(job, Options(patience=patience, tell=tell))
        except AlreadyRunning as error:
            _say("result", json.dumps({"status": "already running", "error": str(error)}))
        else:
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
            told_last = {**result.to_json(), "exit_code": result.exit_code, "peak_mib": peak}
            _say("result", json.dumps(told_last))


def _child(path: str) -> None:
    try:
        _run(json.loads(Path(path).read_text(encoding="utf-8")))
    except BaseException:  # noqa: BLE001  a fork must not go back into the parent's loop
        traceback.print_exc()
        os._exit(70)
    os._exit(0)


def main() -> None:
    """Serve requests until stdin ends."""
    _say("ready")
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            _child(line.strip())
        _say("pid", str(pid))
        _say("exit", str(os.waitpid(pid, 0)[1]))


if __name__ == "__main__":
    main()
