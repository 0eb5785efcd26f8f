"""A project is loaded whole, and everything that is wrong is told at once, with its place."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from connectors.errors import ConfigError, Problem
from models.declarations import Guards, InlineModel, Share, TableModel
from models.loading import load_project
from models.project import Project

FILES = {
    "headrace.yml": "warehouse: duckdb:///.headrace/warehouse.duckdb\n",
    "sources/shop.yml": (
        "type: sql_database\nurl: postgresql://u:${env:SHOP_PASSWORD}@db/shop\ntables: {orders: }\n"
    ),
    "models/customers.sql": (
        "-- primary_key: id\n-- description: All of them\nselect * from shop.customers;\n"
    ),
    "traits/spend.yml": "entity: customer\nkey: id\nsql: select id, 1 as total from shop.orders\n",
    "features/orders.yml": "entity: customer\nkey: id\nfrom: shop.orders\nat: ordered_at\nalso: [mean_gap]\n",
    "predictions/churn.yml": (
        "type: classification\nentity: customer\nkey: id\n"
        "population: select id from shop.customers where created_at <= :as_of\nfeatures: [orders.*]\n"
        "label: {sql: 'select id from shop.orders where at > :as_of and at <= :until', horizon: 90d}\n"
        "cutoffs: {every: 30d, count: 6}\n"
    ),
    "audiences/risky.yml": "model: customers\nwhere: score > 0.8\ntraits: [spend]\npredictions: [churn]\n",
    "destinations/crm.yml": "type: webhook\nurl: http://127.0.0.1/${env:PATH_OF_HOOK}\n",
    "syncs/churn_to_crm.yml": (
        "model: risky\ndestination: crm\nmode: mirror\nfields:\n  email: lower(email)\n"
        "  origin: {value: headrace}\nschedule: {after: [churn]}\n"
    ),
}

Make = Callable[..., Path]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Writes a right project, with some files changed or (None) left out."""

    def write(**changed: str | bytes | None) -> Path:
        files: dict[str, str | bytes | None] = {**FILES, **changed}
        for name, content in files.items():
            if content is not None:
                path = tmp_path / "project" / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return tmp_path / "project"

    return write


def _problems(folder: Path, only: tuple[str, ...] | None = None) -> tuple[Problem, ...]:
    with pytest.raises(ConfigError) as raised:
        load_project(folder, only)
    return raised.value.problems


def test_a_whole_project_is_loaded(make: Make) -> None:
    """Every kind of file becomes a declaration under its name."""
    project = load_project(make())
    assert project.models["customers"].primary_key == ("id",)
    assert project.models["customers"].description == "All of them"
    assert list(project.syncs["churn_to_crm"].fields) == ["email", "origin"]
    assert project.syncs["churn_to_crm"].fields["origin"].value == "headrace"
    assert project.destinations["crm"].settings == {"url": "http://127.0.0.1/${env:PATH_OF_HOOK}"}
    assert project.dialect == "duckdb"
    kinds = ("sources", "traits", "features", "predictions", "audiences")
    assert all(len(project.declared(kind)) == 1 for kind in kinds)


def test_a_sync_alone_is_loaded_with_what_it_needs(make: Make) -> None:
    """`only` reads the named declaration and those it refers to; a mistake elsewhere does not matter."""
    folder = make(**{"sources/shop.yml": "nonsense", "syncs/other.yml": "[broken", "models/extra.txt": ""})
    project = load_project(folder, only=("syncs/churn_to_crm",))
    assert set(project.syncs) == {"churn_to_crm"}
    assert set(project.models) == {"customers"}
    assert project.sources == {}


def test_an_unknown_name_asked_for_has_a_nearest_one(make: Make) -> None:
    """A misspelt sync on the command line is told the right name."""
    (problem,) = _problems(make(), only=("syncs/churn_to_crn",))
    assert "did you mean 'churn_to_crm'" in problem.message


_SYNC = "model: risky\ndestination: crm\nmode: upsert\nfields: {a: b}\n"


