"""Values of every type compare stably from run to run, and arrive as what they are."""

from __future__ import annotations

import datetime as dt
import math
import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import orjson
import pytest

from connectors.batch import json_row
from connectors.operation import Kind
from syncs.home import open_home

UTC = dt.UTC
ODD = "a'\\\"\n\t\u2028%s"
LONG = "é😀\U0010fffd" * 20_000

# Expression for DuckDB, for PostgreSQL; the typed value; the value on the wire.
VALUES: dict[str, tuple[str | None, str | None, Any, Any]] = {
    "flag": ("TRUE", "TRUE", True, True),
    "small": ("5::TINYINT", "5::smallint", 5, 5),
    "large": ("9007199254740993", "9007199254740993", 9007199254740993, "9007199254740993"),
    "huge": ("12345678901234567890123::HUGEINT", None, 12345678901234567890123, "12345678901234567890123"),
    "unsigned": ("18446744073709551615::UBIGINT", None, 18446744073709551615, "18446744073709551615"),
    "third": ("1::DOUBLE / 3", "1::float8 / 3", 1 / 3, 1 / 3),
    "short": ("0.1::FLOAT", "0.1::real", 0.1, 0.1),
    "tiny": ("5e-324::DOUBLE", "5e-324::float8", 5e-324, 5e-324),
    "nan": ("'nan'::DOUBLE", "'NaN'::float8", math.nan, None),
    "infinite": ("'-inf'::DOUBLE", "'-Infinity'::float8", -math.inf, None),
    "minus_zero": ("-0.0::DOUBLE", "'-0'::float8", 0.0, 0.0),
    "money": ("12.50::DECIMAL(9,2)", "12.50::numeric(9,2)", Decimal("12.50"), 12.5),
    "exact": (
        "1234567890123456.78::DECIMAL(30,2)", "1234567890123456.78::numeric",
        Decimal("1234567890123456.78"), "1234567890123456.78",
    ),
    "numeric_nan": (None, "'NaN'::numeric", Decimal("NaN"), None),
    "empty": ("''", "''::text", "", ""),
    "nothing": ("NULL::VARCHAR", "NULL::text", None, None),
    "long": (f"'{LONG}'", f"'{LONG}'::text", LONG, LONG),
    "odd": ("'a''\\\"\n\t\u2028%s'", "E'a''\\\\\"\\n\\t\u2028%s'", ODD, ODD),
    "zero_byte": ("'a' || chr(0) || 'b'", None, "a\0b", "a\0b"),
    "day": ("DATE '0001-01-01'", "DATE '0001-01-01'", dt.date(1, 1, 1), "0001-01-01"),
    "no_day": ("DATE 'infinity'", "DATE 'infinity'", None, None),
    "moment": (
        "TIMESTAMP '2026-01-02 03:04:05.000006'", "TIMESTAMP '2026-01-02 03:04:05.000006'",
        dt.datetime(2026, 1, 2, 3, 4, 5, 6), "2026-01-02T03:04:05.000006Z",  # noqa: DTZ001  has no zone
    ),
    "last_moment": (
        "TIMESTAMP '9999-12-31 23:59:59'", "TIMESTAMP '9999-12-31 23:59:59'",
        dt.datetime(9999, 12, 31, 23, 59, 59), "9999-12-31T23:59:59Z",  # noqa: DTZ001  has no zone
    ),
    "zoned": (
        "TIMESTAMPTZ '2026-07-01 12:00:00+02'", "TIMESTAMPTZ '2026-07-01 12:00:00+02'",
        dt.datetime(2026, 7, 1, 10, tzinfo=UTC), "2026-07-01T10:00:00Z",
    ),
    "time": ("TIME '23:59:59.5'", "TIME '23:59:59.5'", dt.time(23, 59, 59, 500_000), "23:59:59.500000"),
    "bytes": (r"'\x00\xFFa'::BLOB", r"'\x00ff61'::bytea", b"\x00\xffa", "AP9h"),
    "uuid": (
        "'0190163d-8694-739b-aea5-966c26f8ad91'::UUID", "'0190163d-8694-739b-aea5-966c26f8ad91'::uuid",
        uuid.UUID("0190163d-8694-739b-aea5-966c26f8ad91"), "0190163d-8694-739b-aea5-966c26f8ad91",
    ),
    "json": (
        """'{"b": [1, null], "a": {"é": "😀"}}'::JSON""", """'{"b": [1, null], "a": {"é": "😀"}}'::jsonb""",
        {"b": [1, None], "a": {"é": "😀"}}, {"b": [1, None], "a": {"é": "😀"}},
    ),
    "list": ("[1, NULL, 3]", "ARRAY[1, NULL, 3]", [1, None, 3], [1, None, 3]),
    "texts": ("['a', 'ß']", "ARRAY['a', 'ß']", ["a", "ß"], ["a", "ß"]),
    "struct": ("{'x': 1, 'y': {'z': 'é'}}", None, {"x": 1, "y": {"z": "é"}}, {"x": 1, "y": {"z": "é"}}),
    "map": ("MAP {'k': 1, 'l': 2}", None, {"k": 1, "l": 2}, {"k": 1, "l": 2}),
    "days": ("[DATE '2026-01-02']", "ARRAY[DATE '2026-01-02']", None, ["2026-01-02"]),
}  # fmt: skip
DEEP = {"json", "list", "texts", "struct", "map", "days"}


