"""Features as SQL, as of any time: one statement for any set of (entity, cut-off) pairs.

A feature sees the events with `at < as_of` and, where the time at which a row became known is declared,
`created < as_of`; a window of width w begins at `as_of - w` and includes that moment. An event whose times
are null is never seen. Without any event counts and sums are 0, all else is null. Columns are named
`{aggregate}_{column}_{window}`, and `count_{window}` for `count: ["*"]`.
"""

from __future__ import annotations

import datetime as dt
import re

from connectors.errors import ScoringError
from connectors.warehouses.base import Dialect
from models.declarations.feature import Feature
from models.durations import duration_text
from scoring.binding import bind, time_literal
from scoring.pairs import Pairs

__all__ = ["feature_sql"]

_AGGREGATES = {
    "count": "count({value}) {when}",
    "distinct": "count(DISTINCT {value}) {when}",
    "sum": "coalesce(sum({value}) {when}, 0)",
    "mean": "avg({value}) {when}",
    "min": "min({value}) {when}",
    "max": "max({value}) {when}",
}
_HISTORY = {
    "days_since_last": "extract(epoch FROM p.as_of - max(e.at)) / 86400.0",
    "days_since_first": "extract(epoch FROM p.as_of - min(e.at)) / 86400.0",
    "mean_gap": "extract(epoch FROM max(e.at) - min(e.at)) / 86400.0 / nullif(count(e.at) - 1, 0)",
}


def feature_sql(feature: Feature, pairs: Pairs, dialect: Dialect) -> str:
    """A query of one row a pair: the pair's key columns, `as_of`, and the feature's columns.

    A feature in SQL is bound to each cut-off of the pairs, and gives rows only for the keys that its SQL
    returns; that it looks at nothing from `:as_of` on is its author's word.

    Raises:
        ScoringError: the key has another number of columns than the pairs', or two columns have one name.
    """
    if len(feature.key) != len(pairs.keys):
        raise ScoringError(
            f"key has {len(feature.key)} columns where the prediction's has "
            f"{len(pairs.keys)} ({', '.join(pairs.keys)})"
        )
    if feature.sql is not None:
        return _bound(feature, feature.sql, pairs, dialect)
    values = _values(feature)
    columns = ",\n  ".join(
        f"{sql} AS {dialect.quote(name)}" for name, sql in _columns(feature, values).items()
    )
    mine = ", ".join(f"p.{dialect.quote(key)}" for key in pairs.keys)
    same = " AND ".join(f"e.k{i} = p.{dialect.quote(key)}" for i, key in enumerate(pairs.keys))
    return (
        f"SELECT {mine}, p.as_of,\n  {columns}\nFROM {pairs.relation} AS p\n"
        f"LEFT JOIN ({_events(feature, values, dialect)}) AS e\n"
        f"  ON {same} AND {_visible(feature)}\nGROUP BY {mine}, p.as_of"
    )


def _bound(feature: Feature, sql: str, pairs: Pairs, dialect: Dialect) -> str:
    renamed = "".join(
        f"f.{dialect.quote(own)} AS {dialect.quote(key)}, "
        for own, key in zip(feature.key, pairs.keys, strict=True)
        if own != key
    )
    return "\nUNION ALL\n".join(
        f"SELECT f.*, {renamed}{time_literal(cutoff)} AS as_of "
        f"FROM (\n{bind(sql, dialect.name, {'as_of': cutoff})}\n) AS f"
        for cutoff in pairs.cutoffs
    )


def _aggregates(feature: Feature) -> list[tuple[str, str]]:
    """Each (aggregate, expression) that is declared."""
    declared = feature.aggregate.model_dump() if feature.aggregate else {}
    return [(aggregate, value) for aggregate, values in declared.items() for value in values]


def _values(feature: Feature) -> dict[str, str]:
    """What stands for each aggregated expression over the events `e`."""
    distinct = dict.fromkeys(value for _, value in _aggregates(feature) if value != "*")
    return {value: f"e.c{i}" for i, value in enumerate(distinct)}


def _events(feature: Feature, values: dict[str, str], dialect: Dialect) -> str:
    """The feature's rows: keys as `k0`…, times as `at` and `created`, aggregated values as `c0`…."""
    table = ".".join(map(dialect.quote, (feature.from_ or "").split(".")))
    chosen = [f"{dialect.quote(key)} AS k{i}" for i, key in enumerate(feature.key)]
    chosen.append(f"CAST(({feature.at}) AS TIMESTAMP) AS at")
    if feature.created:
        chosen.append(f"CAST(({feature.created}) AS TIMESTAMP) AS created")
    chosen += [f"({value}) AS {name.removeprefix('e.')}" for value, name in values.items()]
    where = f" WHERE ({feature.where})" if feature.where else ""
    return f"SELECT {', '.join(chosen)} FROM {table}{where}"


def _visible(feature: Feature) -> str:
    """What of an entity's events a pair may see at all."""
    terms = ["e.at < p.as_of"]
    if feature.created:
        terms.append("e.created < p.as_of")
    if not feature.also:  # `also` looks at the whole history, which has no first day
        terms.append(_since(max(feature.windows)))
    return " AND ".join(terms)


def _since(window: dt.timedelta) -> str:
    return f"e.at >= p.as_of - INTERVAL '{int(window.total_seconds())} seconds'"


def _columns(feature: Feature, values: dict[str, str]) -> dict[str, str]:
    """Each column's name and its expression over pairs `p` and events `e`."""
    columns: dict[str, str] = {}
    for window in feature.windows:
        when = f"FILTER (WHERE {_since(window)})"
        for aggregate, value in _aggregates(feature):
            if value == "*" and aggregate != "count":
                raise ScoringError(f"{aggregate} needs a column; only count takes *")
            # An outer join gives a row of nulls where there is no event: `at` is null there alone.
            expression = _AGGREGATES[aggregate].format(value=values.get(value, "e.at"), when=when)
            name = "_".join(filter(None, (aggregate, _slug(value), duration_text(window))))
            if columns.setdefault(name, expression) != expression:
                raise ScoringError(f"two columns would be named {name}")
    return columns | {name: _HISTORY[name] for name in feature.also}


def _slug(expression: str) -> str:
    """A column's name as it is; an expression's words, joined: `quantity * price` is `quantity_price`."""
    return "_".join(re.findall(r"\w+", expression))
