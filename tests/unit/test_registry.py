"""Which connectors are found, and that a broken one harms no other."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from connectors.destinations.webhook import Webhook
from connectors.errors import ConfigError
from connectors.registry import BUILT_IN, Entry, Registry, load_registry

GOOD = """
from dataclasses import dataclass
from connectors.destination import Destination

@dataclass
class Helper:
    name: str

class {name}(Destination):
    "Writes nowhere."
    async def write(self, batch):
        return []
"""

DECLARED = """
description: An API.
base_url: https://api.example
objects: {things: {add: {path: /things, body: "{record}"}}}
"""


def project(folder: Path, **files: str) -> Registry:
    """The registry of a project with connectors; `name__py` stands for `name.py`."""
    (folder / "connectors").mkdir()
    for name, text in files.items():
        stem, _, suffix = name.rpartition("__")
        (folder / "connectors" / f"{stem}.{suffix}").write_text(text, encoding="utf-8")
    return load_registry(folder)


def entry(registry: Registry, name: str) -> Entry:
    """The one entry of a name."""
    [found] = [e for e in registry.entries if e.name == name]
    return found


def test_built_in_connectors_are_there_without_a_project() -> None:
    """No project is needed to ask for a connector that comes with headrace."""
    registry = load_registry(None)
    assert registry.get("webhook") is Webhook
    assert set(BUILT_IN) <= set(registry.names())


def test_a_project_without_connectors_has_the_built_in_ones(tmp_path: Path) -> None:
    """The folder is optional."""
    assert load_registry(tmp_path).get("webhook") is Webhook


def test_a_python_file_gives_its_connector_under_the_files_name(tmp_path: Path) -> None:
    """One class in a file: the file's name is the type."""
    registry = project(tmp_path, crm__py=GOOD.format(name="AnyName"))
    assert registry.get("crm").__name__ == "AnyName"
    assert entry(registry, "crm").origin == "project file"


def test_several_classes_have_names_of_their_own(tmp_path: Path) -> None:
    """Several classes in a file: each one's name in snake case."""
    registry = project(
        tmp_path,
        many__py=GOOD.format(name="LocalCRM") + GOOD.format(name="MailList2") + GOOD.format(name="_Base"),
    )
    assert {"local_crm", "mail_list2"} <= set(registry.names())
    assert "many" not in registry.names()


def test_a_yaml_file_gives_a_declared_connector(tmp_path: Path) -> None:
    """No Python is needed for an HTTP API."""
    made = project(tmp_path, things__yml=DECLARED).get("things")
    assert (made.__doc__, [o.name for o in made.objects]) == ("An API.", ["things"])


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("x = 1\nclass Crm(:\n", 2, "SyntaxError"),
        ("import os\n\nimport no_such_module_at_all\n", 3, "ModuleNotFoundError"),
        ("def f():\n    raise ValueError('out of order')\nf()\n", 2, "out of order"),
        ("raise SystemExit(3)\n", 1, "SystemExit"),
        ("x = 1\n", None, "defines no subclass"),
        (
            "from connectors.destination import Destination\nclass A(Destination): pass\n",
            None,
            "no write method",
        ),
    ],
)
def test_a_broken_python_file_is_listed_with_its_place(
    tmp_path: Path, text: str, line: int | None, words: str
) -> None:
    """The error names file, line and cause; all other connectors work."""
    registry = project(tmp_path, bad__py=text, good__py=GOOD.format(name="Good"))
    error = entry(registry, "bad").error
    assert error is not None
    [problem] = error.problems
    assert "bad.py" in (problem.file or "")
    assert problem.line == line
    assert words in problem.message
    with pytest.raises(ConfigError, match=words):
        registry.get("bad")
    assert registry.get("good").__name__ == "Good"
    assert registry.get("webhook") is Webhook


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("bad__yml", "a: [", "no YAML"),
        ("bad__yml", "just a text", "valid dictionary"),
        ("bad__yml", "description: x", "objects"),
        ("bad__yaml", DECLARED, "rename"),
        ("2bad__yml", DECLARED, "letter first"),
    ],
)
def test_a_broken_yaml_file_is_listed(tmp_path: Path, name: str, text: str, words: str) -> None:
    """A file that declares nothing sound says what is wrong with it."""
    registry = project(tmp_path, **{name: text})
    found = entry(registry, name.partition("__")[0])
    assert found.connector is None
    assert words in str(found.error)


def test_an_unknown_name_gets_the_nearest_one(tmp_path: Path) -> None:
    """A misspelt type is told what was probably meant."""
    with pytest.raises(ConfigError, match="Did you mean 'my_crm'"):
        project(tmp_path, my_crm__py=GOOD.format(name="Crm")).get("my_crn")


def test_an_unknown_name_far_from_all_gets_the_list() -> None:
    """Nothing is suggested where nothing is near."""
    with pytest.raises(ConfigError, match=r"'zzz'\. There are: .*webhook"):
        load_registry(None).get("zzz")


def test_a_project_file_comes_before_a_built_in_connector(tmp_path: Path) -> None:
    """Whoever writes connectors/webhook.py means it; the other one is listed as not used."""
    registry = project(tmp_path, webhook__py=GOOD.format(name="Own"))
    assert registry.get("webhook").__name__ == "Own"
    shadowed = [e for e in registry.entries if e.name == "webhook" and e.origin == "built-in"]
    assert "is taken by" in str(shadowed[0].error)


def test_loading_leaves_no_traces(tmp_path: Path) -> None:
    """Neither the import path nor the project's folder is changed, and no short module name is taken."""
    before = list(sys.path)
    project(tmp_path, json__py=GOOD.format(name="Crm")).get("json")
    assert sys.path == before
    assert [path.name for path in (tmp_path / "connectors").iterdir()] == ["json.py"]
    assert not hasattr(sys.modules["json"], "Crm") if "json" in sys.modules else True


def test_two_projects_with_files_of_one_name_do_not_meet(tmp_path: Path) -> None:
    """Modules are private to their file."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    first = project(tmp_path / "a", crm__py=GOOD.format(name="First")).get("crm")
    second = project(tmp_path / "b", crm__py=GOOD.format(name="Second")).get("crm")
    assert (first.__name__, second.__name__) == ("First", "Second")
    assert first.__module__ != second.__module__


def test_entry_points_are_found_and_may_be_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Installed packages offer connectors; one that cannot be imported is listed with its error."""
    points = [
        EntryPoint("hook", "connectors.destinations.webhook:Webhook", "headrace.destinations"),
        EntryPoint("gone", "no_such_package_at_all:X", "headrace.destinations"),
        EntryPoint("odd", "connectors.errors:HubError", "headrace.destinations"),
        EntryPoint("sql", "connectors.errors:HubError", "headrace.destinations"),
    ]
    monkeypatch.setattr("importlib.metadata.entry_points", lambda **_: points)
    registry = load_registry(None)
    assert registry.get("hook") is Webhook
    assert entry(registry, "hook").origin == "entry point"
    for name, words in [("gone", "no_such_package_at_all"), ("odd", "no subclass")]:
        with pytest.raises(ConfigError, match=words):
            registry.get(name)
    assert [e.origin for e in registry.entries if e.name == "sql"] == ["built-in", "entry point"]