def _fields(kind: str, *, deep: bool) -> dict[str, str]:
    column = 0 if kind == "duckdb" else 1
    chosen = {name: value[column] for name, value in VALUES.items() if (name in DEEP) is deep}
    return {name: sql for name, sql in chosen.items() if sql is not None}


@pytest.mark.parametrize("deep", [False, True], ids=["flat", "deep"])
@pytest.mark.parametrize("make_hub", ["duckdb", "postgres"], indirect=True)
def test_every_type_arrives_as_it_is_and_compares_equal_to_itself(
    make_hub: Callable[[], Any], *, deep: bool
) -> None:
    """The second run sends nothing; what arrived is the typed value, and on the wire the contract's form."""
    hub = make_hub()
    kind = "duckdb" if hub.warehouse.dialect.name == "duckdb" else "postgres"
    fields = _fields(kind, deep=deep)
    query = ", ".join(f"{sql} AS {name}" for name, sql in fields.items())
    hub.sql(f"CREATE TABLE {{t}} AS SELECT 1 AS id, {query}")
    names = {name: f'"{name}"' for name in fields}
    assert hub.run(fields=names).status == "done"
    assert hub.run(fields=names).requests == 0
    [operation] = hub.store.operations
    wire = orjson.loads(json_row(operation))["record"]
    for name in fields:
        typed, on_wire = VALUES[name][2:]
        assert wire[name] == on_wire, name
        if typed is not None and typed == typed:  # NaN is not  # noqa: PLR0124  on purpose
            assert operation.record[name] == typed, name
    hub.sql(f"DROP TABLE {hub.table}", f"CREATE TABLE {hub.table} AS SELECT 1 AS id, {query}")
    assert hub.run(fields=names).requests == 0


@pytest.mark.parametrize("make_hub", ["duckdb", "postgres"], indirect=True)
def test_json_that_is_written_otherwise_is_the_same_value(make_hub: Callable[[], Any]) -> None:
    """White space says nothing."""
    hub = make_hub()
    for text, requests in (('{"a": 1,  "b": [1, 2]}', 1), ('{"a":1,"b":[1,2]}', 0), ('{"a":2,"b":[1,2]}', 1)):
        made = f"SELECT 1 AS id, CAST('{text}' AS JSON) AS doc"
        hub.sql("DROP TABLE IF EXISTS {t}", f"CREATE TABLE {{t}} AS {made}")
        assert hub.run(fields={"doc": "doc"}).requests == requests


def test_a_mapping_edit_sends_just_the_rows_whose_record_differs(hub: Any) -> None:
    """Null is what a field is that a row has not: a field that comes or goes sends only rows with a value."""
    hub.fill([(1, "Ann", 3), (2, "bob", None), (3, None, 5)])
    hub.run(fields={"name": "name"})

    def changed(**fields: str) -> list[int]:
        hub.store.batches.clear()
        hub.run(fields=fields)
        assert {operation.kind for operation in hub.store.operations} <= {Kind.CHANGE}
        return [operation.key["id"] for operation in hub.store.operations]

    assert changed(name="lower(name)") == [1]
    assert changed(name="lower(name)", age="age") == [1, 3]
    assert changed(name="lower(name)", age="age", more="nullif(age, age)") == []
    assert changed(age="age") == [1, 2]
    assert hub.store.operations[0].previous["name"] == "ann"
    assert changed(age="age") == []
    assert changed(years="age") == [1, 3]
    assert changed(**{"years.old": "age"}) == [1, 3]
    assert changed(years="age") == [1, 3]


