"""Killed in the middle of a load, and kept to itself: what an ingest leaves behind and what it touches."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from connectors.errors import SourceError
from connectors.sources.ingest import ingest
from connectors.sources.settings import SqlDatabaseSettings

_ROWS = 60_000

_KILLED = """
import os, signal, sys
from pathlib import Path
from connectors.sources.ingest import ingest
from connectors.sources.settings import SqlDatabaseSettings

source, warehouse, home, moment = sys.argv[1:]

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

def after(owner, name):
    real = getattr(owner, name)
    def call(*args, **kwargs):
        result = real(*args, **kwargs)
        die()
        return result
    setattr(owner, name, call)

if moment == "read":
    progress = lambda told: die() if told.rows >= 50_000 else None
else:
    progress = None
    from dlt.destinations.impl.duckdb.duck import DuckDbCopyJob
    from connectors.sources import postgres_copy, target
    if moment == "first job":        # its rows are committed, dlt does not know it yet
        after(DuckDbCopyJob, "run")
        after(postgres_copy._CopyJob, "run")
    elif moment == "announced":
        after(target, "announce")
    elif moment == "settling":
        target.settle = die
settings = SqlDatabaseSettings.model_validate({
    "type": "sql_database", "url": source,
    "tables": {
        "orders": {"primary_key": "id", "write_disposition": "append", "incremental": {"cursor": "at"}},
    },
})
ingest("shop", settings, warehouse_url=warehouse, home=Path(home), progress=progress)
"""


def _settings(url: str) -> SqlDatabaseSettings:
    table = {"primary_key": "id", "write_disposition": "append", "incremental": {"cursor": "at"}}
    return SqlDatabaseSettings.model_validate(
        {"type": "sql_database", "url": url, "tables": {"orders": table}}
    )


def _fill(path: Path, start: int, rows: int) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS orders (id INTEGER PRIMARY KEY, at INTEGER)")
        rows_of = ((number, number // 10) for number in range(start, start + rows))
        connection.executemany("INSERT INTO orders VALUES (?, ?)", rows_of)
    connection.close()


def _figures(url: str) -> tuple[int, int]:
    engine = sa.create_engine(url.replace("postgresql:", "postgresql+psycopg:"), poolclass=sa.pool.NullPool)
    with engine.connect() as connection:
        row = connection.execute(sa.text("SELECT count(*), count(DISTINCT id) FROM shop.orders")).one()
    return int(row[0]), int(row[1])


@pytest.mark.parametrize("moment", ["read", "announced", "first job", "settling"])
@pytest.mark.parametrize("kind", ["duckdb", "postgres"])
def test_a_killed_load_doubles_and_loses_nothing(
    tmp_path: Path, kind: str, moment: str, request: pytest.FixtureRequest
) -> None:
    """SIGKILL at any moment of appending: the next run, on another machine even, ends with every row once."""
    url = f"duckdb:///{tmp_path}/w.duckdb" if kind == "duckdb" else request.getfixturevalue("postgres_url")
    source = tmp_path / "source.db"
    home = tmp_path / ".headrace"
    _fill(source, 0, 1_000)
    ingest("shop", _settings(f"sqlite:///{source}"), warehouse_url=url, home=home)
    _fill(source, 1_000, _ROWS)
    killed = subprocess.run(
        [sys.executable, "-c", _KILLED, f"sqlite:///{source}", url, str(home), moment],
        check=False,
        capture_output=True,
        text=True,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    again = ingest(
        "shop", _settings(f"sqlite:///{source}"), warehouse_url=url, home=tmp_path / "another" / ".headrace"
    )
    assert _figures(url) == (_ROWS + 1_000, _ROWS + 1_000)
    assert again.tables["orders"].rows == (0 if moment == "settling" else _ROWS)


def test_one_source_is_ingested_by_one_process(tmp_path: Path) -> None:
    """A second process that ingests the same source is told so."""
    import fcntl

    _fill(tmp_path / "source.db", 0, 1)
    lock = tmp_path / ".headrace" / "dlt" / "shop.lock"
    lock.parent.mkdir(parents=True)
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(SourceError, match="another process is ingesting it"):
            ingest(
                "shop",
                _settings(f"sqlite:///{tmp_path}/source.db"),
                warehouse_url=f"duckdb:///{tmp_path}/w.duckdb",
                home=tmp_path / ".headrace",
            )


_WATCHED = """
import os, sys
seen = []

def watch(event, args):
    if event == "socket.connect" or event == "socket.getaddrinfo":
        seen.append((event, repr(args[1:])))
    if event in {"open", "os.mkdir", "os.listdir"} and isinstance(args[0], str):
        path = args[0]
        if ".dlt" in path or path.startswith((os.environ["HOME"], "/var/dlt")):
            seen.append((event, path))

sys.addaudithook(watch)
from pathlib import Path
from connectors.sources.ingest import ingest
from connectors.sources.settings import SqlDatabaseSettings
settings = SqlDatabaseSettings.model_validate({
    "type": "sql_database", "url": "sqlite:///" + sys.argv[1] + "/source.db", "tables": {"orders": None},
})
warehouse = "duckdb:///" + sys.argv[1] + "/w.duckdb"
result = ingest("shop", settings, warehouse_url=warehouse, home=Path(sys.argv[1]) / ".headrace")
assert result.tables["orders"].rows == 5
print(seen)
"""


def test_dlt_is_kept_in_its_room(tmp_path: Path) -> None:
    """No connection is opened, nothing is read or written in the user's home, its settings are not ours."""
    project, user, elsewhere = (tmp_path / name for name in ("project", "user", "cwd"))
    for folder in (project, user / ".dlt", elsewhere / ".dlt"):
        folder.mkdir(parents=True)
    for folder in (user, elsewhere):
        (folder / ".dlt" / "config.toml").write_text(
            '[normalize]\nworkers = "what"\n[runtime]\ndlthub_telemetry = true\n'
        )
    _fill(project / "source.db", 0, 5)
    environment = {
        "HOME": str(user),
        "PATH": "/usr/bin",
        "RUNTIME__DLTHUB_TELEMETRY": "true",
        "DESTINATION__DUCKDB__CREDENTIALS": str(user / "other.duckdb"),
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    done: Any = subprocess.run(
        [sys.executable, "-W", "error", "-c", _WATCHED, str(project)],
        check=False,
        capture_output=True,
        text=True,
        cwd=elsewhere,
        env=environment,
    )
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "[]", "")
    assert {path.name for path in project.iterdir()} == {"source.db", "w.duckdb", ".headrace"}
    assert not (user / "other.duckdb").exists()
    assert [path.name for path in elsewhere.iterdir()] == [".dlt"]
    assert [path.name for path in (user / ".dlt").iterdir()] == ["config.toml"]
