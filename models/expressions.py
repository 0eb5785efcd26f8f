"""Checks SQL in the warehouse's dialect before any of it runs, and renders expressions anew."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.errors import ParseError, SqlglotError

from connectors.errors import ConfigError, Problem
from models.nearest import guess

__all__ = ["check_expression", "check_query", "rendered", "tables_in", "without_semicolon"]

_WRITES = (
    exp.DML, exp.DDL, exp.Drop, exp.Alter, exp.Command, exp.Into, exp.TruncateTable, exp.Copy, exp.Pragma,
    exp.Set, exp.Attach, exp.Detach, exp.Use, exp.Transaction, exp.Commit, exp.Rollback,
)  # fmt: skip
_ROW_MAKERS = frozenset(
    {
        "unnest", "explode", "explode_outer", "flatten", "posexplode", "regexp_matches", "regexp_split_to_table",
        "string_to_table", "json_each", "jsonb_each", "json_array_elements", "jsonb_array_elements",
        "json_object_keys", "jsonb_object_keys", "jsonb_path_query",
    }
)  # fmt: skip
_LONGEST_DETAIL = 200

At = Callable[[str], Problem]


def check_query(
    sql: str,
    dialect: str,
    *,
    parameters: Collection[str] = (),
    needed: Collection[str] = (),
    at: At = Problem,
) -> list[Problem]:
    """What is wrong with a query: it must be one SELECT that writes nothing.

    Args:
        sql: the query's text.
        dialect: the warehouse's dialect, by its name in sqlglot.
        parameters: names that may stand in it as `:name`.
        needed: those of them that must.
        at: makes a problem of a message, with the query's place.
    """
    try:
        statement = _one_statement(sql, dialect)
    except ConfigError as error:
        return [at(problem.message) for problem in error.problems]
    if not isinstance(statement, exp.Query):
        return [at(f"only a SELECT may stand here, found {_verb(statement)}")]
    messages = [
        f"only a SELECT may stand here, found {_verb(node)} in it" for node in statement.find_all(*_WRITES)
    ]
    used = {name for node in statement.find_all(exp.Placeholder, exp.Parameter) if (name := _parameter(node))}
    messages += [
        f"unknown parameter :{name}{guess(name, parameters)}" for name in sorted(used - set(parameters))
    ]
    messages += [
        f":{name} is not used, so it would see what was not known then" for name in sorted(set(needed) - used)
    ]
    return [at(message) for message in messages]


def check_expression(
    text: str, columns: Collection[str] | None, dialect: str, *, at: At = Problem
) -> list[Problem]:
    """What is wrong with an expression: it must give one value for each row, from known columns.

    Args:
        text: the expression's text.
        columns: the columns there are; None where they are not known, and so not checked.
        dialect: the warehouse's dialect, by its name in sqlglot.
        at: makes a problem of a message, with the expression's place.
    """
    try:
        expression = _one_expression(text, dialect)
    except ConfigError as error:
        return [at(problem.message) for problem in error.problems]
    own = list(_outside_of_queries(expression))
    messages = [message for node in own if (message := _not_scalar(node))]
    if columns is not None:
        known = {column.lower() for column in columns}
        roots = dict.fromkeys(
            _root(node) for node in own if isinstance(node, exp.Column) and not _is_bound(node)
        )
        messages += [
            f"unknown column '{root}'{guess(root, columns)}" for root in roots if root.lower() not in known
        ]
    return [at(message) for message in dict.fromkeys(messages)]


def rendered(text: str, dialect: str, renamed: Mapping[tuple[str, str], str] | None = None) -> str:
    """An expression parsed and written anew, without comments; `renamed` columns by (table, column).

    Raises:
        ConfigError: it cannot be parsed as one expression.
    """
    expression = _one_expression(text, dialect)
    for node in list(expression.find_all(exp.Column)) if renamed else ():
        new = (renamed or {}).get((node.table, node.name))
        if new:
            node.set("this", exp.to_identifier(new, quoted=True))
    return expression.sql(dialect=_known(dialect), comments=False)


def tables_in(sql: str, dialect: str) -> set[tuple[str, str]]:
    """The (schema, table) pairs that a query selects from; empty where it cannot be parsed."""
    try:
        statement = _one_statement(sql, dialect)
    except ConfigError:
        return set()
    return {(table.db, table.name) for table in statement.find_all(exp.Table) if table.db}


def without_semicolon(sql: str, dialect: str) -> str:
    """The text of a query up to its last word; what follows is semicolons and comments.

    Raises:
        ConfigError: it cannot be cut into words.
    """
    try:
        tokens = sqlglot.tokenize(sql, read=_known(dialect))
    except SqlglotError as error:
        raise ConfigError(_words(error)) from None
    words = [token for token in tokens if token.token_type is not sqlglot.tokens.TokenType.SEMICOLON]
    return sql[: words[-1].end + 1] if words else ""


def _known(dialect: str) -> str:
    """The dialect where sqlglot has it, else its own general one."""
    return dialect if sqlglot.Dialect.get(dialect) is not None else ""


def _parsed(sql: str, dialect: str) -> list[exp.Expression]:
    try:
        return [statement for statement in sqlglot.parse(sql, read=_known(dialect)) if statement is not None]
    except SqlglotError as error:
        raise ConfigError(_words(error)) from None
    except RecursionError:
        raise ConfigError("the SQL is nested too deeply") from None


def _one_statement(sql: str, dialect: str) -> exp.Expression:
    # A statement of nothing but a comment after the last semicolon is none.
    statements = [
        statement for statement in _parsed(sql, dialect) if not isinstance(statement, exp.Semicolon)
    ]
    if len(statements) != 1:
        raise ConfigError(f"one statement is needed, found {len(statements) or 'none'}")
    return statements[0]


def _one_expression(text: str, dialect: str) -> exp.Expression:
    # In parentheses, so that nothing in the text can end the expression and begin something else.
    statements = _parsed(f"SELECT (\n{text}\n)", dialect)
    select = statements[0] if len(statements) == 1 else None
    plain = isinstance(select, exp.Select) and not any(
        value for name, value in select.args.items() if name not in ("expressions", "kind")
    )
    if select is None or not plain or len(select.expressions) != 1:
        raise ConfigError("one SQL expression is needed, found more than that")
    inside = select.expressions[0]
    if isinstance(inside, exp.Subquery) and not inside.alias:
        return inside
    if not isinstance(inside, exp.Paren) or isinstance(inside.this, exp.Alias):
        raise ConfigError("one SQL expression is needed, found more than that")
    made: exp.Expression = inside.this
    return made


def _outside_of_queries(expression: exp.Expression) -> Iterator[exp.Expression]:
    """An expression's nodes, without those of queries inside it, which have tables of their own."""
    yield from expression.walk(prune=lambda node: isinstance(node, exp.Query))


