"""What the acceptance tests share: the installed program, and small projects to run it on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest

PROGRAM = Path(sys.executable).with_name("headrace")


@dataclass(frozen=True)
class Done:
    """A finished command."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON document on stdout."""
        return json.loads(self.out)


@dataclass(frozen=True)
class Cli:
    """The program, run on a project."""

    project: Path

    def __call__(self, *arguments: str, env: Mapping[str, str] | None = None) -> Done:
        """Run one command to its end."""
        done = subprocess.run(
            self.command(*arguments),
            env=self.env(env),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start one command."""
        pipe = subprocess.PIPE
        return subprocess.Popen(self.command(*arguments), env=self.env(), stdout=pipe, stderr=pipe, text=True)

    def command(self, *arguments: str) -> list[str]:
        """The program with arguments."""
        return [str(PROGRAM), *arguments]

    def env(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        """The environment, with the project in it."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("HEADRACE_")}
        return {**kept, "HEADRACE_PROJECT": str(self.project), **(more or {})}

    def write(self, files: Mapping[str, str]) -> None:
        """Write files of the project."""
        for name, text in files.items():
            path = self.project / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")

    def sql(self, *statements: str) -> list[tuple[Any, ...]]:
        """Run statements in the project's warehouse; the rows of the last."""
        (self.project / ".headrace").mkdir(mode=0o700, exist_ok=True)
        with duckdb.connect(str(self.project / ".headrace" / "warehouse.duckdb")) as connection:
            for statement in statements:
                cursor = connection.execute(statement)
            return cursor.fetchall()


@pytest.fixture
def make_project(tmp_path: Path) -> Callable[[Mapping[str, str]], Cli]:
    """Makes a project of some files, with a DuckDB warehouse."""

    def make(files: Mapping[str, str]) -> Cli:
        cli = Cli(tmp_path / "project")
        cli.write({"headrace.yml": "warehouse: duckdb:///.headrace/warehouse.duckdb\n", **files})
        return cli

    return make
