"""Several sessions and processes at one warehouse."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from connectors.warehouses import open_warehouse
from models.state import State
from syncs.snapshot import prepare


@pytest.mark.parametrize("make_hub", ["postgres"], indirect=True)
def test_many_syncs_that_start_for_the_first_time_at_once_all_run(make_hub: Callable[[], Any]) -> None:
    """Whoever comes first makes the schema; the others neither fail nor make it again."""
    hubs = [make_hub() for _ in range(6)]
    for hub in hubs:
        hub.fill([(1, "ann", 3), (2, "bob", 4)])
    with ThreadPoolExecutor(len(hubs)) as pool:
        results = list(pool.map(lambda hub: hub.run(), hubs))
    assert [result.status for result in results] == ["done"] * len(hubs)
    assert all(len(hub.store.rows) == 2 for hub in hubs)


def test_tables_are_made_once_where_sessions_prepare_at_once(postgres_url: str) -> None:
    """CREATE SCHEMA IF NOT EXISTS alone fails where two sessions run it at once."""

    def once(_: int) -> None:
        with open_warehouse(postgres_url).connect("a test") as session, session.transaction():
            prepare(session)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(once, range(16)))


def test_a_plan_sees_the_model_of_one_moment(tmp_path: Path, local_state: State, postgres_url: str) -> None:
    """A table that others write to meanwhile gives no row twice, however often a plan reads it."""
    with open_warehouse(postgres_url).connect("a test") as session:
        session.run("CREATE TABLE moving AS SELECT 1 AS id")
        with session.transaction():
            assert session.rows("SELECT count(*) FROM moving") == [(1,)]
            with open_warehouse(postgres_url).connect("another") as other:
                other.run("INSERT INTO moving VALUES (1)")
            assert session.rows("SELECT count(*) FROM moving") == [(1,)]
        assert session.rows("SELECT count(*) FROM moving") == [(2,)]


def test_a_lock_is_held_until_the_session_ends(postgres_url: str) -> None:
    """What a dead process left to the server is over before another session works on the same sync."""
    order: list[str] = []
    with ThreadPoolExecutor(1) as pool:
        with open_warehouse(postgres_url).connect("first") as session:
            session.lock("churn")

            def second() -> None:
                with open_warehouse(postgres_url).connect("second") as other:
                    other.lock("churn")
                    order.append("second")

            waiting = pool.submit(second)
            session.rows("SELECT pg_sleep(0.2)")
            order.append("first")
        waiting.result(timeout=30)
    assert order == ["first", "second"]
