"""What a person and a script are told when something is wrong: places, exit codes, and no secret."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

Make = Callable[[Mapping[str, str]], Any]
PASSWORD = "hunter2-hunter2"
TOKEN = "tok_9f8e7d6c5b4a"
DATABASE = "postgresql://me:${env:PASSWORD}@127.0.0.1:1/db"
SOURCE = "type: filesystem\npath: in\nfiles: {t: {glob: '*.csv', format: csv}}\n"
PEOPLE = "-- primary_key: id\nselect 1 as id, 'a@example.com' as email\n"


def test_every_mistake_is_named_with_its_place(make_project: Make) -> None:
    """All problems of a project come at once, each with file, line, column, key and the nearest name."""
    cli = make_project(
        {
            "models/people.sql": PEOPLE,
            "syncs/a.yml": "model: people\ndestination: hook\nmode: upsrt\nfields: {email: email}\n",
            "syncs/b.yml": "model: people\ndestination: hok\nmode: upsert\nfields: {email: email}\n",
            "syncs/c.yml": "model: people\ndestination: hook\nmode: replace\nfields: {email: email}\n",
            "destinations/hook.yml": "type: webhook\nurl: http://127.0.0.1:1/\n",
            "destinations/other.yml": "type: webhook\nurl: http://127.0.0.1:1/\ncolour: red\n",
            "traits/t.yml": "entity: person\nkey: id\nsql: delete from people\n",
        }
    )
    checked = cli("check", "--offline", "--json")
    assert checked.code == 2
    found = {(problem["file"], problem["key"]): problem for problem in checked.json["problems"]}
    assert set(found) == {
        ("syncs/a.yml", "mode"),
        ("syncs/b.yml", "destination"),
        ("syncs/c.yml", "mode"),
        ("destinations/other.yml", "colour"),
        ("traits/t.yml", "sql"),
    }
    misspelt = found["syncs/a.yml", "mode"]
    assert misspelt["message"].endswith("did you mean 'upsert'?")
    assert (misspelt["line"], misspelt["column"]) == (3, 1)
    assert "did you mean 'hook'" in found["syncs/b.yml", "destination"]["message"].lower()
    words = cli("check", "--offline").err
    assert "syncs/a.yml:3:1: mode: " in words
    run = cli("sync", "run", "a")
    assert (run.code, run.out) == (2, "")
    assert "syncs/a.yml:3:1: mode: " in run.err


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        (("frobnicate",), "UsageError"),
        (("sync", "run"), "UsageError"),
        (("sync", "plan", "x", "--rows", "many"), "UsageError"),
        (("sync", "run", "nobody"), "ConfigError"),
        (("destinations", "webhok"), "ConfigError"),
    ],
)
def test_errors_are_json_where_json_was_asked_for(
    make_project: Make, arguments: tuple[str, ...], kind: str
) -> None:
    """With `--json` an error is the one document on stdout, and the exit code is that of the error."""
    done = make_project({})(*arguments, "--json")
    assert done.code == 2
    assert done.json["error"]["kind"] == kind
    assert done.json["error"]["message"]


def test_project_before_and_after_the_command(make_project: Make) -> None:
    """`--project` is taken before and after the command, and wins over the environment."""
    cli = make_project({})
    nowhere = {"HEADRACE_PROJECT": "/nowhere"}
    assert cli("sync", "list", "--json", env=nowhere).code == 2
    assert cli("--project", str(cli.project), "sync", "list", "--json", env=nowhere).json == {"syncs": []}
    assert cli("sync", "list", "--project", str(cli.project), "--json", env=nowhere).json == {"syncs": []}


def test_secrets_stay_secret(make_project: Make) -> None:
    """After failing runs no secret is in any output, log or file of the project but those that hold it."""
    cli = make_project(
        {
            "models/people.sql": PEOPLE,
            "destinations/hook.yml": "type: webhook\nurl: http://127.0.0.1:1/${env:TOKEN}\n"
            "secret: ${env:TOKEN}\n",
            "destinations/table.yml": f"type: sql\nurl: {DATABASE}\ncreate: true\n",
            "syncs/a.yml": "model: people\ndestination: hook\nmode: append\nfields: {email: email}\n",
            "syncs/b.yml": "model: people\ndestination: table\nobject: t\nmode: upsert\n"
            "fields: {email: email}\n",
            "sources/db.yml": f"type: sql_database\nurl: {DATABASE}\ntables: {{t: {{}}}}\n",
        }
    )
    secrets = {"PASSWORD": PASSWORD, "TOKEN": TOKEN, "HEADRACE_LOG": "json", "HEADRACE_LOG_LEVEL": "debug"}
    missing = cli("sync", "run", "a", "--json")
    assert missing.code == 2
    assert "TOKEN" in missing.json["error"]["message"]
    told = [
        cli(*command, env=secrets) for command in (("run", "--json"), ("check",), ("ingest",), ("doctor",))
    ]
    assert [done.code for done in told[:3]] == [1, 1, 1]
    for done in told:
        assert PASSWORD not in done.out + done.err
        assert TOKEN not in done.out + done.err
    written = [path for path in (cli.project / ".headrace").rglob("*") if path.is_file()]
    assert written
    for path in written:
        content = path.read_bytes()
        assert PASSWORD.encode() not in content, path
        assert TOKEN.encode() not in content, path


CRASHING = '''
from connectors.destination import Destination, DestinationSettings
from pydantic import Field, SecretStr

class Settings(DestinationSettings):
    token: SecretStr = Field(description="A token.")

class Crashing(Destination):
    """Breaks."""
    Settings = Settings

    @classmethod
    def limits_for(cls, settings):
        raise RuntimeError("broken by " + settings.token.get_secret_value())

    async def write(self, batch):
        return []
'''


def test_an_unexpected_error_is_one_line_and_a_file(make_project: Make) -> None:
    """A defect prints one line with what to report; its traceback is in a file, without secrets."""
    cli = make_project(
        {
            "models/people.sql": PEOPLE,
            "connectors/crashing.py": CRASHING,
            "destinations/bad.yml": "type: crashing\ntoken: ${env:TOKEN}\n",
            "syncs/a.yml": "model: people\ndestination: bad\nmode: append\nfields: {email: email}\n",
        }
    )
    done = cli("sync", "run", "a", env={"TOKEN": TOKEN})
    assert (done.code, done.out) == (1, "")
    assert len(done.err.splitlines()) == 1
    assert "RuntimeError: broken by ***" in done.err
    [report] = (cli.project / ".headrace").glob("crash-*.txt")
    assert str(report) in done.err
    text = report.read_text()
    assert "limits_for" in text
    assert TOKEN not in text


def test_log_lines_are_json_where_asked_for(make_project: Make) -> None:
    """With HEADRACE_LOG=json each line on stderr is a JSON object; stdout stays the document's alone."""
    cli = make_project({"sources/files.yml": SOURCE})
    cli.write({"in/a.csv": "id,name\n1,a\n2,b\n"})
    done = cli("ingest", "--json", env={"HEADRACE_LOG": "json"})
    assert done.code == 0, done.out
    assert done.json["sources"][0]["tables"]["t"]["rows"] == 2
    events = [json.loads(line) for line in done.err.splitlines()]
    assert [event["event"] for event in events] == ["files.t: 2 rows, 0 rejected"]
    assert events[0]["level"] == "info"


def test_a_reader_that_goes_away_is_no_error(make_project: Make) -> None:
    """Where nobody reads stdout any more, the program ends without a word."""
    running = make_project({}).start("destinations")
    assert running.stdout is not None
    running.stdout.close()
    assert running.stderr is not None
    assert running.stderr.read() == ""
    running.stderr.close()
    running.wait(timeout=60)
