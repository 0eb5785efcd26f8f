"""Checks SQL in the warehouse's dialect before any of it runs, and renders expressions anew."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.errors import ParseError, SqlglotError
from sqlglot.tokenizer_core import TokenType

from connectors.errors import ConfigError, Problem
from models.dialects import quoted
from models.nearest import guess

__all__ = [
    "check_expression",
    "check_query",
    "reads_one_table",
    "rendered",
    "tables_in",
    "without_semicolon",
]

_WRITES = (
    exp.DML, exp.DDL, exp.Drop, exp.Alter, exp.Command, exp.Into, exp.TruncateTable, exp.Copy, exp.Pragma,
    exp.Set, exp.Attach, exp.Detach, exp.Use, exp.Transaction, exp.Commit, exp.Rollback,
)  # fmt: skip
_ROW_MAKERS = frozenset(
    {
        "unnest", "explode", "explode_outer", "flatten", "posexplode", "regexp_split_to_table",
        "string_to_table", "json_each", "jsonb_each", "json_array_elements", "jsonb_array_elements",
        "json_object_keys", "jsonb_object_keys", "jsonb_path_query",
    }
)  # fmt: skip
_LONGEST_DETAIL = 200
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_TOKEN = re.compile(r"<Token .*?text: (.*?), line.*", re.DOTALL)

# What sqlglot cannot parse it takes for a command and says so in its log; here it becomes a problem.
logging.getLogger("sqlglot").setLevel(logging.ERROR)

At = Callable[[str], Problem]


_PICKS = {"expressions", "from_", "where", "kind", "hint"}
"""The parts of a SELECT that only pick and filter, as sqlglot names them."""


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
        return [at(f"only a SELECT may stand here, found {_first_word(sql, dialect)}")]
    messages = [
        f"only a SELECT may stand here, found {node.key.upper()} in it"
        for node in statement.find_all(*_WRITES)
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
    """An expression word by word as it was written, without comments, in parentheses where it has many words.

    The words stay the user's own: a rendering from the syntax tree would spell some functions differently,
    which is not always the same to the warehouse. `renamed` gives a column's new name by (table, column).

    Raises:
        ConfigError: it cannot be parsed as one expression.
    """
    _one_expression(text, dialect)
    tokens = sqlglot.tokenize(text, read=_known(dialect))
    words = [text[token.start : token.end + 1] for token in tokens]
    for number in range(len(tokens) - 2) if renamed else ():
        table, dot, column = (token.text for token in tokens[number : number + 3])
        if dot == "." and (table, column) in (renamed or {}):
            words[number + 2] = quoted((renamed or {})[table, column], dialect)
    joined = words[0]
    for before, token, word in zip(tokens, tokens[1:], words[1:], strict=False):
        joined += word if token.start == before.end + 1 else f" {word}"
    return joined if len(words) == 1 else f"({joined})"


def tables_in(sql: str, dialect: str) -> set[tuple[str, str]]:
    """The (schema, table) pairs that a query selects from; empty where it cannot be parsed."""
    try:
        statement = _one_statement(sql, dialect)
    except ConfigError:
        return set()
    return {(table.db.lower(), table.name) for table in statement.find_all(exp.Table) if table.db}


def reads_one_table(sql: str, dialect: str) -> bool:
    """Whether a query only picks and filters rows of one table, so that counting its rows again costs little.

    Raises:
        ConfigError: it is not one statement.
    """
    select = _one_statement(sql, dialect)
    plain = (
        isinstance(select, exp.Select) and {name for name, value in select.args.items() if value} <= _PICKS
    )
    source = select.find(exp.From) if plain else None
    table = source.this if source is not None else None
    if not isinstance(table, exp.Table) or not isinstance(table.this, exp.Identifier):
        return False
    if {name for name, value in table.args.items() if value} - {"this", "db", "catalog", "alias"}:
        return False
    costly = (exp.AggFunc, exp.Window, exp.UDTF, exp.Subquery, exp.Exists)
    return select.find(*costly) is None and len(list(select.find_all(exp.Select))) == 1


def without_semicolon(sql: str, dialect: str) -> str:
    """The text of a query up to its last word; what follows is semicolons and comments.

    Raises:
        ConfigError: it cannot be cut into words.
    """
    try:
        tokens = sqlglot.tokenize(sql, read=_known(dialect))
    except SqlglotError as error:
        raise ConfigError(_words(error, sql)) from None
    words = [token for token in tokens if token.token_type is not TokenType.SEMICOLON]
    return sql[: words[-1].end + 1] if words else ""


def _known(dialect: str) -> str:
    """The dialect where sqlglot has it, else its own general one."""
    return dialect if sqlglot.Dialect.get(dialect) is not None else ""


def _parsed(sql: str, dialect: str) -> list[exp.Expr]:
    if control := _CONTROL.search(sql):
        raise ConfigError(f"not valid SQL: the control character U+{ord(control[0]):04X}")
    try:
        return [statement for statement in sqlglot.parse(sql, read=_known(dialect)) if statement is not None]
    except SqlglotError as error:
        raise ConfigError(_words(error, sql)) from None
    except RecursionError:
        raise ConfigError("the SQL is nested too deeply") from None


def _one_statement(sql: str, dialect: str) -> exp.Expr:
    # A statement of nothing but a comment after the last semicolon is none.
    statements = [
        statement for statement in _parsed(sql, dialect) if not isinstance(statement, exp.Semicolon)
    ]
    if len(statements) != 1:
        raise ConfigError(f"one statement is needed, found {len(statements) or 'none'}")
    return statements[0]


def _one_expression(text: str, dialect: str) -> exp.Expr:
    if not text.strip():
        raise ConfigError("one SQL expression is needed, found none")
    # In parentheses, so that nothing in the text can end the expression and begin something else.
    statements = _parsed(f"SELECT ({text}\n)", dialect)
    select = statements[0] if len(statements) == 1 else None
    plain = isinstance(select, exp.Select) and not any(
        value for name, value in select.args.items() if name not in ("expressions", "kind")
    )
    if select is None or not plain or len(select.expressions) != 1:
        raise ConfigError("one SQL expression is needed, found more than that")
    inside = select.expressions[0]
    if isinstance(inside, exp.Subquery) and not inside.alias:
        return inside
    if not isinstance(inside, exp.Paren) or isinstance(inside.unnest(), exp.Alias | exp.Tuple):
        raise ConfigError("one SQL expression is needed, found more than that")
    made: exp.Expr = inside.this
    return made


def _outside_of_queries(expression: exp.Expr) -> Iterator[exp.Expr]:
    """An expression's nodes, without those of queries inside it, which have tables of their own."""
    yield from expression.walk(prune=lambda node: isinstance(node, exp.Query))


