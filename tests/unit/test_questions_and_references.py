"""What a sync asks the warehouse, and in which order a project runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from connectors.errors import ConfigError
from models.check import check_declaration, check_project
from models.loading import load_project
from models.project import Project
from models.questions import Question, question
from models.references import graph, order

FILES = {
    "headrace.yml": "",
    "sources/shop.yml": "type: filesystem\npath: data\nfiles: {customers: {glob: '*.csv', format: csv}}\n",
    "models/customers.sql": "-- primary_key: id\nselect id, email from shop.customers; -- the end\n",
    "traits/spend.yml": "entity: customer\nkey: id\nsql: select id, 7 as total from shop.customers\n",
    "features/basics.yml": "entity: customer\nkey: id\nsql: select id from traits.spend where day < :as_of\n",
    "predictions/churn.yml": (
        "type: classification\nentity: customer\nkey: id\n"
        "population: select id from shop.customers where day < :as_of\nfeatures: [basics]\n"
        "label: {sql: 'select id from shop.customers where day > :as_of and day <= :until', horizon: 9d}\n"
        "cutoffs: {every: 3d, count: 2}\n"
    ),
    "audiences/risky.yml": (
        "model: customers\nwhere: score > 0.8 and total > 5 -- why\ntraits: [spend]\npredictions: [churn]\n"
    ),
    "destinations/crm.yml": "type: webhook\n",
}
REST = "destination: crm\nmode: upsert\nfields: {email: email}\n"

Make = Callable[..., Project]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """A right project with more files."""

    def load(**more: str) -> Project:
        for name, text in {**FILES, **more}.items():
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text(text)
        return load_project(tmp_path)

    return load


def _question(project: Project) -> Question:
    return question(project, project.syncs["s"])


@pytest.fixture
def warehouse() -> duckdb.DuckDBPyConnection:
    """A DuckDB with the tables that the project speaks of."""
    connection = duckdb.connect()
    for statement in (
        "create schema shop",
        "create schema traits",
        "create schema predictions",
        "create table shop.customers as select * from (values (1, 'a'), (2, 'b'), (3, 'c')) t (id, email)",
        "create table traits.spend as select id, id * 5 as total from shop.customers",
        *(
            f"create table predictions.{name} as select id, 0.5 + id / {part} as score, 50 as percentile,"
            " 'v1' as model_version, now() as scored_at from shop.customers"
            for name, part in (("churn", 10), ("ltv", 100))
        ),
    ):
        connection.execute(statement)
    return connection


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("customers", Question("select id, email from shop.customers", None, ("id",), ("models/customers",))),
        ("spend", Question(None, '"traits"."spend"', ("id",), ("traits/spend",))),
        ("churn", Question(None, '"predictions"."churn"', ("id",), ("predictions/churn",))),
        ("{table: Shop.Odd name, primary_key: [a, b]}", Question(None, '"Shop"."Odd name"', ("a", "b"))),
        (
            "{sql: 'select 1 as id -- one', primary_key: id}",
            Question("select 1 as id -- one\n", None, ("id",)),
        ),
    ],
)
def test_each_form_of_a_model_is_a_question(make: Make, model: str, expected: Question) -> None:
    """A name, a table and inline SQL become a SELECT or a table, with the key and what it was made of."""
    found = _question(make(**{"syncs/s.yml": f"model: {model}\n{REST}"}))
    assert (found.table, found.primary_key, found.depends_on) == (
        expected.table,
        expected.primary_key,
        expected.depends_on,
    )
    assert (found.sql or "").removeprefix("-- primary_key: id\n") == (expected.sql or "")


@pytest.mark.parametrize(
    "sql",
    [
        "select 1 as id) as a; drop table t; select * from (select 1 as id",
        "delete from t",
        "select 1; select 2",
    ],
)
def test_a_model_that_is_no_select_asks_nothing(make: Make, sql: str) -> None:
    """What could leave its parentheses or write is refused before the warehouse sees it, with its place."""
    inline = make(**{"syncs/s.yml": f"model: {{sql: '{sql}', primary_key: id}}\n{REST}"})
    with pytest.raises(ConfigError, match=r"syncs/s\.yml:1:9: model\.sql"):
        _question(inline)
    named = make(**{"models/bad.sql": f"-- primary_key: id\n{sql}", "syncs/s.yml": f"model: bad\n{REST}"})
    with pytest.raises(ConfigError, match=r"models/bad\.sql:1:1: sql"):
        _question(named)


def test_an_audience_filters_by_traits_and_predictions(
    make: Make, warehouse: duckdb.DuckDBPyConnection
) -> None:
    """The joined columns are there without a prefix, and the prediction's with one, too."""
    found = _question(make(**{"syncs/s.yml": f"model: risky\n{REST}"}))
    rows = warehouse.execute(
        f"select id, email, total, score, churn_score from ({found.sql}) as m"
    ).fetchall()
    assert [(row[0], row[1], row[2]) for row in rows] == []
    warehouse.execute("update predictions.churn set score = 0.9 where id > 1")
    rows = warehouse.execute(
        f"select id, total, score, churn_score from ({found.sql}) as m order by 1"
    ).fetchall()
    assert [(row[0], row[1], float(row[2]), float(row[3])) for row in rows] == [
        (2, 10, 0.9, 0.9),
        (3, 15, 0.9, 0.9),
    ]
    assert found.depends_on == ("audiences/risky", "models/customers", "traits/spend", "predictions/churn")


