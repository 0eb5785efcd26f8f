"""The demo from end to end on a small shop: everything is sent once, then only what changed, then nothing."""

from __future__ import annotations

import csv
import os
import sqlite3
from contextlib import closing
from io import StringIO
from pathlib import Path
from typing import Any

import orjson
import pytest
from rich.console import Console

from connectors.errors import ConfigError
from headrace.demo.ending import things_to_look_at, things_to_type
from headrace.demo.story import Story, tell
from headrace.demo.workplace import default_folder, prepare
from headrace.template_project import copy_template

CUSTOMERS = 3_000


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Story, str]:
    """A story and its words."""
    words = StringIO()
    folder = tmp_path_factory.mktemp("demo") / "shop"
    story = tell(folder, Console(file=words, width=120), customers=CUSTOMERS)
    return story, words.getvalue()


def rows(database: Path, sql: str) -> set[tuple[Any, ...]]:
    """Rows of an SQLite database."""
    with closing(sqlite3.connect(database)) as connection:
        return set(connection.execute(sql).fetchall())


def test_the_second_time_sends_what_changed(told: tuple[Story, str]) -> None:
    """All rows go out first, few a day later, none when nothing changed."""
    story, _ = told
    for name, first in story.first.syncs.items():
        sent = [
            sum(each.syncs[name].delivered.values()) for each in (story.first, story.later, story.unchanged)
        ]
        assert sent[0] == sum(first.planned.values()) - first.rejected > 100
        assert 0 < sent[1] < sent[0] / 4
        assert sent[2] == 0
        assert story.unchanged.syncs[name].requests == 0


def test_the_table_equals_the_shop(told: tuple[Story, str]) -> None:
    """The mart holds the customers of the second day: the newcomers are there, the erased are not."""
    story, _ = told
    home = story.folder / ".headrace"
    wanted = rows(home / "shop" / "shop.db", "select id, country, marketing_consent from customers")
    assert rows(home / "mart.db", "select customer_id, country, marketing_consent from customers") == wanted
    spent = """select customer_id, count(*), sum(amount_cents) from orders
               where customer_id is not null group by 1"""
    held = "select customer_id, orders, cast(round(spend * 100) as integer) from customers where orders > 0"
    assert rows(home / "mart.db", held) == rows(home / "shop" / "shop.db", spent)


def test_the_crm_holds_what_it_accepted(told: tuple[Story, str]) -> None:
    """Contacts are the adds less the removes, whatever the sandbox lost on the way."""
    story, _ = told
    first, later = (
        each.syncs["at_risk_to_crm"].to_json()["delivered"] for each in (story.first, story.later)
    )
    counts = story.crm["counts"]
    assert counts["contacts"] == first["add"] + later["add"] - later["remove"]
    assert counts["archived_contacts"] == later["remove"]


def test_the_files_add_up(told: tuple[Story, str]) -> None:
    """Applied in order, the files give the newsletter's list of the second day."""
    story, _ = told
    listed: set[str] = set()
    for file in sorted((story.folder / ".headrace" / "drop").rglob("*.csv")):
        with file.open(newline="", encoding="utf-8") as lines:
            for row in csv.DictReader(lines):
                (listed.discard if row["_operation"] == "remove" else listed.add)(row["email"])
    mails = """select lower(trim(email)) from customers where marketing_consent and email is not null
               group by 1 having count(*) = 1"""
    assert {(mail,) for mail in listed} == rows(story.folder / ".headrace" / "shop" / "shop.db", mails)


def test_the_story_is_told(told: tuple[Story, str]) -> None:
    """The words name each sync, the figures, the paths that are there, and commands to go on with."""
    story, words = told
    for name in story.first.syncs:
        assert f"sync {name}" in words
    assert f"{CUSTOMERS:,} customers" in words
    assert "nothing" in words
    assert "0 requests" in words
    looks = things_to_look_at(story.folder)
    assert Path(looks["the CRM's page, as it ended"]).is_file()
    assert Path(looks["the files for the mailing house"]).is_dir()
    assert Path(looks["the declarations"]).is_file()
    assert any("sync rejected at_risk_to_crm" in line for line in things_to_type(story.folder))
    assert "HEADRACE_DEMO_CRM_TOKEN" not in os.environ


def test_the_story_as_json(told: tuple[Story, str]) -> None:
    """The document holds each sync's three results."""
    document = orjson.loads(orjson.dumps(told[0].to_json()))
    assert document["shop"]["customers"] == CUSTOMERS
    assert set(document["syncs"]) == {"at_risk_to_crm", "customer_mart", "daily_drop"}
    for results in document["syncs"].values():
        assert [results[each]["status"] for each in ("first", "later", "unchanged")] == ["done"] * 3
    assert document["day"]["day"] == "2026-07-01"


def test_a_demo_begins_anew_where_one_was(told: tuple[Story, str]) -> None:
    """What the last demo wrote goes; a declaration that somebody edited stays."""
    story, _ = told
    edited = story.folder / "syncs" / "daily_drop.yml"
    edited.write_text(edited.read_text() + "\nenabled: false\n")
    prepare(story.folder)
    assert not (story.folder / ".headrace" / "state.db").exists()
    assert "enabled: false" in edited.read_text()


def test_a_demo_deletes_nothing_of_others(tmp_path: Path) -> None:
    """A folder with something in it that no demo made is refused and left alone."""
    (tmp_path / "thesis.txt").write_text("words")
    with pytest.raises(ConfigError, match="is not empty and holds no project"):
        prepare(tmp_path)
    project = tmp_path / "project"
    copy_template(project)
    (project / ".headrace").mkdir()
    (project / ".headrace" / "state.db").write_text("")
    with pytest.raises(ConfigError, match="data that no demo made"):
        prepare(project)
    assert (project / ".headrace" / "state.db").exists()


def test_the_demo_runs_beside_you(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a checkout it is the demo project itself, elsewhere a folder of its own."""
    monkeypatch.chdir(tmp_path)
    assert default_folder() == tmp_path / "headrace-demo"
    monkeypatch.chdir(Path(__file__).parents[2])
    assert default_folder() == Path(__file__).parents[2] / "sync_configs"