def _not_scalar(node: exp.Expr) -> str | None:
    if isinstance(node, exp.AggFunc) and not _is_windowed(node):
        return f"the aggregate {node.sql_name().lower()} makes one row of many; aggregate in the model's SQL"
    if isinstance(node, exp.Star | exp.Columns):
        return "* stands for several columns; one value is needed"
    if isinstance(node, exp.UDTF) or (isinstance(node, exp.Func) and _function(node) in _ROW_MAKERS):
        return f"{_function(node)} makes several rows of one; use it in the model's SQL"
    if isinstance(node, exp.Placeholder | exp.Parameter):
        return "a parameter has no value here"
    return None


def _is_windowed(node: exp.Expr) -> bool:
    parent = node.parent
    while isinstance(parent, exp.Filter | exp.IgnoreNulls | exp.RespectNulls | exp.WithinGroup):
        parent = parent.parent
    return isinstance(parent, exp.Window)


def _function(node: exp.Expr) -> str:
    name = node.name if isinstance(node, exp.Anonymous) else getattr(node, "sql_name", lambda: node.key)()
    return "unnest" if name == "EXPLODE" else str(name).lower()


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


def _first_word(sql: str, dialect: str) -> str:
    return str(sqlglot.tokenize(sql, read=_known(dialect))[0].text).upper()[:40]


def _parameter(node: exp.Expr) -> str:
    return str(node.name or "?")


def _words(error: SqlglotError, sql: str) -> str:
    """An error of sqlglot in one line, without the colours it marks the place with."""
    if not (isinstance(error, ParseError) and error.errors):
        return "not valid SQL: a quote or comment is not closed"
    first: dict[str, Any] = error.errors[0]
    description = _TOKEN.sub(r"'\1'", str(first.get("description", ""))).rstrip(".")[:_LONGEST_DETAIL]
    near = f" near '{first['highlight'][:40].strip()}'" if (first.get("highlight") or "").strip() else ""
    line = f" in line {first['line']}" if sql.count("\n") and first.get("line") else ""
    return f"not valid SQL{line}: {description}{near}"