def test_several_predictions_keep_their_names_apart(make: Make, warehouse: duckdb.DuckDBPyConnection) -> None:
    """With two predictions, `name.score` in the condition and `name_score` in the mapping say which."""
    project = make(
        **{
            "predictions/ltv.yml": FILES["predictions/churn.yml"],
            "audiences/two.yml": (
                "model: customers\nwhere: churn.score > 0.6 and ltv.score < 0.53\npredictions: [churn, ltv]"
            ),
            "syncs/s.yml": f"model: two\n{REST}",
        }
    )
    rows = warehouse.execute(
        f"select id, churn_score > ltv_score from ({_question(project).sql}) as m"
    ).fetchall()
    assert rows == [(2, True)]


def test_a_project_runs_in_the_order_of_its_references(make: Make) -> None:
    """Sources before traits, traits before predictions, and syncs last, also where only the SQL says so."""
    project = make(**{"syncs/s.yml": f"model: risky\n{REST}", "syncs/t.yml": f"model: customers\n{REST}"})
    names = order(project)
    assert names.index("sources/shop") < names.index("traits/spend") < names.index("predictions/churn")
    assert names.index("predictions/churn") < names.index("syncs/s")
    assert "traits/spend" in graph(project)["features/basics"]
    assert order(project, ["t"]) == ["sources/shop", "syncs/t"]
    assert order(project, ["traits/spend"]) == ["sources/shop", "traits/spend"]
    assert check_project(project) == []


def test_an_unknown_name_to_run_is_told_the_nearest(make: Make) -> None:
    """`headrace run` with a misspelt name says which was meant."""
    with pytest.raises(ConfigError, match="did you mean 'churn'"):
        order(make(), ["chrun"])


def test_a_circle_is_named(make: Make) -> None:
    """A trait that needs itself over a prediction is told with the whole way round."""
    project = make(
        **{"traits/spend.yml": "entity: c\nkey: id\nsql: select id, score as total from predictions.churn\n"}
    )
    circle = "traits/spend → predictions/churn → features/basics → traits/spend"
    with pytest.raises(ConfigError, match=circle):
        order(project)
    assert any(
        circle in problem.message and problem.file == "traits/spend.yml" for problem in check_project(project)
    )


def test_a_table_that_no_file_declares_is_a_problem(make: Make) -> None:
    """`traits.x` in SQL must be a trait; the nearest one is suggested."""
    project = make(**{"models/m.sql": "-- primary_key: id\nselect * from traits.spnd"})
    (problem,) = check_project(project)
    assert (problem.file, problem.key) == ("models/m.sql", "sql")
    assert "did you mean 'spend'" in problem.message


def test_a_mapping_is_checked_against_the_models_columns(make: Make) -> None:
    """Where the columns are known, each unknown one is a problem at its field."""
    project = make(
        **{
            "syncs/s.yml": (
                "model: customers\ndestination: crm\nmode: upsert\nfields:\n  a: upper(emial)\n  b: sum(id)\n"
            )
        }
    )
    problems = check_declaration(project, "syncs", "s", ["id", "email"])
    assert [(p.line, p.column, p.key) for p in problems] == [(5, 3, "fields.a"), (6, 3, "fields.b")]
    assert "did you mean 'email'" in problems[0].message
    assert "aggregate" in problems[1].message


def test_a_prediction_must_say_as_of_when(make: Make) -> None:
    """A population or label that does not use its times would look into the future: a problem."""
    text = FILES["predictions/churn.yml"].replace("day < :as_of", "day < now()")
    (problem,) = check_project(make(**{"predictions/churn.yml": text}))
    assert (problem.key, problem.line) == ("population", 4)
    assert ":as_of is not used" in problem.message
