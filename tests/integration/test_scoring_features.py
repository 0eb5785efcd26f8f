"""Features as of a time, held against plain Python on both warehouses."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.errors import ScoringError
from connectors.warehouses import Dialect, Session, Warehouse, open_warehouse
from models.declarations.feature import Feature
from scoring.features import feature_sql
from scoring.inputs import choose_inputs
from scoring.pairs import Pairs

START = dt.datetime.fromisoformat("2024-01-01")
HOUR = dt.timedelta(hours=1)
WINDOWS = {"12h": 12 * HOUR, "2d": 48 * HOUR}
ENTITIES = 3


@dataclass(frozen=True)
class Event:
    """An event as it is drawn: times in hours from `START`, null where None."""

    entity: int
    at: int | None
    created: int | None
    amount: int | None
    sku: str | None


# Hours on a coarse grid, so that events at the very edges of windows are common.
hours = st.integers(0, 12).map(lambda step: step * 6)
events = st.builds(
    Event,
    entity=st.integers(1, ENTITIES),
    at=st.none() | hours,
    created=st.none() | hours,
    amount=st.none() | st.integers(-5, 5),
    sku=st.none() | st.sampled_from("ab"),
)
pairs_drawn = st.sets(st.tuples(st.integers(1, ENTITIES), hours), min_size=1, max_size=5)


def feature(*, created: bool, also: bool = True, name: str = "activity") -> Feature:
    """The declaration under test."""
    return Feature.model_validate(
        {
            "name": name,
            "entity": "customer",
            "key": "customer_id",
            "from": "events",
            "where": "sku is null or sku <> 'z'",
            "at": "happened_at",
            "created": "known_at" if created else None,
            "aggregate": {
                "count": ["*", "amount"],
                "sum": ["amount"],
                "mean": ["amount"],
                "min": ["amount"],
                "max": ["amount * 2"],
                "distinct": ["sku"],
            },
            "windows": list(WINDOWS),
            "also": ["days_since_last", "days_since_first", "mean_gap"] if also else [],
        }
    )


def expected(drawn: Sequence[Event], entity: int, as_of: int, *, created: bool) -> dict[str, Any]:
    """The same features in plain Python."""
    seen = [
        event
        for event in drawn
        if event.entity == entity
        and event.at is not None
        and event.at < as_of
        and (not created or (event.created is not None and event.created < as_of))
    ]
    row: dict[str, Any] = {}
    for label, width in WINDOWS.items():
        inside = [event for event in seen if event.at is not None and (as_of - event.at) * HOUR <= width]
        amounts = [event.amount for event in inside if event.amount is not None]
        row |= {
            f"count_{label}": len(inside),
            f"count_amount_{label}": len(amounts),
            f"sum_amount_{label}": sum(amounts),
            f"mean_amount_{label}": sum(amounts) / len(amounts) if amounts else None,
            f"min_amount_{label}": min(amounts, default=None),
            f"max_amount_2_{label}": 2 * max(amounts) if amounts else None,
            f"distinct_sku_{label}": len({event.sku for event in inside} - {None}),
        }
    times = sorted(event.at for event in seen if event.at is not None)
    row["days_since_last"] = (as_of - times[-1]) / 24 if times else None
    row["days_since_first"] = (as_of - times[0]) / 24 if times else None
    row["mean_gap"] = (times[-1] - times[0]) / 24 / (len(times) - 1) if len(times) > 1 else None
    return row


def rows_of(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A relation of literal rows; one that nobody selects gives the columns their types."""
    typed = "SELECT 0 AS {}, TIMESTAMP '2000-01-01' AS {}, TIMESTAMP '2000-01-01' AS {}, 0 AS {}, 'x' AS {}"
    nothing = typed.format(*columns) + " WHERE 1 = 0"
    return " UNION ALL ".join([nothing, *(f"SELECT {', '.join(row)}" for row in rows)])


