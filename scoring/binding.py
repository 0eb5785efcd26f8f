"""The parameters `:as_of` and `:until` in a user's SQL, replaced by times."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Mapping

from connectors.errors import ScoringError

__all__ = ["bind", "naive_utc", "time_literal"]


def naive_utc(time: dt.datetime) -> dt.datetime:
    """A time in UTC without its zone, as the warehouse compares it; one without zone is taken as UTC."""
    return time.astimezone(dt.UTC).replace(tzinfo=None) if time.tzinfo else time


def time_literal(time: dt.datetime) -> str:
    """A time as a `TIMESTAMP` literal in UTC, to the microsecond."""
    return f"TIMESTAMP '{naive_utc(time).isoformat(sep=' ')}'"


def bind(sql: str, dialect: str, times: Mapping[str, dt.datetime]) -> str:
    """The statement with each `:name` replaced by its time, all else untouched, without a final semicolon.

    Names inside of strings, comments and casts (`x::as_of`) are no parameters: the statement is split into
    tokens. `dialect` is a name of sqlglot's.

    Raises:
        ScoringError: the statement cannot be split into tokens, or holds a parameter that is not in `times`.
    """
    import sqlglot
    from sqlglot import TokenType
    from sqlglot.errors import TokenError

    try:
        tokens = sqlglot.Dialect.get_or_raise(dialect).tokenize(sql)
    except TokenError as error:
        raise ScoringError(f"this SQL cannot be read: {error}") from error
    parts: list[str] = []
    done = 0
    for colon, name in itertools.pairwise(tokens):
        if colon.token_type is not TokenType.COLON or name.start != colon.end + 1:
            continue
        if not _begins_a_name(name.text):
            continue
        if name.text not in times:
            known = ", ".join(f":{each}" for each in times) or "none"
            raise ScoringError(f"unknown parameter :{name.text} in this SQL; allowed: {known}")
        parts += [sql[done : colon.start], time_literal(times[name.text])]
        done = name.end + 1
    end = len(sql)
    if tokens and tokens[-1].token_type is TokenType.SEMICOLON:
        end = tokens[-1].start
    return "".join([*parts, sql[done:end]])


def _begins_a_name(text: str) -> bool:
    return text[:1].isalpha() or text[:1] == "_"
