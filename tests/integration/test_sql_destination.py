"""The SQL destination against every engine it writes to."""

from __future__ import annotations

import asyncio
import datetime as dt
import math
import uuid
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from connectors.batch import Batch
from connectors.destination import Target
from connectors.destinations.sql import Sql, SqlSettings
from connectors.errors import BatchRefused, ConfigError, Unauthorized, Unavailable
from connectors.operation import Kind, Mode, Operation

ENGINES = ("sqlite", "duckdb", "postgresql", "mariadb")
HOSTILE = 'a"b`c; DROP TABLE x; -- %s %(y)s :z .ü'
TYPES = {"id": "integer", "name": "text", "score": "float", "more": "json"}


@pytest.fixture(params=ENGINES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database of the test's own on each engine."""
    if request.param in {"sqlite", "duckdb"}:
        return f"{request.param}:///{tmp_path}/db"
    fixture = {"postgresql": "postgres_url", "mariadb": "mariadb_url"}[request.param]
    made: str = request.getfixturevalue(fixture)
    return made


def target(mode: Mode = Mode.UPSERT, **changes: Any) -> Target:
    """A sync of `id`, `name`, `score` and `more` into the table `people`."""
    given: dict[str, Any] = {
        "sync": "s",
        "run_id": "r1",
        "object": "people",
        "mode": mode,
        "primary_key": ("id",),
        "match_on": (),
        "fields": ("name", "score", "more"),
        "types": TYPES,
    }
    return Target(**(given | changes))


def destination(url: str, asked: Target | None, **settings: Any) -> Sql:
    """The destination, creating its table unless told otherwise."""
    return Sql(SqlSettings.model_validate({"url": url, "create": True} | settings), asked)


def operation(
    kind: str, key: Any, record: dict[str, Any] | None = None, *, at: int = 0, was: Any = None
) -> Operation:
    """An operation on the row of that id."""
    before = None if was is None else {"id": was}
    return Operation(at, Kind(kind), {"id": key}, {"id": key}, record, None, before)


def rows_of(url: str, table: str = "people") -> list[dict[str, Any]]:
    """What the table holds, in the order of its first column."""
    made = SqlSettings.model_validate({"url": url}).url.get_secret_value()
    engine = sa.create_engine(made, poolclass=sa.NullPool)
    with engine.connect() as connection:
        quoted = connection.dialect.identifier_preparer.quote(table)
        found = connection.exec_driver_sql(f"SELECT * FROM {quoted} ORDER BY 1")
        names = list(found.keys())
        return [dict(zip(names, row, strict=True)) for row in found]


def run_sql(url: str, *statements: str) -> None:
    """Run statements as another user of the database would."""
    made = SqlSettings.model_validate({"url": url}).url.get_secret_value()
    engine = sa.create_engine(made, poolclass=sa.NullPool)
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


async def deliver(made: Sql, *batches: Sequence[Operation]) -> list[Any]:
    """Start, write each batch, close; all rejections."""
    try:
        await made.start()
        return [rejection for batch in batches for rejection in await made.write(Batch.of(batch))]
    finally:
        await made.close()


async def test_upsert_writes_adds_and_changes_once(url: str) -> None:
    """A row sent twice is one row with the last values."""
    batch = [
        operation("add", i, {"name": f"n{i}", "score": i / 2, "more": {"a": [1, "x"]}}) for i in range(5)
    ]
    change = [operation("change", 1, {"name": "new", "score": math.nan, "more": None})]
    assert await deliver(destination(url, target()), batch, batch, change) == []
    found = rows_of(url)
    assert [row["name"] for row in found] == ["n0", "new", "n2", "n3", "n4"]
    assert found[1]["score"] is None or math.isnan(found[1]["score"])


async def test_every_type_is_read_back_as_it_was_written(url: str) -> None:
    """Each logical type has a column that gives the same value back."""
    values: dict[str, tuple[str, Any]] = {
        "b": ("boolean", True),
        "i": ("integer", 2**53 + 1),
        "d": ("decimal", Decimal("12.345")),
        "f": ("float", 0.1),
        "t": ("text", "é😀 'quoted' %s \\ \n"),
        "day": ("date", dt.date(2026, 2, 28)),
        "at": ("timestamp", dt.datetime(2026, 2, 28, 1, 2, 3, 4)),  # noqa: DTZ001  a time without zone is the case
        "atz": ("timestamptz", dt.datetime(2026, 7, 1, 12, tzinfo=dt.timezone(dt.timedelta(hours=2)))),
        "clock": ("time", dt.time(23, 59, 59, 5)),
        "raw": ("binary", b"\x00\xff"),
        "u": ("uuid", uuid.UUID(int=7)),
        "j": ("json", {"a": [1, None, "ü"]}),
        "l": ("list", [1, 2]),
        "s": ("struct", {"x": {"y": 1.5}}),
    }
    types = {"id": "text"} | {name: kind for name, (kind, _) in values.items()}
    made = destination(url, target(fields=tuple(values), types=types))
    record = {name: value for name, (_, value) in values.items()}
    empty = dict.fromkeys(values)
    await made.start()
    batch = [operation("add", "k", record), operation("add", "n", empty)]
    assert await made.write(Batch.of(batch)) == []
    assert await made.read([*batch, operation("add", "nobody")]) == [
        {"id": "k", **record},
        {"id": "n", **empty},
        None,
    ]
    await made.close()


async def test_hostile_names_are_only_names(url: str) -> None:
    """Quotes, dots, percent signs and SQL in the names of tables, columns and keys change nothing."""
    field, other = f"f{HOSTILE.replace('.', '')}", "c0"
    asked = target(
        object=HOSTILE,
        primary_key=("id.x",),
        fields=(field, other, "values (%s"),
        types={"id.x": "text", field: "text", other: "integer", "values (%s": "text"},
    )
    made = destination(url, asked)
    key = {"id.x": "'; DROP TABLE x; --"}
    record = {field: "%s' OR 1=1", other: 1, "values (%s": "x"}
    batch = [
        Operation(0, Kind.ADD, key, key, record),
        Operation(1, Kind.ADD, {"id.x": "2"}, {"id.x": "2"}, record),
    ]
    assert await deliver(made, batch, batch) == []
    assert rows_of(url, HOSTILE) == [{**key, **record}, {"id.x": "2", **record}] or (
        rows_of(url, HOSTILE) == [{"id.x": "2", **record}, {**key, **record}]
    )


async def test_insert_rejects_what_is_there(url: str) -> None:
    """A taken key rejects its row alone, a row sent again as it was is accepted."""
    record = {"name": "a", "score": 1.5, "more": {"x": 1}}
    batch = [operation("add", 1, record), operation("add", 2, record)]
    made = destination(url, target(Mode.INSERT))
    other = [operation("add", 2, {**record, "name": "b"}, at=1), operation("add", 3, record)]
    [rejection] = await deliver(made, batch, batch, other)
    assert (rejection.code, rejection.operation) == ("exists", other[0])
    assert [row["name"] for row in rows_of(url)] == ["a", "a", "a"]


async def test_update_leaves_missing_rows_missing(url: str) -> None:
    """An update of a row that is not there is accepted and does nothing."""
    record = {"name": "a", "score": 1.0, "more": None}
    await deliver(destination(url, target()), [operation("add", 1, record)])
    batch = [operation("change", 1, {**record, "name": "b"}), operation("add", 2, record)]
    assert await deliver(destination(url, target(Mode.UPDATE)), batch) == []
    assert [(row["id"], row["name"]) for row in rows_of(url)] == [(1, "b")]


@pytest.mark.parametrize("on_removed", ["delete", "clear", "archive"])
async def test_mirror_removes_as_asked(url: str, on_removed: Any) -> None:
    """A removed row is deleted, emptied or marked, and comes back whole when it is added again."""
    record = {"name": "a", "score": 1.0, "more": None}
    made = destination(url, target(Mode.MIRROR, on_removed=on_removed))
    add = [operation("add", 1, record), operation("add", 2, record)]
    await made.start()
    await made.write(Batch.of(add))
    assert await made.write(Batch.of([operation("remove", 1), operation("remove", 9)])) == []
    found = rows_of(url)
    if on_removed == "delete":
        assert [row["id"] for row in found] == [2]
    elif on_removed == "clear":
        assert [(row["id"], row["name"]) for row in found] == [(1, None), (2, "a")]
    else:
        assert [row["archived_at"] is not None for row in found] == [True, False]
        assert await made.read(add) == [None, {"id": 2, **record}]
    await made.write(
        Batch.of([operation("remove", 2), operation("add", 1, record), operation("add", 2, record)])
    )
    assert [(row["name"], row.get("archived_at")) for row in rows_of(url)] == [("a", None)] * 2
    await made.close()


async def test_a_changed_identity_moves_its_row(url: str) -> None:
    """A row whose identity changed keeps the columns of others, and two that swap theirs both arrive."""
    record = {"name": "a", "score": 1.0, "more": None}
    add = [operation("add", n, {**record, "name": str(n)}) for n in (1, 2, 3)]
    await deliver(destination(url, target(Mode.MIRROR)), add)
    run_sql(url, "ALTER TABLE people ADD COLUMN note VARCHAR(10)", "UPDATE people SET note = 'kept'")
    swap = [
        operation("change", 2, {**record, "name": "1"}, was=1),
        operation("change", 1, {**record, "name": "2"}, was=2),
        operation("change", 4, {**record, "name": "3"}, was=3),
    ]
    assert await deliver(destination(url, target(Mode.MIRROR)), swap, swap) == []
    found = [(row["id"], row["name"], row["note"]) for row in rows_of(url)]
    assert found == [(1, "2", "kept"), (2, "1", "kept"), (4, "3", "kept")]


async def test_append_writes_each_row_once(url: str) -> None:
    """A batch that is sent again adds nothing, and changes nothing."""
    batch = [operation("add", 1, {"name": "a", "score": 1.0, "more": None})]
    again = [operation("add", 1, {"name": "b", "score": 1.0, "more": None})]
    assert await deliver(destination(url, target(Mode.APPEND)), batch, again) == []
    assert [row["name"] for row in rows_of(url)] == ["a"]


async def test_replace_shows_the_new_set_only_when_it_is_whole(url: str) -> None:
    """Until it is finished the old set is seen; an unfinished one is discarded by the next."""
    record = {"name": "old", "score": 1.0, "more": {"a": 1}}
    await deliver(destination(url, target()), [operation("add", n, record) for n in range(3)])
    for names, is_finished in ((("lost",), False), (("x", "y"), True)):
        made = destination(url, target(Mode.REPLACE))
        await made.start()
        await made.begin_replace()
        batch = [operation("add", n, {**record, "name": name}) for n, name in enumerate(names)]
        await made.write(Batch.of(batch))
        await made.write(Batch.of(batch))
        assert [row["name"] for row in rows_of(url)] == ["old"] * 3
        if is_finished:
            await made.finish_replace()
        await made.close()
    assert [(row["id"], row["name"]) for row in rows_of(url)] == [(0, "x"), (1, "y")]


async def test_a_long_table_name_is_never_taken_for_its_own_staging(url: str) -> None:
    """A table with the longest name there is can be replaced."""
    name = "t" * 60
    record = {"name": "x", "score": None, "more": None}
    made = destination(url, target(Mode.REPLACE, object=name))
    await made.start()
    await made.begin_replace()
    await made.write(Batch.of([operation("add", 1, record)]))
    await made.finish_replace()
    await made.close()
    assert [row["name"] for row in rows_of(url, name)] == ["x"]


async def test_a_bad_row_refuses_the_batch_whole_in_words_without_values(url: str) -> None:
    """Nothing of a refused batch is there, and no value is in the error."""
    run_sql(
        url, "CREATE TABLE people (id BIGINT PRIMARY KEY, name VARCHAR(99) NOT NULL, score FLOAT, more TEXT)"
    )
    made = destination(url, target(), create=False)
    await made.start()
    good = operation("add", 1, {"name": "secret@a.example", "score": 1.0, "more": None})
    bad = operation("add", 2, {"name": None, "score": 7777.5, "more": "secret@b.example"})
    with pytest.raises(BatchRefused) as refused:
        await made.write(Batch.of([good, bad]))
    assert "secret" not in str(refused.value)
    assert "7777" not in str(refused.value)
    assert refused.value.__cause__ is None
    assert rows_of(url) == []
    assert await made.write(Batch.of([good])) == []
    await made.close()


async def test_a_duplicate_of_another_key_refuses_without_its_value(url: str) -> None:
    """A row that would take another row's unique value is refused, and never written over that row."""
    run_sql(
        url, "CREATE TABLE people (id BIGINT PRIMARY KEY, name VARCHAR(99) UNIQUE, score FLOAT, more TEXT)"
    )
    made = destination(url, target(), create=False)
    await made.start()
    first = operation("add", 1, {"name": "secret@a.example", "score": 1.0, "more": None})
    await made.write(Batch.of([first]))
    with pytest.raises(BatchRefused) as refused:
        await made.write(
            Batch.of([operation("add", 2, {"name": "secret@a.example", "score": 2.0, "more": None})])
        )
    assert "secret" not in str(refused.value)
    changed = operation("change", 1, {"name": "b", "score": 3.0, "more": None})
    assert await made.write(Batch.of([changed])) == []
    await made.close()
    assert [(row["id"], row["name"]) for row in rows_of(url)] == [(1, "b")]


async def test_a_null_identity_rejects_its_row(url: str) -> None:
    """A row whose identity is null is refused alone."""
    record = {"name": "a", "score": 1.0, "more": None}
    [rejection] = await deliver(
        destination(url, target()), [operation("add", None, record), operation("add", 1, record)]
    )
    assert rejection.code == "null_identity"
    assert len(rows_of(url)) == 1


async def test_omitted_fields_are_left_as_they_are(url: str) -> None:
    """A record without a field does not touch its column."""
    await deliver(
        destination(url, target()), [operation("add", 1, {"name": "a", "score": 1.0, "more": None})]
    )
    batch = [operation("change", 1, {"score": 2.0}), operation("add", 2, {"name": "b"})]
    assert await deliver(destination(url, target()), batch) == []
    assert [(row["name"], row["score"]) for row in rows_of(url)] == [("a", 2.0), ("b", None)]


async def test_a_missing_table_is_told_before_the_first_row(url: str) -> None:
    """Without `create` neither check nor start makes a table; both say what to do."""
    for name in ("check", "start"):
        made = destination(url, target(), create=False)
        with pytest.raises(ConfigError, match="no table people"):
            await getattr(made, name)()
        await made.close()


async def test_check_creates_nothing(url: str) -> None:
    """With `create` a check accepts a missing table and leaves it missing."""
    made = destination(url, target())
    await made.check()
    await made.close()
    with pytest.raises(sa.exc.DBAPIError):
        rows_of(url)


async def test_missing_columns_are_added_or_named(url: str) -> None:
    """A table that lacks a column gets it with `create`, and an error that names it without."""
    run_sql(url, "CREATE TABLE people (id BIGINT PRIMARY KEY, name VARCHAR(9))")
    with pytest.raises(ConfigError, match="no column score, more"):
        await deliver(destination(url, target(), create=False), [])
    record = {"name": "a", "score": 1.0, "more": [1]}
    assert await deliver(destination(url, target()), [operation("add", 1, record)]) == []
    assert list(rows_of(url)[0]) == ["id", "name", "score", "more"]


async def test_an_identity_that_is_not_unique_is_told(url: str) -> None:
    """Finding rows by columns that may repeat is a mistake in the sync; a unique index makes it right."""
    run_sql(url, "CREATE TABLE people (id BIGINT, name VARCHAR(9), score FLOAT, more TEXT)")
    with pytest.raises(ConfigError, match=r"does not hold \(id\) unique"):
        await deliver(destination(url, target()), [])
    run_sql(url, "CREATE UNIQUE INDEX one_id ON people (id)")
    record = {"name": "a", "score": 1.0, "more": None}
    assert await deliver(destination(url, target()), [operation("add", 1, record)] * 2) == []
    assert len(rows_of(url)) == 1


async def test_discover_lists_tables_and_columns(url: str) -> None:
    """The tables of the schema are objects, their columns fields."""
    run_sql(url, "CREATE TABLE people (id BIGINT NOT NULL, name VARCHAR(9))")
    made = destination(url, None)
    [found] = await made.discover()
    await made.close()
    assert found.name == "people"
    assert [(field.name, field.required) for field in found.fields] == [("id", True), ("name", False)]


async def test_batches_side_by_side_all_arrive(url: str) -> None:
    """As many batches at once as the limits allow do not lose rows."""
    made = destination(url, target())
    await made.start()
    record = {"name": "a", "score": 1.0, "more": None}
    gate = asyncio.Semaphore(made.limits_for(made.settings).concurrency)

    async def one(start: int) -> None:
        async with gate:
            await made.write(Batch.of([operation("add", n, record) for n in range(start, start + 50)]))

    await asyncio.gather(*(one(start) for start in range(0, 400, 50)))
    await made.close()
    assert len(rows_of(url)) == 400


@pytest.mark.parametrize("scheme", ["postgresql", "mysql"])
async def test_a_server_that_is_not_there_is_unavailable(scheme: str) -> None:
    """A refused connection is worth another try, and its error shows no password."""
    made = destination(f"{scheme}://u:hunter22@127.0.0.1:1/db", None)
    with pytest.raises(Unavailable) as raised:
        await made.check()
    await made.close()
    assert "hunter22" not in str(raised.value)


async def test_a_refused_login_is_unauthorized(mariadb_url: str) -> None:
    """A wrong password ends the run instead of being tried again."""
    wrong = sa.make_url(mariadb_url).set(username="nobody_here", password="hunter22")
    made = destination(wrong.render_as_string(hide_password=False), None)
    with pytest.raises(Unauthorized) as raised:
        await made.check()
    await made.close()
    assert "hunter22" not in str(raised.value)


async def test_a_locked_row_is_unavailable(postgres_url: str) -> None:
    """A lock held by somebody else is waited for as long as set, then the batch is for another try."""
    record = {"name": "a", "score": 1.0, "more": None}
    batch = [operation("add", 1, record)]
    await deliver(destination(postgres_url, target()), batch)
    made = SqlSettings.model_validate({"url": postgres_url}).url.get_secret_value()
    engine = sa.create_engine(made, poolclass=sa.NullPool)
    with engine.connect() as connection:
        connection.exec_driver_sql("SELECT * FROM people FOR UPDATE")
        with pytest.raises(Unavailable):
            await deliver(destination(postgres_url, target(), timeout_seconds=0.2), batch)


async def test_a_value_that_shows_in_postgres_own_words_does_not_show_in_ours(postgres_url: str) -> None:
    """PostgreSQL's primary message quotes a value that it cannot read: ours names the condition only."""
    run_sql(
        postgres_url, "CREATE TABLE people (id BIGINT PRIMARY KEY, name INTEGER, score FLOAT, more JSONB)"
    )
    batch = [operation("add", 1, {"name": "secret@a.example", "score": 1.0, "more": None})]
    with pytest.raises(BatchRefused) as refused:
        await deliver(destination(postgres_url, target(), create=False), batch)
    assert "secret" not in str(refused.value)
    nul = [operation("add", 1, {"name": "secret\x00", "score": 1.0, "more": None})]
    with pytest.raises(BatchRefused) as refused:
        await deliver(destination(postgres_url, target(), create=False), nul)
    assert "secret" not in str(refused.value)


async def test_native_types_of_an_existing_postgres_table_are_served(postgres_url: str) -> None:
    """Arrays, enumerations, json and numbers of other widths take what the sync sends."""
    run_sql(
        postgres_url,
        "CREATE TYPE mood AS ENUM ('ok')",
        "CREATE TABLE people (id INT PRIMARY KEY, name mood, score NUMERIC(9,2), more JSON, tags TEXT[])",
    )
    asked = target(Mode.INSERT, fields=("name", "score", "more", "tags"), types=TYPES | {"tags": "list"})
    record = {"name": "ok", "score": 1.25, "more": {"a": 1}, "tags": ["x", "y"]}
    batch = [operation("add", 1, record)]
    assert await deliver(destination(postgres_url, asked, create=False), batch, batch) == []
    assert rows_of(postgres_url)[0] == {"id": 1, **record, "score": Decimal("1.25")}


async def test_keys_that_mysql_takes_for_one_stay_apart(mariadb_url: str) -> None:
    """Upper case, accents and trailing spaces make different keys in a table made here."""
    keys = ["a", "A", "a ", "á"]
    asked = target(types=TYPES | {"id": "text"})
    record = {"name": "x", "score": 1.0, "more": None}
    assert (
        await deliver(destination(mariadb_url, asked), [operation("add", key, record) for key in keys]) == []
    )
    assert sorted(row["id"] for row in rows_of(mariadb_url)) == sorted(keys)


async def test_sqlite_rejects_what_it_cannot_keep(tmp_path: Path) -> None:
    """A number that SQLite would round is refused instead."""
    url = f"sqlite:///{tmp_path}/db"
    asked = target(fields=("score",), types={"id": "integer", "score": "decimal"})
    batch = [
        operation("add", 2**70, {"score": None}),
        operation("add", 1, {"score": Decimal("12345678901234567.89")}),
        operation("add", 2, {"score": Decimal("1E+30")}),
    ]
    rejected = await deliver(destination(url, asked), batch)
    assert [rejection.code for rejection in rejected] == ["unstorable", "unstorable"]
    assert len(rows_of(url)) == 1


async def test_hostile_names_work_in_every_statement(url: str) -> None:
    """Added columns, removals, moves, appends and replaced sets quote names too."""
    name, field = 'n"`%s :x', "v%s`\":y'"
    run_sql(url, "CREATE TABLE anchor (id INT)")
    types = {"i%d": "integer", field: "text", "later%s": "text"}

    def asked(mode: Mode, *fields: str) -> Target:
        return target(mode, object=name, primary_key=("i%d",), fields=fields, types=types)

    def row(kind: str, key: int, record: dict[str, Any] | None, was: int | None = None) -> Operation:
        before = None if was is None else {"i%d": was}
        return Operation(0, Kind(kind), {"i%d": key}, {"i%d": key}, record, None, before)

    add = [row("add", n, {field: "a"}) for n in (1, 2)]
    await deliver(destination(url, asked(Mode.APPEND, field)), add, add)
    assert await deliver(destination(url, asked(Mode.INSERT, field)), add) == []
    record = {field: "b", "later%s": "c"}
    changes = [row("remove", 1, None), row("change", 3, record, was=2)]
    await deliver(destination(url, asked(Mode.MIRROR, field, "later%s")), changes)
    assert rows_of(url, name) == [{"i%d": 3, **record}]
    made = destination(url, asked(Mode.REPLACE, field))
    await made.start()
    await made.begin_replace()
    await made.write(Batch.of(add))
    await made.finish_replace()
    await made.close()
    assert [found["i%d"] for found in rows_of(url, name)] == [1, 2]
    assert _tables(url) == sorted(["anchor", name])


def _tables(url: str) -> list[str]:
    made = SqlSettings.model_validate({"url": url}).url.get_secret_value()
    query = {
        "sqlite": "SELECT name FROM sqlite_master WHERE type = 'table'",
        "postgresql": "SELECT tablename FROM pg_tables WHERE schemaname = 'public'",
        "mysql": "SHOW TABLES",
        "duckdb": "SELECT table_name FROM duckdb_tables()",
    }
    engine = sa.create_engine(made, poolclass=sa.NullPool)
    with engine.connect() as connection:
        return sorted(row[0] for row in connection.exec_driver_sql(query[engine.dialect.name]))