def moment(hour: int | None) -> str:
    """An hour as SQL."""
    return "CAST(NULL AS TIMESTAMP)" if hour is None else f"TIMESTAMP '{START + hour * HOUR}'"


def computed(
    session: Session,
    dialect: Dialect,
    drawn: Sequence[Event],
    wanted: set[tuple[int, int]],
    declared: Feature,
) -> dict[tuple[int, int], dict[str, Any]]:
    """The features by (entity, hour), from the warehouse."""
    columns = ("customer_id", "happened_at", "known_at", "amount", "sku")
    rows = [
        (
            str(event.entity),
            moment(event.at),
            moment(event.created),
            "CAST(NULL AS INTEGER)" if event.amount is None else str(event.amount),
            "CAST(NULL AS VARCHAR)" if event.sku is None else f"'{event.sku}'",
        )
        for event in drawn
    ]
    session.run("DROP TABLE IF EXISTS events")
    session.run(f"CREATE TEMPORARY TABLE events AS {rows_of(columns, rows)}")
    listed = " UNION ALL ".join(
        f"SELECT {entity} AS customer, {moment(hour)} AS as_of" for entity, hour in sorted(wanted)
    )
    session.run("DROP TABLE IF EXISTS wanted")
    session.run(f"CREATE TEMPORARY TABLE wanted AS {listed}")
    pairs = Pairs(
        ("customer",), tuple(START + hour * HOUR for hour in sorted({h for _, h in wanted})), "wanted"
    )
    query = feature_sql(declared, pairs, dialect)
    names = [column.name for column in session.columns(query)]
    found = {}
    for row in session.rows(query):
        values = dict(zip(names, row, strict=True))
        hour = int((values.pop("as_of") - START) / HOUR)
        numbers = {
            n: v if v is None else pytest.approx(float(v)) for n, v in values.items() if n != "customer"
        }
        found[values["customer"], hour] = numbers
    return found


def check(warehouse: Warehouse, drawn: list[Event], wanted: set[tuple[int, int]], *, created: bool) -> None:
    """Features equal plain Python, with and without the history that `also` looks at."""
    with warehouse.connect("a test") as session:
        for also in (True, False):
            declared = feature(created=created, also=also)
            found = computed(session, warehouse.dialect, drawn, wanted, declared)
            assert set(found) == wanted
            for (entity, hour), row in found.items():
                plain = expected(drawn, entity, hour, created=created)
                assert {name: plain[name] for name in row} == row
                assert len(row) == len(plain) - (0 if also else 3)


@settings(max_examples=40, deadline=None)
@given(drawn=st.lists(events, max_size=12), wanted=pairs_drawn, created=st.booleans())
def test_features_equal_plain_python_on_duckdb(
    drawn: list[Event], wanted: set[tuple[int, int]], *, created: bool
) -> None:
    """Every feature of every pair equals a computation in plain Python."""
    check(open_warehouse("duckdb:///:memory:"), drawn, wanted, created=created)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(drawn=st.lists(events, max_size=12), wanted=pairs_drawn, created=st.booleans())
def test_features_equal_plain_python_on_postgresql(
    postgres_url: str, drawn: list[Event], wanted: set[tuple[int, int]], *, created: bool
) -> None:
    """PostgreSQL gives the same features as plain Python."""
    check(open_warehouse(postgres_url), drawn, wanted, created=created)


