"""What a sync asks the warehouse: a SELECT or a table, with its primary key."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from connectors.errors import ConfigError, Problem
from models.declarations import Audience, InlineModel, Model, Sync, TableModel
from models.dialects import quoted, quoted_table
from models.kinds import QUESTIONS

if TYPE_CHECKING:
    from models.project import Project

__all__ = ["PREDICTIONS_SCHEMA", "PREDICTION_COLUMNS", "TRAITS_SCHEMA", "Question", "question"]

TRAITS_SCHEMA = "traits"
"""The schema that holds one table a trait file."""

PREDICTIONS_SCHEMA = "predictions"
"""The schema that holds one table a prediction."""

PREDICTION_COLUMNS = ("score", "percentile", "model_version", "scored_at")
"""What a prediction's table holds beside the entity's key."""


@dataclass(frozen=True, slots=True)
class Question:
    """A SELECT (`sql`) or a quoted table's name (`table`): one of the two.

    `sql` can be put in parentheses as it is. `depends_on` names the declarations it was made of, such as
    `models/churn_scores`.
    """

    sql: str | None
    table: str | None
    primary_key: tuple[str, ...]
    depends_on: tuple[str, ...] = ()


def question(project: Project, sync: Sync) -> Question:
    """What a sync's model asks.

    Raises:
        ConfigError: the model is not in the project, or its SQL is anything but one SELECT.
    """
    model = sync.model
    if isinstance(model, TableModel):
        return Question(None, quoted_table(model.table, project.dialect), model.primary_key)
    if isinstance(model, InlineModel):
        at = partial(project.problem, "syncs", sync.name, ("model", "sql"))
        return Question(_enclosable(model.sql, project.dialect, at), None, model.primary_key)
    folder = next((folder for folder in QUESTIONS if model in project.declared(folder)), "models")
    declared = project.find(folder, model)
    place = f"{folder}/{model}"
    if isinstance(declared, Model):
        return Question(_model_sql(project, declared), None, declared.primary_key, (place,))
    if isinstance(declared, Audience):
        return _audience(project, declared)
    return Question(None, quoted_table(place.replace("/", "."), project.dialect), declared.key, (place,))


def _audience(project: Project, audience: Audience) -> Question:
    """The model joined with what it is filtered by.

    A prediction's columns are there as `score` and as `churn_score`; where there are several predictions,
    only as `churn_score`, since `score` would stand for two.
    """
    from models.expressions import check_expression, rendered

    dialect = project.dialect
    at = partial(project.problem, "audiences", audience.name, ("where",))
    if problems := check_expression(audience.where, None, dialect, at=at):
        raise ConfigError(*problems)
    model: Model = project.find("models", audience.model)
    keys = ", ".join(quoted(column, dialect) for column in model.primary_key)
    joins = [(name, quoted_table(f"{TRAITS_SCHEMA}.{name}", dialect)) for name in audience.traits]
    several = len(audience.predictions) > 1
    joins += [(name, _prediction(name, keys, dialect, alone=not several)) for name in audience.predictions]
    renamed = {
        (name, column): f"{name}_{column}" for name in audience.predictions for column in PREDICTION_COLUMNS
    }
    where = rendered(audience.where, dialect, renamed if several else None)
    lines = [
        "SELECT *",
        f"FROM ({_model_sql(project, model)}) AS {quoted(audience.model, dialect)}",
        *(f"LEFT JOIN {table} AS {quoted(name, dialect)} USING ({keys})" for name, table in joins),
        f"WHERE {where}",
    ]
    used = (
        f"audiences/{audience.name}",
        f"models/{audience.model}",
        *(f"traits/{name}" for name in audience.traits),
        *(f"predictions/{name}" for name in audience.predictions),
    )
    return Question("\n".join(lines), None, model.primary_key, used)


def _prediction(name: str, keys: str, dialect: str, *, alone: bool) -> str:
    own = [
        f"{quoted(column, dialect)} AS {quoted(f'{name}_{column}', dialect)}" for column in PREDICTION_COLUMNS
    ]
    table = quoted_table(f"{PREDICTIONS_SCHEMA}.{name}", dialect)
    return f"(SELECT {', '.join(['*' if alone else keys, *own])} FROM {table})"


def _model_sql(project: Project, model: Model) -> str:
    return _enclosable(model.sql, project.dialect, partial(project.problem, "models", model.name, ("sql",)))


def _enclosable(sql: str, dialect: str, at: Callable[[str], Problem]) -> str:
    """The SQL, checked, without the semicolon at its end, such that a parenthesis can follow."""
    from models.expressions import check_query, without_semicolon

    if problems := check_query(sql, dialect, at=at):
        raise ConfigError(*problems)
    sql = without_semicolon(sql, dialect).strip() if ";" in sql else sql.strip()
    last = sql.rpartition("\n")[2]
    return f"{sql}\n" if "--" in last or "#" in last else sql
