"""SQL is checked before any of it runs, in the warehouse's dialect."""

from __future__ import annotations

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.errors import ConfigError
from models.expressions import (
    check_expression,
    check_query,
    reads_one_table,
    rendered,
    tables_in,
    without_semicolon,
)

COLUMNS = ["email", "score", "address", "tags"]
DIALECTS = ["duckdb", "postgres", "snowflake", "bigquery", "mysql"]


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(
    "text",
    [
        "lower(email)",
        "case when score > 0.8 then 'at_risk' else 'ok' end",
        "round(score, 3)",
        "EMAIL",
        "'a; -- no comment'",
        "coalesce(email, 'x')",
        "sum(score) over (partition by email)",
        "(select max(x) from shop.t)",
        "score is null",
        "cast(score as decimal(10, 2))",
        "email -- a comment",
        "address.city",
    ],
)
def test_right_expressions_pass(text: str, dialect: str) -> None:
    """An expression that gives one value a row from known columns has no problem."""
    assert check_expression(text, COLUMNS, dialect) == []


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("emial", "did you mean 'email'"),
        ("sum(score)", "aggregate"),
        ("count(*)", "aggregate"),
        ("1 + max(score)", "aggregate"),
        ("*", "several columns"),
        ("email, score", "more than that"),
        ("email as x", "more than that"),
        ("1) as x from secrets where (1", "more than that"),
        ("email) + (score", "more than that"),
        ("email; drop table t", "not valid SQL"),
        ("1); drop table t; select (1", "more than that"),
        ("email /* not closed", "not closed"),
        ("'not closed", "not closed"),
        ("", "found none"),
        (" \n ", "found none"),
        ("-- nothing", "more than that"),
        ("email\x00", "control character"),
        ("(" * 5000, "nested too deeply"),
        ("?", "parameter"),
        ("case when score", "not valid SQL"),
    ],
)
def test_wrong_expressions_are_named(text: str, words: str, dialect: str) -> None:
    """A second statement, an aggregate, an unknown column or broken SQL is a problem."""
    problems = check_expression(text, COLUMNS, dialect)
    assert problems
    assert any(words in problem.message for problem in problems), problems


def test_columns_are_not_checked_where_they_are_not_known() -> None:
    """Without columns, any name passes."""
    assert check_expression("lower(anything)", None, "duckdb") == []


def test_names_of_lambdas_and_arguments_are_no_columns() -> None:
    """A lambda's parameter and an argument's name need not be columns."""
    assert check_expression("list_transform(tags, x -> x || email)", COLUMNS, "duckdb") == []
    assert check_expression("struct_pack(a := email)", COLUMNS, "duckdb") == []


def test_rows_cannot_be_made_in_a_mapping() -> None:
    """A function that makes several rows of one belongs into the model."""
    assert "several rows" in check_expression("unnest(tags)", COLUMNS, "duckdb")[0].message


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(
    "sql",
    [
        "select 1 as a",
        "select 1 as a;",
        "select 1 as a; -- the end",
        "with x as (select 1 as a) select * from x",
        "select 1 as a union all select 2",
        "(select 1 as a)",
    ],
)
def test_one_select_passes(sql: str, dialect: str) -> None:
    """One SELECT, with or without CTE, union and semicolon, has no problem."""
    assert check_query(sql, dialect) == []


@pytest.mark.parametrize(
    "sql",
    [
        "delete from t",
        "insert into t values (1)",
        "update t set a = 1",
        "drop table t",
        "create table t as select 1",
        "with gone as (delete from t returning *) select * from gone",
        "select * into t from s",
        "select 1; select 2",
        "select 1; drop table t",
        "copy t to '/etc/passwd'",
        "attach 'x.db'",
        "pragma version",
        "set a = 1",
        "install httpfs",
        "call f()",
        "explain select 1",
        "",
        "-- nothing",
        "select (",
        "select 1) as x, (select 2",
        "truncate table t",
        "vacuum",
        "begin",
    ],
)
@pytest.mark.parametrize("dialect", ["duckdb", "postgres"])
def test_anything_but_one_select_is_a_problem(sql: str, dialect: str) -> None:
    """What writes, commands, several statements and none are problems."""
    assert check_query(sql, dialect)


