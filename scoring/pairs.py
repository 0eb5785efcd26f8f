"""The (entity, cut-off) pairs of a training set or of a scoring run, as a table of the session."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from connectors.warehouses.base import Dialect, Session
from models.declarations.prediction import Prediction
from scoring.binding import bind, naive_utc, time_literal
from scoring.places import errors_of

__all__ = ["Pairs", "make_pairs"]

_TABLE = "headrace_pairs"
_ANY_TIME = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)


@dataclass(frozen=True, slots=True)
class Pairs:
    """A relation of `pair` (from 1, by cut-off, then key), the entity's key columns, `as_of` and `label`."""

    keys: tuple[str, ...]
    cutoffs: tuple[dt.datetime, ...]
    relation: str = _TABLE


@contextmanager
def make_pairs(
    prediction: Prediction,
    cutoffs: Sequence[dt.datetime],
    session: Session,
    dialect: Dialect,
    *,
    labelled: bool,
) -> Iterator[Pairs]:
    """The population as of each cut-off, numbered; the table ends with the context.

    An entity that the population holds several times is taken once; one whose key is null is left out.
    With `labelled`, `label` is 1 where the label's SQL, bound to the cut-off and the end of its horizon,
    names the entity, else 0; without, it is null.
    """
    _check(prediction, session, dialect)
    keys = [dialect.quote(key) for key in prediction.key]
    times = sorted(set(map(naive_utc, cutoffs)))
    parts = "\nUNION ALL\n".join(_as_of(prediction, time, dialect, labelled=labelled) for time in times)
    order = ", ".join(["as_of", *keys])
    session.run(f"DROP TABLE IF EXISTS {_TABLE}")
    session.run(
        f"CREATE TEMPORARY TABLE {_TABLE} AS\n"
        f"SELECT row_number() OVER (ORDER BY {order}) AS pair, {order}, label FROM (\n{parts}\n) AS every"
    )
    try:
        session.run(f"ANALYZE {_TABLE}")
        yield Pairs(keys=tuple(prediction.key), cutoffs=tuple(times))
    finally:
        session.run(f"DROP TABLE IF EXISTS {_TABLE}")


def _check(prediction: Prediction, session: Session, dialect: Dialect) -> None:
    """Have the warehouse read both statements by themselves, so that an error names the one it is about."""
    keys = ", ".join(map(dialect.quote, prediction.key))
    times = {"as_of": _ANY_TIME}
    with errors_of(f"predictions/{prediction.name}: population"):
        population = bind(prediction.population, dialect.name, times)
        session.columns(f"SELECT {keys} FROM (\n{population}\n) AS population")
    with errors_of(f"predictions/{prediction.name}: label"):
        positives = bind(prediction.label.sql, dialect.name, times | {"until": _ANY_TIME})
        session.columns(f"SELECT {keys} FROM (\n{positives}\n) AS positives")


def _as_of(prediction: Prediction, cutoff: dt.datetime, dialect: Dialect, *, labelled: bool) -> str:
    keys = [dialect.quote(key) for key in prediction.key]
    present = " AND ".join(f"{key} IS NOT NULL" for key in keys)
    population = bind(prediction.population, dialect.name, {"as_of": cutoff})
    entities = f"SELECT DISTINCT {', '.join(keys)} FROM (\n{population}\n) AS population WHERE {present}"
    mine = ", ".join(f"p.{key}" for key in keys)
    now = f"{time_literal(cutoff)} AS as_of"
    if not labelled:
        return f"SELECT {mine}, {now}, CAST(NULL AS INTEGER) AS label FROM ({entities}) AS p"
    times = {"as_of": cutoff, "until": cutoff + prediction.label.horizon}
    positives = bind(prediction.label.sql, dialect.name, times)
    same = " AND ".join(f"p.{key} = l.{key}" for key in keys)
    return (
        f"SELECT {mine}, {now}, CASE WHEN l.hit IS NULL THEN 0 ELSE 1 END AS label\n"
        f"FROM ({entities}) AS p LEFT JOIN (\n"
        f"SELECT DISTINCT {', '.join(keys)}, 1 AS hit FROM (\n{positives}\n) AS positives\n) AS l ON {same}"
    )