def test_another_hash_function_sends_nothing(hub: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine upgrade hashes the stored records anew: a row that really changed is still found."""
    hub.fill([(1, "ann", 3), (2, "bob", 4)])
    hub.run()
    dialect: Any = type(hub.warehouse.dialect)
    job = hub.job()
    with open_home(job.warehouse, job.folder, "a test") as home:
        dialect = type(home.dialect)
        session = type(home.session)
    made, init = dialect.row_hash, session.__init__

    def another(self: Any, expressions: list[str]) -> str:
        return str(made(self, ["'salt'", *expressions]).replace("ROW('salt'", "ROW('salt'::text"))

    def start(self: Any, *args: Any) -> None:
        init(self, *args)
        self.hash_version += "/next"

    monkeypatch.setattr(dialect, "row_hash", another)
    monkeypatch.setattr(session, "__init__", start)
    assert hub.run().requests == 0
    hub.fill([(1, "ann", 3), (2, "bob", 5)])
    assert hub.run().planned == {Kind.ADD: 0, Kind.CHANGE: 1, Kind.REMOVE: 0}


@pytest.mark.parametrize("type_", ["FLOAT8", "DECIMAL(9, 3)"])
def test_a_move_within_the_deadband_is_no_change(make_hub: Callable[[], Any], type_: str) -> None:
    """What counts is the distance from what was accepted last; to and from null or NaN is always far."""
    hub = make_hub()
    type_ = "DOUBLE" if type_ == "FLOAT8" and hub.warehouse.dialect.name != "postgres" else type_
    said = {"deadband": {"score": 0.5}, "fields": {"score": "score"}}

    def moved(*values: float | None) -> list[int]:
        hub.fill(list(enumerate(values)), f"id INTEGER, score {type_}")
        hub.store.batches.clear()
        hub.run(**said)
        return [operation.key["id"] for operation in hub.store.operations]

    assert moved(1.25, 2, None, 3) == [0, 1, 2, 3]
    assert moved(1.5, 2.5, None, 3) == [1]
    assert moved(1.75, 2.25, 4, None) == [0, 2, 3]
    assert moved(1.5, 2.125, 4, None) == []


@pytest.mark.parametrize("make_hub", ["duckdb", "postgres"], indirect=True)
def test_nan_is_far_from_every_number_and_near_itself(make_hub: Callable[[], Any]) -> None:
    """A deadband does not hide that a score became NaN."""
    hub = make_hub()
    double = "DOUBLE" if hub.warehouse.dialect.name == "duckdb" else "double precision"
    said = {"deadband": {"score": 0.5}, "fields": {"score": "score"}}
    for value, requests in (("1", 1), ("NaN", 1), ("NaN", 0), ("1", 1)):
        hub.sql(
            "DROP TABLE IF EXISTS {t}", f"CREATE TABLE {{t}} AS SELECT 1 AS id, '{value}'::{double} AS score"
        )
        assert hub.run(**said).requests == requests


def test_names_and_values_are_never_code(hub: Any) -> None:
    """Quotes, semicolons and comments in fields, keys, objects and values arrive as they are."""
    evil = [
        "'; DROP TABLE x; --",
        '"; DROP TABLE x; --',
        "`; --",
        "\\'; --",
        "100%",
        "{t}",
        "%(a)s",
        "a😀",
        "?",
    ]
    quote = hub.warehouse.dialect.quote
    key = "i'd %s" if hub.warehouse.dialect.name == "mysql" else "i\"d'; -- %s" + "x" * 40
    hub.sql(f"CREATE TABLE {hub.table} ({quote(key)} VARCHAR(100), name VARCHAR(100))")
    literal = hub.warehouse.dialect.literal
    hub.sql(*(f"INSERT INTO {hub.table} VALUES ({literal(v)}, {literal(v)})" for v in evil if v != "{t}"))
    fields: dict[str, Any] = {f"field {value}".replace(".", ""): "name" for value in evil}
    fields |= {f"constant {value}": {"value": value} for value in evil}
    said = {
        "model": {"table": hub.table, "primary_key": key},
        "fields": fields,
        "object": "o'; DROP TABLE x; --",
        "match_on": {"m'; --": "name"},
    }
    assert hub.run(**said).status == "done"
    sent = {operation.key[key]: operation.record for operation in hub.store.operations}
    assert set(sent) == {value for value in evil if value != "{t}"}
    for value, record in sent.items():
        assert all(record[f"field {other}"] == value for other in evil)
        assert all(record[f"constant {other}"] == other for other in evil)
    assert hub.run(**said).requests == 0


@pytest.mark.parametrize("make_hub", ["mariadb"], indirect=True)
def test_a_number_that_does_not_fit_is_named(make_hub: Callable[[], Any]) -> None:
    """An unsigned number of 64 bits is no integer here: the error names the column, not the value."""
    from connectors.errors import WarehouseError

    hub = make_hub()
    hub.fill([(1, 18446744073709551615)], "id INTEGER, age BIGINT UNSIGNED")
    with pytest.raises(WarehouseError, match="64 bits") as raised:
        hub.run(fields={"age": "age"})
    assert "18446744073709551615" not in str(raised.value)


@pytest.mark.parametrize("make_hub", ["postgres"], indirect=True)
def test_keys_are_compared_byte_by_byte(make_hub: Callable[[], Any]) -> None:
    """A collation for which `a` and `A` are equal does not make one row of two."""
    hub = make_hub()
    hub.sql(
        "CREATE COLLATION blind (provider = icu, locale = 'und-u-ks-level2', deterministic = false)",
        "CREATE TABLE {t} (id TEXT COLLATE blind, name TEXT COLLATE blind)",
        "INSERT INTO {t} VALUES ('a', 'x'), ('A', 'x'), ('ä', 'x'), ('Z', 'x'), ('_', 'x')",
    )
    said = {"fields": {"name": "name"}}
    result = hub.run(**said)
    assert (result.planned[Kind.ADD], result.invalid) == (5, 0)
    hub.sql(
        "UPDATE {t} SET name = 'X' WHERE name = 'x' AND id = 'ä'",
        "DELETE FROM {t} WHERE id COLLATE \"C\" = 'A'",
    )
    assert hub.run(**said).planned == {Kind.ADD: 0, Kind.CHANGE: 1, Kind.REMOVE: 1}
    assert sorted(hub.store.rows) == ["Z", "_", "a", "ä"]