@pytest.mark.parametrize(
    ("file", "content", "place", "words"),
    [
        ("headrace.yml", "warehose: x\n", "1:1: warehose", "did you mean 'warehouse'"),
        (
            "headrace.yml",
            "log: {keep_rows_days: 0}\n",
            "1:7: log.keep_rows_days",
            "greater than or equal to 1, found 0",
        ),
        (
            "headrace.yml",
            "defaults: {guards: {max_removed: 120%}}",
            "1:21: defaults.guards.max_removed",
            "0% to 100%",
        ),
        ("headrace.yml", "duckdb: {memory_limit: lots}", "1:10: duckdb.memory_limit", "found 'lots'"),
        ("sources/shop.yml", "type: sql_databse\n", "1:1: type", "did you mean 'sql_database'"),
        ("sources/shop.yml", "url: x\n", "1:1: type", "is needed; one of: sql_database"),
        (
            "sources/shop.yml",
            "type: sql_database\nurl: x\ntables: {a: {primary_ky: x}}",
            "3:14: tables.a.primary_ky",
            "did you mean 'primary_key'",
        ),
        (
            "sources/shop.yml",
            "type: rest_api\nbase_url: x\nresources: {a: {path: x, pagination: {type: pge}}}",
            "3:39: resources.a.pagination.type",
            "did you mean 'page'",
        ),
        (
            "sources/shop.yml",
            "type: filesystem\npath: x\nfiles: {a: {glob: x, format: xml}}",
            "3:22: files.a.format",
            "'csv', 'jsonl' or 'parquet', found 'xml'",
        ),
        ("models/customers.sql", "select 1", "1:1: primary_key", "-- primary_key: id"),
        ("models/customers.sql", "-- primary_key: id\n", "1:1", "no SQL"),
        ("models/customers.sql", b"-- primary_key: id\nselect \xff", "2:1", "not UTF-8"),
        (
            "models/customers.sql",
            "-- primary_key: id\n-- primary_key: id\nselect 1",
            "2:1: primary_key",
            "twice",
        ),
        ("traits/spend.yml", "entity: customer\nkey: []\nsql: select 1", "2:1: key", "at least 1"),
        ("features/orders.yml", "entity: customer\nkey: id\nfrom: a.b\n", "1:1", "at is needed"),
        (
            "features/orders.yml",
            "entity: c\nkey: id\nfrom: a\nat: b\naggregate: {sum: [x]}\nwindows: [7x]",
            "6:11: windows.0",
            "such as 15m, 1h30m or 90d (units: w, d, h, m, s), found '7x'",
        ),
        (
            "audiences/risky.yml",
            "model: customers\nwhere: a\ntraits: [spent]",
            "3:10: traits.0",
            "did you mean 'spend'",
        ),
        ("traits/spend.yml", "entity: customer\nkey: cid\nsql: select 1", "3:10: traits.0", "its key is cid"),
        ("destinations/crm.yml", "url: x", "1:1: type", "is needed"),
        (
            "syncs/churn_to_crm.yml",
            "model: risky\ndestination: crm\nmode: miror\nfields: {a: b}",
            "3:1: mode",
            "did you mean 'mirror'",
        ),
        (
            "syncs/churn_to_crm.yml",
            "model: risky\ndestination: crn\nmode: mirror\nfields: {a: b}",
            "2:1: destination",
            "did you mean 'crm'",
        ),
        (
            "syncs/churn_to_crm.yml",
            "model: rsky\ndestination: crm\nmode: mirror\nfields: {a: b}",
            "1:1: model",
            "did you mean 'risky'",
        ),
        (
            "syncs/churn_to_crm.yml",
            "model: {sql: select 1}\ndestination: crm\nmode: mirror\nfields: {a: b}",
            "1:1: model.primary_key",
            "is needed",
        ),
        (
            "syncs/churn_to_crm.yml",
            "model: risky\ndestination: crm\nmode: mirror\nfields: {a: 1}",
            "4:10: fields.a",
            "a SQL expression is needed",
        ),
        (
            "syncs/churn_to_crm.yml",
            "model: risky\ndestination: crm\nmode: mirror\nfields: {a: {}}",
            "4:10: fields.a",
            "one of sql and value",
        ),
        (
            "syncs/churn_to_crm.yml",
            "model: risky\ndestination: crm\nmode: mirror\nfields: {a: b, a.c: d}",
            "4:1: fields",
            "cannot hold a value",
        ),
        (
            "syncs/churn_to_crm.yml",
            "model: risky\ndestination: crm\nmode: upsert\non_removed: clear\nfields: {a: b}",
            "4:1: on_removed",
            "goes with mode: mirror",
        ),
        ("syncs/churn_to_crm.yml", _SYNC + "deadband: {c: 1}", "5:1: deadband", "'c' is no field"),
        (
            "syncs/churn_to_crm.yml",
            "model: risky\ndestination: crm\nmode: upsert",
            "1:1",
            "nothing is mapped",
        ),
        (
            "syncs/churn_to_crm.yml",
            _SYNC + "schedule: {cron: '61 * * * *'}",
            "5:12: schedule.cron",
            "no minute",
        ),
        (
            "syncs/churn_to_crm.yml",
            _SYNC + "schedule: {cron: '1 * * * *', timezone: Mars}",
            "5:31: schedule.timezone",
            "no such time zone",
        ),
        (
            "syncs/churn_to_crm.yml",
            _SYNC + "schedule: {every: 1h, after: [churn]}",
            "5:1: schedule",
            "only one",
        ),
        (
            "syncs/churn_to_crm.yml",
            _SYNC + "schedule: {after: [chrn]}",
            "5:20: schedule.after.0",
            "did you mean 'churn'",
        ),
        (
            "syncs/churn_to_crm.yml",
            "name: x\nmodel: risky\ndestination: crm\nmode: upsert\nfields: {a: b}",
            "1:1: name",
            "the file's name is the name",
        ),
        (
            "syncs/churn_to_crm.yml",
            "model: risky\ndestination: crm\nmode: upsert\nfields: {a: {value: '${env:X}'}}",
            "4:14: fields.a.value",
            "only in headrace.yml, sources/ and destinations/",
        ),
        (
            "syncs/churn_to_crm.yml",
            _SYNC + "guards: {max_removd: 5%}",
            "5:10: guards.max_removd",
            "did you mean 'max_removed'",
        ),
    ],
)
def test_a_mistake_has_its_place_and_words(
    make: Make, file: str, content: str | bytes, place: str, words: str
) -> None:
    """A problem names file, line, column, key, what was found and what is allowed."""
    problems = _problems(make(**{file: content}))
    assert len(problems) == 1, problems
    at_fault = "audiences/risky.yml" if "its key is" in words else file
    assert str(problems[0]).startswith(f"{at_fault}:{place}: ")
    assert words in problems[0].message


