"""Commands beside the daily work: init, check, doctor, destinations, connectors, sandbox, schema, docs."""

from __future__ import annotations

import json
import signal
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

Make = Callable[[Mapping[str, str]], Any]


def test_help_and_version(make_project: Make) -> None:
    """`--help` lists every command; `version` says which version is installed."""
    cli = make_project({})
    text = cli("--help").out
    for command in ("init", "check", "ingest", "traits", "score", "sync", "run", "destinations", "connector"):
        assert f"\n  {command} " in text
    assert cli("version", "--json").json["version"] in cli("version").out
    assert cli("sync").code == 2


def test_a_new_project_is_right(make_project: Make, tmp_path: Path) -> None:
    """`init` makes a project whose files have no mistake, and never writes over one."""
    cli = make_project({})
    made = cli("init", str(tmp_path / "mine"), "--json")
    assert "headrace.yml" in made.json["files"]
    demo = {"HEADRACE_DEMO_CRM_URL": "http://127.0.0.1:1", "HEADRACE_DEMO_CRM_TOKEN": "some-token"}
    checked = cli("check", "--offline", "--json", "--project", str(tmp_path / "mine"), env=demo)
    assert checked.json["problems"] == []
    assert checked.code == 0
    assert cli("init", str(tmp_path / "mine")).code == 2


def test_check_looks_at_what_there_is(make_project: Make, tmp_path: Path) -> None:
    """Mappings are compared with real columns; what needs a table that is not there yet is no mistake."""
    cli = make_project(
        {
            "models/people.sql": "-- primary_key: id\nselect * from shop.people\n",
            "models/later.sql": "-- primary_key: id\nselect * from crm.accounts\n",
            "destinations/drop.yml": f"type: files\npath: {tmp_path}/out\nformat: csv\n",
            "syncs/good.yml": "model: people\ndestination: drop\nmode: append\nfields: {name: name}\n",
            "syncs/wrong.yml": "model: people\ndestination: drop\nmode: append\nfields: {name: nmae}\n",
            "syncs/later.yml": "model: later\ndestination: drop\nmode: append\nfields: {name: name}\n",
        }
    )
    cli.sql("CREATE SCHEMA shop", "CREATE TABLE shop.people AS SELECT 1 AS id, 'a' AS name")
    checked = cli("check", "--json")
    assert checked.code == 2
    outcomes = {one["what"]: one["outcome"] for one in checked.json["checked"]}
    assert outcomes["syncs/good"] == "ok"
    assert outcomes["syncs/later"] == "not checked"
    assert outcomes["warehouse"] == outcomes["destinations/drop"] == "ok"
    [problem] = checked.json["problems"]
    assert (problem["file"], problem["key"]) == ("syncs/wrong.yml", "fields.name")
    assert "unknown column 'nmae'" in problem["message"]
    doctor = cli("doctor", "--json")
    topics = {finding["topic"]: finding for finding in doctor.json["findings"]}
    assert topics["warehouse"]["ok"]
    assert "sends nothing" in topics["telemetry"]["words"]


def test_connectors_are_listed_with_the_broken_ones(make_project: Make) -> None:
    """Each connector says what it takes; one that cannot be loaded is listed with its error."""
    cli = make_project({"connectors/broken.py": "import nothing_of_that_name\n"})
    listed = {one["type"]: one for one in cli("destinations", "--json").json["destinations"]}
    assert {"webhook", "sql", "files", "redis"} <= set(listed)
    assert "nothing_of_that_name" in listed["broken"]["error"]
    assert "nothing_of_that_name" in cli("destinations").out
    webhook = cli("destinations", "webhook", "--json").json
    assert {"url", "secret", "limits.batch_size"} <= {setting["name"] for setting in webhook["settings"]}
    assert "replace" not in webhook["modes"]
    assert "Where rows are posted to." in cli("destinations", "webhook").out


def test_a_new_connector_passes_the_conformance_suite(make_project: Make) -> None:
    """Both scaffolds pass every test as they are; a connector without tests is still tried."""
    cli = make_project({})
    made = cli("connector", "new", "acme", "--json")
    assert len(made.json["files"]) == 2
    tested = cli("connector", "test", "acme", "--json")
    assert (tested.code, tested.json["counts"].get("skipped", 0)) == (0, 0), tested.out
    assert cli("connector", "new", "acme").code == 2
    cli("connector", "new", "bolt", "--python")
    in_python = cli("connector", "test", "bolt")
    assert in_python.code == 0, in_python.out
    (cli.project / "connectors/tests/test_acme.py").unlink()
    alone = cli("connector", "test", "acme", "--json")
    assert (alone.code, alone.json["alone"]) == (0, True), alone.out


def test_a_connector_that_breaks_the_law_fails(make_project: Make) -> None:
    """A connector whose settings are not described does not pass."""
    code = '''
from connectors.destination import Destination, DestinationSettings

class Settings(DestinationSettings):
    base_url: str = ""

class Sloppy(Destination):
    """Says little."""
    Settings = Settings

    async def check(self):
        pass

    async def write(self, batch):
        return []
'''
    tested = make_project({"connectors/sloppy.py": code})("connector", "test", "sloppy", "--json")
    assert tested.code == 1
    assert "test_every_setting_is_described" in tested.json["output"]


def test_a_sandbox_answers_until_it_is_ended(make_project: Make) -> None:
    """`sandbox` tells where it listens, answers, and ends in order on SIGTERM."""
    running = make_project({}).start("sandbox", "crm", "--json")
    assert running.stdout is not None
    lines: list[str] = []
    while not lines or lines[-1] != "}\n":
        lines.append(running.stdout.readline())
    url = json.loads("".join(lines))["url"]
    with urllib.request.urlopen(f"{url}/_sandbox?format=json", timeout=10) as answer:  # noqa: S310 - our own server
        assert answer.status == 200
    running.send_signal(signal.SIGTERM)
    _, err = running.communicate(timeout=30)
    assert (running.returncode, err) == (0, "")


def test_schemas_for_editors(make_project: Make, tmp_path: Path) -> None:
    """A JSON Schema is written for each kind of file."""
    done = make_project({})("schema", "--out", str(tmp_path / "schemas"), "--json")
    names = {Path(file).name for file in done.json["files"]}
    assert {"sync.schema.json", "source.schema.json", "project.schema.json"} <= names
    assert json.loads((tmp_path / "schemas" / "sync.schema.json").read_text())["properties"]["model"]
