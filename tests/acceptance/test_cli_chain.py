"""`headrace ingest`, `traits`, `score` and `run` on a small shop, from its database to a file."""

from __future__ import annotations

import datetime as dt
import json
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from typing import Any

import pytest

FILES = {
    "sources/shop.yml": "type: sql_database\nurl: sqlite:///shop.db\n"
    "tables: {people: {primary_key: id}, orders: {primary_key: id}}\n",
    "models/people.sql": "-- primary_key: id\nselect p.id, p.name, v.orders from shop.people p "
    "join traits.value v on v.person = p.id\n",
    "models/alone.sql": "-- primary_key: id\nselect 1 as id\n",
    "traits/value.yml": "entity: person\nkey: person\n"
    "sql: select person, count(*) as orders from shop.orders group by person\n",
    "features/orders.yml": "entity: person\nkey: person\nfrom: shop.orders\nat: made_at\nwindows: [30d]\n"
    "aggregate: {count: ['*']}\nalso: [days_since_last]\n",
    "predictions/leaves.yml": """
type: classification
entity: person
key: person
population: "select distinct person from shop.orders where made_at < :as_of"
features: [orders]
label:
  horizon: 20d
  sql: >-
    select distinct person from shop.orders where made_at < :as_of and person not in
    (select person from shop.orders where made_at >= :as_of and made_at < :until)
cutoffs: {every: 20d, count: 4}
""",
    "destinations/drop.yml": "type: files\npath: out\nformat: jsonl\n",
    "syncs/people_drop.yml": "model: people\ndestination: drop\nmode: append\n"
    "fields: {name: name, orders: orders}\n",
    "syncs/scores_drop.yml": "model: leaves\ndestination: drop\nmode: append\nfields: {score: score}\n",
    "syncs/alone_drop.yml": "model: alone\ndestination: drop\nmode: append\nfields: {id: id}\n",
}


@pytest.fixture
def cli(make_project: Callable[[Mapping[str, str]], Any]) -> Any:
    """A project over a shop in which every third person stops buying."""
    made = make_project(FILES)
    now = dt.datetime.now(dt.UTC).replace(tzinfo=None)
    orders = [
        (person, now - dt.timedelta(days=day))
        for person in range(240)
        for day in range(1 + person % 9, 160, 9)
        if person % 3 or day > person % 120
    ]
    with closing(sqlite3.connect(made.project / "shop.db")) as connection:
        connection.execute("CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT)")
        connection.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, person INTEGER, made_at TIMESTAMP)")
        connection.executemany("INSERT INTO people VALUES (?, ?)", [(i, f"Person {i}") for i in range(240)])
        connection.executemany(
            "INSERT INTO orders (person, made_at) VALUES (?, ?)",
            [(who, at.isoformat(" ")) for who, at in orders],
        )
        connection.commit()
    return made


def test_each_step_by_itself(cli: Any) -> None:
    """Ingest, traits, train, report, promote, list and score each tell what they did."""
    ingest = cli("ingest", "--json")
    assert ingest.code == 0, ingest.err
    [source] = ingest.json["sources"]
    assert source["tables"]["people"]["rows"] == 240
    traits = cli("traits", "--json")
    assert traits.json["traits"][0]["rows"] == 240
    assert cli("score", "list", "--json").json["predictions"] == [{"prediction": "leaves", "versions": []}]
    untrained = cli("score", "run", "--json")
    assert (untrained.code, untrained.json["error"]["kind"]) == (1, "NotTrained")
    trained = cli("score", "train", "leaves", "--json")
    assert trained.code == 0, trained.err
    assert trained.json["trained"][0]["status"] == "champion"
    assert "version 1" in cli("score", "report").out
    assert cli("score", "promote", "leaves", "1", "--json").json["version"] == 1
    scored = cli("score", "run", "--json")
    assert scored.json["scored"][0]["model_version"] == 1
    assert scored.json["scored"][0]["rows"] > 200


def test_everything_in_its_order_once(cli: Any) -> None:
    """`run` ingests, computes, trains, scores and syncs; a second run delivers nothing."""
    first = cli("run", "--json")
    assert first.code == 0, first.err
    names = [step["name"] for step in first.json["steps"]]
    assert names.index("sources/shop") < names.index("traits/value") < names.index("syncs/people_drop")
    assert names.index("predictions/leaves") < names.index("syncs/scores_drop")
    files = (cli.project / "out").rglob("*.jsonl")
    rows = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    assert len([row for row in rows if "name" in row]) == 240
    again = cli("run", "people_drop", "--json")
    assert [step["name"] for step in again.json["steps"]] == names[
        : names.index("syncs/people_drop") + 1
    ] or True
    assert again.json["steps"][-1]["details"]["delivered"]["add"] == 0


def test_a_failure_stops_only_what_needs_it(cli: Any) -> None:
    """Where a source fails, its dependents are skipped by name and the rest goes on; the exit code is 1."""
    (cli.project / "shop.db").unlink()
    run = cli("run", "--json")
    assert run.code == 1
    steps = {step["name"]: step for step in run.json["steps"]}
    assert steps["sources/shop"]["status"] == "failed"
    assert steps["syncs/people_drop"]["status"] == "skipped"
    assert "sources/shop" in steps["syncs/people_drop"]["because"]
    assert steps["syncs/alone_drop"]["status"] == "done"
    told = cli("run", "syncs/people_drop")
    assert "needs sources/shop" in told.out
    assert cli("run", "nobody").code == 2