def test_everything_wrong_is_told_at_once(make: Make) -> None:
    """Mistakes in several files and keys come together, in the files' order."""
    problems = _problems(
        make(
            **{
                "headrace.yml": "warehose: x\nstat: y\n",
                "syncs/churn_to_crm.yml": "model: nobody\ndestination: no\nmode: odd\nfields: {a: b}\nx: 1\n",
                "traits/spend.yml": "a: 1\na: 2",
            }
        )
    )
    assert [problem.file for problem in problems][:2] == ["headrace.yml", "headrace.yml"]
    assert {"syncs/churn_to_crm.yml", "traits/spend.yml"} < {problem.file for problem in problems}


def test_a_value_that_may_be_secret_is_not_shown(make: Make) -> None:
    """A wrong password stands in no message."""
    problems = _problems(
        make(
            **{
                "sources/shop.yml": "type: rest_api\nbase_url: x\nauth: {type: bearer, token: [hunter2]}\n"
                "resources: {a: {path: x}}"
            }
        )
    )
    assert "hunter2" not in str(problems)


@pytest.mark.parametrize(
    "name", ["syncs/9lives.yml", "syncs/a-b.yml", "syncs/" + "x" * 49 + ".yml", "syncs/ä.yml"]
)
def test_a_hostile_name_is_a_problem(make: Make, name: str) -> None:
    """A file's stem must follow the rule for names."""
    (problem,) = _problems(make(**{name: "a: 1"}))
    assert "letters, digits or underscores" in problem.message


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("syncs/x.yaml", "rename it to x.yml"),
        ("syncs/x.sql", "end in .yml"),
        ("models/x.py", "end in .yml or .sql"),
        ("syncs/sub/x.yml", "nothing of this project"),
        ("destination/x.yml", "did you mean 'destinations'"),
        ("models/customers.yml", "declared twice"),
        ("traits/customers.yml", "the name is taken"),
        ("models/Customers.sql", "differs in case only"),
    ],
)
def test_a_file_out_of_place_is_a_problem(make: Make, name: str, words: str) -> None:
    """Files that would be passed over in silence, or that clash, are named."""
    content = FILES["traits/spend.yml"] if name.startswith("traits") else FILES["models/customers.sql"]
    if name == "models/customers.yml":
        content = "sql: select 1\nprimary_key: id"
    assert any(words in str(problem) for problem in _problems(make(**{name: content})))


def test_links_out_of_the_project_are_not_followed(make: Make, tmp_path: Path) -> None:
    """A link to a file elsewhere is a problem; one within the project is not."""
    folder = make()
    outside = tmp_path / "outside.yml"
    outside.write_text(FILES["syncs/churn_to_crm.yml"])
    (folder / "syncs/inside.yml").symlink_to(folder / "syncs/churn_to_crm.yml")
    (folder / "syncs/outside.yml").symlink_to(outside)
    (folder / "syncs/circle.yml").symlink_to(folder / "syncs/circle.yml")
    problems = {problem.file: problem.message for problem in _problems(folder)}
    assert set(problems) == {"syncs/outside.yml", "syncs/circle.yml"}
    assert "leads out of the project" in problems["syncs/outside.yml"]