@settings(max_examples=40, deadline=None)
@given(
    drawn=st.lists(events, max_size=10),
    late=st.lists(events, max_size=10),
    pair=st.tuples(st.integers(1, ENTITIES), hours),
    by_creation=st.booleans(),
)
def test_no_feature_sees_past_its_cutoff(
    drawn: list[Event], late: list[Event], pair: tuple[int, int], *, by_creation: bool
) -> None:
    """Events that happen, or become known, at the cut-off or later change nothing."""
    from dataclasses import replace

    hour = pair[1]
    after = [
        replace(event, created=hour + (event.created or 0))
        if by_creation
        else replace(event, at=hour + (event.at or 0))
        for event in late
    ]
    warehouse = open_warehouse("duckdb:///:memory:")
    with warehouse.connect("a test") as session:
        declared = feature(created=True)
        before = computed(session, warehouse.dialect, drawn, {pair}, declared)
        plain = {pair: expected([*drawn, *after], *pair, created=True)}
        assert before == computed(session, warehouse.dialect, [*drawn, *after], {pair}, declared) == plain


@pytest.fixture(params=["duckdb", "postgres"])
def warehouse(request: pytest.FixtureRequest, tmp_path: Path) -> Warehouse:
    """An empty warehouse of each kind."""
    if request.param == "duckdb":
        return open_warehouse(f"duckdb:///{tmp_path / 'warehouse.duckdb'}")
    return open_warehouse(request.getfixturevalue("postgres_url"))


def test_a_feature_in_sql_is_bound_to_each_cutoff(warehouse: Warehouse) -> None:
    """`:as_of` stands for the pair's own time, and a key of another name is renamed."""
    declared = Feature.model_validate(
        {
            "name": "age",
            "entity": "customer",
            "key": "id",
            "sql": "select 1 as id, extract(epoch from :as_of - date '2024-01-01') / 3600 as hours; -- :x",
        }
    )
    with warehouse.connect("a test") as session:
        found = computed(session, warehouse.dialect, [], {(1, 6), (1, 12)}, declared)
    assert {pair: row["hours"] for pair, row in found.items()} == {(1, 6): 6, (1, 12): 12}


def test_times_with_a_zone_are_compared_in_utc(warehouse: Warehouse) -> None:
    """An event at 01:30+02:00 is before the cut-off at midnight UTC, one at 00:00Z is not."""
    declared = Feature.model_validate(
        {
            "name": "zoned",
            "entity": "customer",
            "key": "customer",
            "from": "zoned",
            "at": "at_zone",
            "aggregate": {"count": ["*"]},
            "windows": ["1d"],
        }
    )
    with warehouse.connect("a test") as session:
        session.run(
            "CREATE TEMPORARY TABLE zoned AS SELECT 1 AS customer, "
            "CAST('2024-01-02 01:30:00+02:00' AS TIMESTAMP WITH TIME ZONE) AS at_zone "
            "UNION ALL SELECT 1, CAST('2024-01-02 00:00:00+00:00' AS TIMESTAMP WITH TIME ZONE)"
        )
        found = computed(session, warehouse.dialect, [], {(1, 24)}, declared)
    assert found == {(1, 24): {"count_1d": 1}}


def test_what_cannot_be_an_input_is_refused_by_name(warehouse: Warehouse) -> None:
    """A column that is no number, an unknown feature and an unknown column are named."""
    words = Feature.model_validate(
        {"name": "words", "entity": "customer", "key": "customer", "sql": "select 1 as customer, 'x' as tier"}
    )
    with warehouse.connect("a test") as session:
        computed(session, warehouse.dialect, [], {(1, 24)}, feature(created=False))
        pairs = Pairs(("customer",), (START,), "wanted")
        declared = {"activity": feature(created=False), "words": words}
        for wanted, complaint in {
            "words": "features/words: tier is",
            "activty": "did you mean 'activity'",
            "activity.count_3d": "did you mean 'count_2d'",
        }.items():
            with pytest.raises(ScoringError, match=complaint):
                choose_inputs([wanted], declared, pairs, session, warehouse.dialect)
        chosen = choose_inputs(
            ["activity.count_*", "activity.mean_gap"], declared, pairs, session, warehouse.dialect
        )
    assert chosen.columns[0] == "activity.count_12h"
    assert chosen.columns[-1] == "activity.mean_gap"
    assert len(chosen.columns) == 5