def _not_scalar(node: exp.Expression) -> str | None:
    if isinstance(node, exp.AggFunc) and not _is_windowed(node):
        return f"the aggregate {node.sql_name().lower()} makes one row of many; aggregate in the model's SQL"
    if isinstance(node, exp.Star | exp.Columns):
        return "* stands for several columns; one value is needed"
    if isinstance(node, exp.UDTF) or (isinstance(node, exp.Func) and _function(node) in _ROW_MAKERS):
        return f"{_function(node)} makes several rows of one; use it in the model's SQL"
    if isinstance(node, exp.Placeholder | exp.Parameter):
        return "a parameter has no value here"
    return None


def _is_windowed(node: exp.Expression) -> bool:
    parent = node.parent
    while isinstance(parent, exp.Filter | exp.IgnoreNulls | exp.RespectNulls | exp.WithinGroup):
        parent = parent.parent
    return isinstance(parent, exp.Window)


def _function(node: exp.Expression) -> str:
    name = node.name if isinstance(node, exp.Anonymous) else getattr(node, "sql_name", lambda: node.key)()
    return str(name).lower()


def _root(column: exp.Column) -> str:
    """The first part of a dotted name: a column, of which the rest are fields."""
    return str(column.parts[0].name)


def _is_bound(column: exp.Column) -> bool:
    """Whether the name is a lambda's own, or names an argument."""
    parent = column.parent
    if isinstance(parent, exp.PropertyEQ | exp.Kwarg) and parent.this is column:
        return True
    while parent is not None:
        if isinstance(parent, exp.Lambda) and _root(column) in {name.name for name in parent.expressions}:
            return True
        parent = parent.parent
    return False


def _verb(statement: exp.Expression) -> str:
    name = statement.name if isinstance(statement, exp.Command) else statement.key
    return str(name).upper()[:40]


def _parameter(node: exp.Expression) -> str:
    return str(node.name or "?")


def _words(error: SqlglotError) -> str:
    """An error of sqlglot in one line, without the colours it marks the place with."""
    if isinstance(error, ParseError) and error.errors:
        first: dict[str, Any] = error.errors[0]
        near = f" near '{first['highlight'][:40]}'" if first.get("highlight") else ""
        return f"not valid SQL: {str(first.get('description', '')).rstrip('.')[:_LONGEST_DETAIL]}{near}"
    return f"not valid SQL: {str(error).splitlines()[0][:_LONGEST_DETAIL]}"
