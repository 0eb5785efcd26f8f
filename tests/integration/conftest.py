"""A sync with its warehouse and a recording destination, driven without a project folder."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from connectors.errors import Problem
from connectors.testing import Recorder, RecorderStore
from connectors.warehouses import open_warehouse
from models.declarations import Defaults, Sync
from models.questions import Question
from models.state import State, open_state
from syncs.job import Job
from syncs.result import Result
from syncs.run import Options, run_sync

QUICK = Options()


def _place(path: tuple[str | int, ...], words: str) -> Problem:
    return Problem(words, "syncs/s.yml", key=".".join(map(str, path)))


class Hub:
    """One sync between a table `people` and a recorder, in a warehouse of the test's own."""

    def __init__(self, folder: Path, url: str, state: State, seed_url: str | None = None) -> None:
        self.name = f"s{secrets.token_hex(4)}"
        self.table = f"people_{self.name}"
        self.folder = folder
        self.state = state
        self.warehouse = open_warehouse(url)
        self.seed_url = seed_url or url
        self.store = RecorderStore()
        self.limits: dict[str, int] = {}
        self.declared: dict[str, Any] = {
            "mode": "mirror",
            "fields": {"id": "id", "name": "name", "age": "age"},
        }

    def sql(self, *statements: str) -> None:
        """Run statements where the model lives; {t} is the model's table."""
        self._run([statement.replace("{t}", self.table) for statement in statements])

    def _run(self, statements: list[str]) -> None:
        if self.warehouse.writable:
            with self.warehouse.connect("a test") as session:
                for statement in statements:
                    session.run(statement)
            return
        from sqlalchemy import create_engine

        engine = create_engine(self.seed_url)
        with engine.begin() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement.replace("%", "%%") if self.percent else statement)
        engine.dispose()

    @property
    def percent(self) -> bool:
        """Whether the driver reads a percent sign as a placeholder."""
        return self.warehouse.dialect.name == "mysql"

    def fill(
        self, rows: list[tuple[Any, ...]], columns: str = "id INTEGER, name VARCHAR(200), age INTEGER"
    ) -> None:
        """Make the model's table hold just these rows."""
        literal = self.warehouse.dialect.literal
        parts = [
            ", ".join(
                f"({', '.join('NULL' if v is None else literal(v) for v in row)})"
                for row in rows[start : start + 200]
            )
            for start in range(0, len(rows), 200)
        ]
        self._run(
            [
                f"DROP TABLE IF EXISTS {self.table}",
                f"CREATE TABLE {self.table} ({columns})",
                *(f"INSERT INTO {self.table} VALUES {part}" for part in parts),
            ]
        )

    def job(self, **declared: Any) -> Job:
        """The sync, declared as the hub says and as given here."""
        said = {
            "name": self.name,
            "model": {"table": self.table, "primary_key": "id"},
            "destination": "crm",
            **self.declared,
            **declared,
        }
        sync = Sync.model_validate(said).over(Defaults())
        keys = sync.model.primary_key  # type: ignore[union-attr]  # always inline here
        question = Question(getattr(sync.model, "sql", None), getattr(sync.model, "table", None), tuple(keys))
        store = self.store

        class Crm(Recorder):
            def __init__(self, settings: Any, target: Any = None) -> None:
                super().__init__(settings, target, store=store)

        return Job(
            name=self.name,
            sync=sync,
            question=question,
            warehouse=self.warehouse,
            state=self.state,
            folder=self.folder,
            connector=Crm,
            settings=Recorder.Settings.model_validate({"limits": self.limits}),
            place=_place,
        )

    def run(self, options: Options = QUICK, **declared: Any) -> Result:
        """One run."""
        return run_sync(self.job(**declared), options)


@pytest.fixture
def local_state(tmp_path: Path) -> Iterator[State]:
    """A state on SQLite."""
    with open_state(f"sqlite:///{tmp_path}/.headrace/state.db") as state:
        yield state


@pytest.fixture(params=["duckdb", "postgres", "sqlite", "mariadb"])
def make_hub(request: pytest.FixtureRequest, tmp_path: Path, local_state: State) -> Callable[[], Hub]:
    """Makes hubs on each kind of warehouse: two that hold the plan themselves, two that are only read."""
    kind = request.param
    if kind == "duckdb":
        url = f"duckdb:///{tmp_path}/warehouse.duckdb"
    elif kind == "sqlite":
        url = f"sqlite:///{tmp_path}/warehouse.db"
    else:
        url = request.getfixturevalue(f"{kind}_url")
    return lambda: Hub(tmp_path / ".headrace", url, local_state)


@pytest.fixture
def hub(make_hub: Callable[[], Hub]) -> Hub:
    """One hub on each kind of warehouse."""
    return make_hub()
