"""A spooled row says the same as an operation of typed values and as ready JSON."""

from __future__ import annotations

import datetime as dt
import uuid
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.batch import json_row
from connectors.values import on_wire
from syncs.diff import ADD, CHANGE, REMOVE
from syncs.layout import Layout, Role, Slot
from syncs.records import json_batches, operations

MOMENTS = {"min_value": dt.datetime(1, 1, 1), "max_value": dt.datetime(9999, 12, 31, 23, 59, 59)}  # noqa: DTZ001
TYPES: dict[str, tuple[str, pa.DataType, st.SearchStrategy[Any]]] = {
    "boolean": ("BOOLEAN", pa.bool_(), st.booleans()),
    "integer": ("BIGINT", pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    "huge": ("HUGEINT", pa.string(), st.integers(-(2**126), 2**126).map(str)),
    "float": ("DOUBLE", pa.float64(), st.floats(width=64)),
    "decimal": (
        "DECIMAL(30,8)",
        pa.decimal128(30, 8),
        st.integers(-(10**29), 10**29).map(lambda number: Decimal(f"{number}e-8")),
    ),
    "numeric": (
        "numeric",
        pa.string(),
        st.one_of(st.just("NaN"), st.integers().map(lambda n: format(Decimal(f"{n}e-3"), "f"))),
    ),
    "text": ("VARCHAR", pa.string(), st.text(max_size=30)),
    "date": ("DATE", pa.date32(), st.dates()),
    "timestamp": ("TIMESTAMP", pa.timestamp("us"), st.datetimes(**MOMENTS)),
    "timestamptz": (
        "TIMESTAMPTZ",
        pa.timestamp("us", tz="UTC"),
        st.datetimes(**MOMENTS, timezones=st.just(dt.UTC)),
    ),
    "time": ("TIME", pa.time64("us"), st.times()),
    "binary": ("BLOB", pa.binary(), st.binary(max_size=20)),
    "uuid": ("UUID", pa.string(), st.uuids().map(str)),
}
LOGICAL = {"huge": "integer", "numeric": "decimal"}
NAMES = ["id", "a.b", "a.c.d", "a.c.e", "ä😀", "q\"\\'", "x" * 120, "m.n", "; --", "p", "r.s"]


@st.composite
def spools(draw: st.DrawFn) -> tuple[Layout, pa.Table]:
    """A layout with values of random types and some planned rows of it."""
    count = draw(st.integers(1, 4))
    slots: list[Slot] = []
    columns: dict[str, pa.Array] = {}
    roles: list[Role] = ["key", "match", *["field"] * draw(st.integers(0, 7))]  # type: ignore[list-item]
    for number, role in enumerate(roles):
        kind = draw(st.sampled_from(sorted(TYPES)))
        native, arrow, values = TYPES[kind]
        retired = role == "field" and draw(st.integers(0, 4)) == 0
        omit = role == "field" and draw(st.booleans())
        slot = Slot(role, NAMES[number], f"c{number}", native, LOGICAL.get(kind, kind), omit, retired)
        slots.append(slot)
        cells = values if role == "key" else st.one_of(st.none(), values)
        for prefix in [""] if role == "key" else ["", "p"]:
            drawn = draw(st.lists(cells, min_size=count, max_size=count))
            now = [None] * count if retired and not prefix else drawn
            columns[f"{prefix}{slot.column}"] = pa.array(now, arrow)
    kinds = draw(st.lists(st.sampled_from([REMOVE, CHANGE, ADD]), min_size=count, max_size=count))
    head = {
        "seq": pa.array(range(count), pa.int64()),
        "kind": pa.array(kinds, pa.int32()),
        "o": pa.array(range(count), pa.int64()),
    }
    return Layout(tuple(slots)), pa.table({**head, **columns})


@given(spool=spools())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_json_made_in_sql_is_the_json_of_the_operation(
    tmp_path: Path, spool: tuple[Layout, pa.Table]
) -> None:
    """For values of every type, nested names, omitted nulls and retired fields."""
    layout, table = spool
    path = tmp_path / "spool.parquet"
    pq.write_table(table, path)
    made = [text.as_py() for batch in json_batches(path, layout, 1000) for text in batch.column("json")]
    expected = [json_row(operation) for operation in operations(table, layout)]
    assert [orjson.loads(text) for text in made] == [orjson.loads(text) for text in expected]


@pytest.mark.parametrize("old", ["a", "a.b.c", "a.b"])
def test_a_field_that_another_took_the_place_of_is_not_in_the_way(tmp_path: Path, old: str) -> None:
    """The mapping had `a` and now has `a.b`: an object cannot hold both, so the old one is not shown."""
    slots = (
        Slot("key", "id", "k0", "BIGINT", "integer"),
        Slot("field", "a.b" if old != "a.b" else "a", "f1", "VARCHAR", "text"),
        Slot("match", old, "m0", "VARCHAR", "text", retired=True),
        Slot("field", old, "f0", "VARCHAR", "text", retired=True),
    )
    names = ["k0", "f1", "pf1", "f0", "pf0", "m0", "pm0"]
    columns = dict(zip(names, [[1], ["new"], ["was"], [None], ["old"], [None], ["old"]], strict=True))
    table = pa.table({"seq": [0], "kind": [CHANGE], "o": [0], **columns})
    path = tmp_path / "spool.parquet"
    pq.write_table(table.cast(_texts(table)), path)
    layout = Layout(slots)
    [operation] = operations(table.cast(_texts(table)), layout)
    assert operation.record == ({"a": {"b": "new"}} if old != "a.b" else {"a": "new"})
    [batch] = json_batches(path, layout, 10)
    assert orjson.loads(batch.column("json")[0].as_py()) == orjson.loads(json_row(operation))


def _texts(table: pa.Table) -> pa.Schema:
    return pa.schema([(f.name, pa.string() if f.type == pa.null() else f.type) for f in table.schema])


def test_a_decimal_of_more_than_28_digits_is_not_rounded() -> None:
    """Python's decimal context keeps 28 digits; a warehouse's decimal may have more."""
    value = Decimal("124999999999999999999.99999995")
    assert on_wire(value) == "124999999999999999999.99999995"


def test_values_of_uuids_are_typed() -> None:
    """What was spooled as text for the file's sake is turned back."""
    slot = Slot("key", "id", "k0", "UUID", "uuid")
    value = uuid.uuid4()
    table = pa.table({"seq": [0], "kind": [ADD], "o": [0], "k0": [str(value)]})
    assert operations(table, Layout((slot,)))[0].key == {"id": value}
