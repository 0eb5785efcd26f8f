"""The README's ten minutes, as a reader would type them."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.sandboxes.server import Sandbox

README = Path(__file__).parents[2] / "README.md"
PROGRAMS = Path(sys.executable).parent
BLOCK = re.compile(r"^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
NAMED = re.compile(r"\A(?:#|--) (?P<path>[\w./]+\.\w+)\n")


def _blocks() -> Iterator[tuple[str, str]]:
    section = README.read_text().split("## Ten minutes")[1].split("\n## ")[0]
    for found in BLOCK.finditer(section):
        yield found["language"], found["text"]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with every file that the README shows."""
    for _, text in _blocks():
        if named := NAMED.match(text):
            file = tmp_path / named["path"]
            file.parent.mkdir(exist_ok=True)
            file.write_text(text[named.end() :])
    return tmp_path


def _typed(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PATH": f"{PROGRAMS}:{os.environ['PATH']}", "CRM_TOKEN": "sandbox"}
    return subprocess.run(
        shlex.split(line, comments=True),
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_ten_minutes_of_the_readme_end_as_it_says(project: Path) -> None:
    """Each command exits as told, the bad row is rejected, and the next run sends only what changed."""
    with Sandbox(port=0) as sandbox:
        crm = project / "destinations" / "crm.yml"
        crm.write_text(crm.read_text().replace("http://127.0.0.1:8808", sandbox.url))
        lines = [line[2:] for kind, text in _blocks() if kind == "console" for line in text.splitlines()]
        typed = [line for line in lines if line.startswith("headrace") and "sandbox" not in line]
        codes = {line: _typed(line, project).returncode for line in typed}
        assert len(typed) == 6
        assert {code for line, code in codes.items() if "sync run" not in line} == {0}
        assert next(code for line, code in codes.items() if "sync run" in line) == 3

        people = project / "data" / "people.csv"
        kept = [line for line in people.read_text().splitlines() if "Turing" not in line]
        people.write_text("\n".join(kept).replace("not an address", "nobody@example.com"))
        again = _typed("headrace run", project)
        assert again.returncode == 0, again.stderr
        assert "1 add, 1 remove" in again.stdout
        archived = {name for name, contact in sandbox.crm.contacts.items() if contact.archived}
        assert (sorted(sandbox.crm.contacts), archived) == (["1", "2", "3", "4"], {"2"})


def test_the_python_connector_of_the_readme_is_found_and_works(project: Path) -> None:
    """The class in the README is listed with its docstring, and a sync writes through it."""
    listed = _typed("headrace destinations wall", project)
    assert listed.returncode == 0, listed.stderr
    assert "wall of this terminal" in listed.stdout