def test_a_pipe_is_not_waited_for(make: Make) -> None:
    """A named pipe in place of a file is a problem at once."""
    folder = make()
    os.mkfifo(folder / "syncs/pipe.yml")
    assert "no regular file" in _problems(folder)[0].message


def test_a_folder_without_settings_is_no_project(tmp_path: Path) -> None:
    """The way to a new project is told."""
    assert "headrace init" in _problems(tmp_path)[0].message


def test_empty_settings_are_defaults(make: Make) -> None:
    """headrace.yml may be empty; the warehouse and the state then live in .headrace."""
    project = load_project(make(**{"headrace.yml": "# nothing yet\n"}))
    assert project.warehouse_url == f"duckdb:///{project.root}/.headrace/warehouse.duckdb"
    assert project.state_url == f"sqlite:///{project.root}/.headrace/state.db"


def test_the_home_is_its_owners_alone(make: Make) -> None:
    """.headrace is made when it is first needed, for its owner only, and stays out of git."""
    project = load_project(make())
    assert not (project.root / ".headrace").exists()
    assert stat.S_IMODE(project.home.stat().st_mode) == 0o700
    assert (project.home / ".gitignore").read_text() == "*\n"


@pytest.mark.parametrize(
    ("url", "resolved", "dialect"),
    [
        ("duckdb:///w.duckdb", "duckdb:///{root}/w.duckdb", "duckdb"),
        ("duckdb:////data/w.duckdb", "duckdb:////data/w.duckdb", "duckdb"),
        (
            "duckdb:///w.duckdb?access_mode=read_only",
            "duckdb:///{root}/w.duckdb?access_mode=read_only",
            "duckdb",
        ),
        ("duckdb:///:memory:", "duckdb:///:memory:", "duckdb"),
        ("sqlite+pysqlite:///a/b.db", "sqlite+pysqlite:///{root}/a/b.db", "sqlite"),
        ("postgresql+psycopg://u:p@h/d", "postgresql+psycopg://u:p@h/d", "postgres"),
        ("mariadb+pymysql://u:p@h/d", "mariadb+pymysql://u:p@h/d", "mysql"),
        ("snowflake://u:p@acc/db", "snowflake://u:p@acc/db", "snowflake"),
    ],
)
def test_urls_are_resolved_against_the_project(make: Make, url: str, resolved: str, dialect: str) -> None:
    """Relative paths start at the project's folder; everything else stays as it is."""
    project = load_project(make(**{"headrace.yml": f"warehouse: '{url}'\n"}))
    assert project.warehouse_url == resolved.format(root=project.root)
    assert project.dialect == dialect


def test_defaults_of_project_and_mode_fill_in(make: Make) -> None:
    """What a sync does not say comes from headrace.yml, then from its mode."""
    folder = make(
        **{
            "headrace.yml": "defaults:\n  guards: {max_changed: 40%, min_rows: 5}\n"
            "  nulls: omit\n  retry_rejected: never",
            "syncs/own.yml": FILES["syncs/churn_to_crm.yml"]
            + "nulls: send\nguards: {max_removed: 10, min_rows: 0}\n",
        }
    )
    project = load_project(folder)
    plain, own = project.syncs["churn_to_crm"], project.syncs["own"]
    assert (plain.nulls, plain.retry_rejected) == ("omit", "never")
    assert plain.guards == Guards.model_validate({"min_rows": 5, "max_removed": "50%", "max_changed": "40%"})
    assert own.nulls == "send"
    assert own.guards.min_rows == 0
    assert own.guards.max_removed == Share(count=10)


def test_a_model_may_stand_in_the_sync(make: Make) -> None:
    """Inline SQL and a table are models, too."""
    rest = "destination: crm\nmode: upsert\nfields: {a: b}\n"
    folder = make(
        **{
            "syncs/a.yml": "model: {sql: select 1 as id, primary_key: id}\n" + rest,
            "syncs/b.yml": "model: {table: shop.customers, primary_key: [id, day]}\n" + rest,
        }
    )
    project = load_project(folder)
    assert isinstance(project.syncs["a"].model, InlineModel)
    assert isinstance(project.syncs["b"].model, TableModel)
    assert project.syncs["b"].model.primary_key == ("id", "day")


def test_a_name_is_found_or_the_nearest_told(make: Make) -> None:
    """`find` gives the declaration or an error that suggests a name."""
    project: Project = load_project(make())
    assert project.find("syncs", "churn_to_crm").destination == "crm"
    with pytest.raises(ConfigError, match="did you mean 'churn_to_crm'"):
        project.find("syncs", "churn_to_cm")