def test_parameters_are_known_and_used() -> None:
    """An unknown `:name` is a problem, and so is a needed one that is missing."""
    sql = "select id from t where at > :as_of"
    assert check_query(sql, "duckdb", parameters=("as_of",), needed=("as_of",)) == []
    assert "unknown parameter :as_of" in check_query(sql, "duckdb")[0].message
    assert (
        ":until is not used"
        in check_query(sql, "duckdb", parameters=("as_of", "until"), needed=("until",))[0].message
    )


def test_an_expression_keeps_its_words_and_loses_its_comments() -> None:
    """What is rendered is what was written, without comments, and can be followed by anything."""
    assert rendered("lower(email) -- x", "duckdb") == "(lower(email))"
    assert rendered("a - /* x */ -b", "duckdb") == "(a - -b)"
    assert rendered("'ü𝄞;--' || \"ß ?\"", "duckdb") == "('ü𝄞;--' || \"ß ?\")"
    assert (
        rendered("churn.score > 0.5", "duckdb", {("churn", "score"): "churn_score"})
        == '(churn."churn_score" > 0.5)'
    )


def test_the_semicolon_is_cut_off_and_texts_stay() -> None:
    """Only what follows the last word goes."""
    assert without_semicolon("select ';' as a ; -- end; \n ;", "duckdb") == "select ';' as a"


def test_tables_with_a_schema_are_found() -> None:
    """Tables of joins, sub-queries and CTEs are found, names of CTEs are not."""
    sql = (
        "with x as (select * from shop.orders) "
        "select * from x join traits.spend using (id), (select 1 from Predictions.p)"
    )
    assert tables_in(sql, "duckdb") == {("shop", "orders"), ("traits", "spend"), ("predictions", "p")}


@settings(max_examples=60)
@given(st.text(max_size=40) | st.text("()'\";-/*, ab1.=:$?[]{}\\`@#%", max_size=25))
def test_any_text_is_checked_without_an_accident(text: str) -> None:
    """Whatever is written as an expression, it passes or has problems; what passes cannot leave its place."""
    for dialect in ("duckdb", "postgres"):
        check_query(text, dialect)
        problems = check_expression(text, ["a", "b"], dialect)
        try:
            words = rendered(text, dialect)
        except ConfigError:
            assert problems
            continue
        statements = duckdb.extract_statements if dialect == "duckdb" else None
        if statements and not problems:
            try:
                found = duckdb.connect().extract_statements(f"select {words} from t")
            except duckdb.Error:
                continue
            assert len(found) == 1


@pytest.mark.parametrize(
    ("sql", "one"),
    [
        ("select * from shop.customers", True),
        ("select id, lower(email) as email from shop.customers where consent", True),
        ("select count(*) from t", False),
        ("select a from t join u using (a)", False),
        ("select a from t, u", False),
        ("select distinct a from t", False),
        ("select a from t limit 5", False),
        ("select a from t group by a", False),
        ("select a from t tablesample 10%", False),
        ("with x as (select 1 as a) select a from x", False),
        ("select a from (select 1 as a) as t", False),
        ("select a, row_number() over () from t", False),
        ("select unnest(a) from t", False),
        ("select a from t where a in (select b from u)", False),
        ("select a from t union all select a from u", False),
        ("select a from read_csv('x.csv')", False),
    ],
)
def test_a_query_that_only_picks_rows_of_one_table_is_told_from_others(sql: str, *, one: bool) -> None:
    """Only a SELECT of one stored table, without anything that joins, groups or makes rows, is one."""
    assert reads_one_table(sql, "duckdb") is one
