"""`headrace connector test`: a connector's own tests, or the conformance suite on the connector alone."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from connectors.errors import ConfigError
from connectors.registry import load_registry

__all__ = ["PROJECT_VARIABLE", "TYPE_VARIABLE", "Outcome", "run_conformance"]

TYPE_VARIABLE = "HEADRACE_CONFORMANCE_TYPE"
PROJECT_VARIABLE = "HEADRACE_CONFORMANCE_PROJECT"
_COUNT = re.compile(r"(\d+) (passed|failed|skipped|error)")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the tests came to. `alone` says that the connector has no tests of its own."""

    connector: str
    tests: str
    passed: bool
    counts: dict[str, int]
    output: str
    alone: bool

    def to_json(self) -> dict[str, Any]:
        """The document that `--json` prints."""
        return {name: getattr(self, name) for name in self.__slots__}

    def in_words(self) -> str:
        """The tests' own output, and what would let more be tested."""
        lines = [self.output.rstrip()]
        if self.alone:
            lines.append(
                f"{self.connector} has no tests of its own, so nobody looked at what arrives there: "
                f"connectors/tests/test_{self.connector}.py can, see `headrace connector new`"
            )
        return "\n".join(lines)


def run_conformance(folder: Path, what: str) -> Outcome:
    """Run a connector's own tests, or the suite against a server that takes everything where it has none.

    Args:
        folder: the project's.
        what: a connector's type, or a file of tests.

    Raises:
        ConfigError: there is no such connector, it cannot be loaded, or pytest is not installed.
    """
    if importlib.util.find_spec("pytest") is None:
        raise ConfigError("the conformance suite needs pytest: pip install pytest")
    if what.endswith(".py"):
        tests, alone = Path(what), False
        if not tests.is_file():
            raise ConfigError(f"there is no file {what}")
    else:
        load_registry(folder).get(what)
        tests = folder / "connectors" / "tests" / f"test_{what}.py"
        alone = not tests.is_file()
    chosen = Path(__file__).with_name("alone.py") if alone else tests
    done = _pytest(chosen, {TYPE_VARIABLE: what, PROJECT_VARIABLE: str(folder.resolve())})
    counts = {word: int(number) for number, word in _COUNT.findall(done.stdout.rpartition("\n=")[2])}
    return Outcome(
        Path(what).stem.removeprefix("test_"), str(tests), done.returncode == 0, counts, done.stdout, alone
    )


def _pytest(tests: Path, variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """In a process of its own, without the settings and plugins of a project around it."""
    options = ["-q", "-rs", "--tb=short", "--no-header", "--import-mode=importlib", "-p", "no:cacheprovider"]
    command = [
        sys.executable,
        "-B",
        "-m",
        "pytest",
        *options,
        "-c",
        os.devnull,
        "--rootdir",
        str(tests.parent),
    ]
    return subprocess.run(  # noqa: S603 - the file is the user's own
        [*command, str(tests)], env={**os.environ, **variables}, capture_output=True, text=True, check=False
    )
