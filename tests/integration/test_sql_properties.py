"""For any operations the table ends as a dict would."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.batch import Batch
from connectors.destination import Target
from connectors.destinations.sql import Sql, SqlSettings
from connectors.operation import Kind, Mode, Operation

_KEYS = ("a", "A", "a ", "'", "ü", "")
_Step = tuple[str, str, dict[str, Any]]

_records = st.fixed_dictionaries(
    {"n": st.none() | st.integers(-(2**63), 2**63 - 1)},
    optional={
        "t": st.none()
        | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=5),
        "j": st.none()
        | st.dictionaries(st.sampled_from("xy"), st.lists(st.booleans(), max_size=2), max_size=2),
    },
)
_steps: st.SearchStrategy[list[list[_Step]]] = st.lists(
    st.lists(
        st.tuples(st.sampled_from(["add", "change", "remove"]), st.sampled_from(_KEYS), _records),
        max_size=6,
        unique_by=lambda step: step[1],
    ),
    max_size=4,
)
_modes = st.sampled_from([Mode.UPSERT, Mode.MIRROR, Mode.INSERT, Mode.UPDATE])


def _expected(batches: Sequence[Sequence[_Step]], mode: Mode) -> tuple[dict[str, dict[str, Any]], int]:
    """What the mode promises: the rows, and how many are rejected."""
    held: dict[str, dict[str, Any]] = {}
    rejected = 0
    for batch in batches:
        for kind, key, record in batch:
            row = {"n": None, "t": None, "j": None} | held.get(key, {}) | record
            if kind == "remove":
                held.pop(key, None)
            elif mode is Mode.INSERT and key in held:
                # Sent again as it is: accepted. A column of JSON is not compared outside of PostgreSQL.
                rejected += any(held[key][name] != value for name, value in record.items())
            elif mode is not Mode.UPDATE or key in held:
                held[key] = row
    return held, rejected


async def _delivered(
    url: str, table: str, batches: Sequence[Sequence[_Step]], mode: Mode
) -> tuple[dict[str, Any], int]:
    types = {"id": "text", "n": "integer", "t": "text", "j": "struct"}
    asked = Target("s", "r", table, mode, ("id",), (), ("n", "t", "j"), "delete", types)
    made = Sql(SqlSettings.model_validate({"url": url, "create": True}), asked)
    await made.start()
    rejected = 0
    try:
        for batch in batches:
            operations = [
                Operation(at, Kind(kind), {"id": key}, {"id": key}, None if kind == "remove" else record)
                for at, (kind, key, record) in enumerate(batch)
            ]
            # As the engine orders them: removes, then the rest.
            operations.sort(key=lambda operation: operation.kind is not Kind.REMOVE)
            rejected += len(await made.write(Batch.of(operations)))
        asking = [Operation(0, Kind.ADD, {"id": key}, {"id": key}, {}) for key in _KEYS]
        held = dict(zip(_KEYS, await made.read(asking), strict=True))
    finally:
        await made.close()
    return {
        key: {name: row[name] for name in "ntj"} for key, row in held.items() if row is not None
    }, rejected


def _emptied(url: str) -> None:
    engine = sa.create_engine(
        SqlSettings.model_validate({"url": url}).url.get_secret_value(), poolclass=sa.NullPool
    )
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE IF EXISTS t")


def _check(url: str, batches: Sequence[Sequence[_Step]], mode: Mode) -> None:
    _emptied(url)
    assert asyncio.run(_delivered(url, "t", batches, mode)) == _expected(batches, mode)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=_steps, mode=_modes)
def test_sqlite_ends_as_a_dict_would(tmp_path: Path, batches: list[list[_Step]], mode: Mode) -> None:
    """Every mode keeps its promise on SQLite, for keys that look alike too."""
    _check(f"sqlite:///{tmp_path}/db", batches, mode)


@pytest.mark.parametrize("engine", ["postgres_url", "mariadb_url"])
def test_servers_end_as_a_dict_would(engine: str, request: pytest.FixtureRequest) -> None:
    """Every mode keeps its promise on servers."""
    url: str = request.getfixturevalue(engine)

    @settings(max_examples=12, deadline=None)
    @given(batches=_steps, mode=_modes)
    def checked(batches: list[list[_Step]], mode: Mode) -> None:
        _check(url, batches, mode)

    checked()
