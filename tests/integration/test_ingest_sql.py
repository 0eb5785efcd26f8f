"""Tables of real databases into real warehouses."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from connectors.errors import ConfigError, SourceError, WarehouseBusy, WarehouseError
from connectors.sources.ingest import ingest
from connectors.sources.report import IngestProgress, IngestResult
from connectors.sources.settings import SqlDatabaseSettings

T = dt.datetime(2024, 1, 1, 12, 0, 0)  # noqa: DTZ001 columns without zone are the case


@pytest.fixture(params=["sqlite", "postgres", "mariadb"])
def source_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database to read from, of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/source.db"
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """An empty SQLite database to read from."""
    return f"sqlite:///{tmp_path}/source.db"


@pytest.fixture
def duckdb_url(tmp_path: Path) -> str:
    """A DuckDB warehouse that does not exist yet."""
    return f"duckdb:///{tmp_path}/warehouse.duckdb"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A project's `.headrace`."""
    return tmp_path / ".headrace"


def _engine(url: str) -> sa.Engine:
    return sa.create_engine(url.replace("postgresql://", "postgresql+psycopg://"), poolclass=sa.pool.NullPool)


def _make(url: str, rows: list[tuple[Any, ...]]) -> Callable[[str], None]:
    """A table `orders`; gives a function that runs SQL in its database."""
    engine = _engine(url)

    def run(sql: str) -> None:
        with engine.begin() as connection:
            connection.execute(sa.text(sql))

    stamp = "DATETIME(6)" if url.startswith("mysql") else "TIMESTAMP"
    columns = f"id INTEGER PRIMARY KEY, name VARCHAR(40), total DECIMAL(10,2), updated_at {stamp}"
    run(f"CREATE TABLE orders ({columns})")
    with engine.begin() as connection:
        for row in rows:
            connection.execute(
                sa.text("INSERT INTO orders VALUES (:a, :b, :c, :d)"),
                {"a": row[0], "b": row[1], "c": str(row[2]), "d": str(row[3]) + ".000000"},
            )
    return run


def _rows(url: str, sql: str) -> list[tuple[Any, ...]]:
    if url.startswith("duckdb"):
        import duckdb

        with duckdb.connect(url.removeprefix("duckdb:///"), read_only=True) as connection:
            return list(connection.execute(sql).fetchall())
    with _engine(url).connect() as connection:
        return [tuple(row) for row in connection.execute(sa.text(sql))]


def _settings(url: str, table: dict[str, Any] | None = None, **more: Any) -> SqlDatabaseSettings:
    tables = {"orders": table}
    return SqlDatabaseSettings.model_validate({"type": "sql_database", "url": url, "tables": tables, **more})


def _ingest(settings: SqlDatabaseSettings, warehouse: str, home: Path, **more: Any) -> IngestResult:
    return ingest("shop", settings, warehouse_url=warehouse, home=home, **more)


_THREE: list[tuple[Any, ...]] = [(1, "a", "1.10", T), (2, "", "2.20", T), (3, "ü🙂", "3.30", T)]
_INCREMENTAL = {"primary_key": "id", "incremental": {"cursor": "updated_at"}}


def test_a_late_row_at_the_watermark_is_neither_lost_nor_doubled(
    source_url: str, duckdb_url: str, home: Path
) -> None:
    """Of rows that equal the watermark, new and changed ones arrive, and known ones are not doubled."""
    run = _make(source_url, _THREE)
    settings = _settings(source_url, _INCREMENTAL)
    assert _ingest(settings, duckdb_url, home).tables["orders"].rows == 3
    assert _ingest(settings, duckdb_url, home).tables["orders"].rows == 0
    run("INSERT INTO orders VALUES (4, 'late', 4.40, '2024-01-01 12:00:00.000000')")
    run("UPDATE orders SET total = 9.90 WHERE id = 1")
    assert _ingest(settings, duckdb_url, home).tables["orders"].rows == 2
    assert _rows(duckdb_url, "SELECT id, name, total, updated_at FROM shop.orders ORDER BY id") == [
        (1, "a", Decimal("9.90"), T),
        (2, "", Decimal("2.20"), T),
        (3, "ü🙂", Decimal("3.30"), T),
        (4, "late", Decimal("4.40"), T),
    ]


def test_appended_rows_at_the_watermark_are_known_by_their_key(
    source_url: str, duckdb_url: str, home: Path
) -> None:
    """Appending reads what is at the watermark again and leaves out the keys that it has seen."""
    run = _make(source_url, _THREE)
    settings = _settings(source_url, {**_INCREMENTAL, "write_disposition": "append"})
    _ingest(settings, duckdb_url, home)
    run("INSERT INTO orders VALUES (4, 'late', 4.40, '2024-01-01 12:00:00.000000')")
    run("INSERT INTO orders VALUES (5, 'new', 5.50, '2024-01-02 12:00:00.000000')")
    assert _ingest(settings, duckdb_url, home).tables["orders"].rows == 2
    assert _rows(duckdb_url, "SELECT id FROM shop.orders ORDER BY id") == [(1,), (2,), (3,), (4,), (5,)]


def test_postgres_as_warehouse_keeps_values(sqlite_url: str, postgres_url: str, home: Path) -> None:
    """Empty texts stay apart from nulls, and merged and replaced tables hold what the source holds."""
    run = _make(sqlite_url, _THREE)
    run("INSERT INTO orders VALUES (4, NULL, NULL, NULL)")
    run("INSERT INTO orders VALUES (5, 'a \"quoted\", \\ line\nbreak', 1, NULL)")
    for table in ({"primary_key": "id"}, {"write_disposition": "replace"}):
        for _ in range(2):
            assert _ingest(_settings(sqlite_url, table), postgres_url, home).tables["orders"].rows == 5
        assert _rows(postgres_url, "SELECT id, name, total FROM shop.orders ORDER BY id") == [
            (1, "a", Decimal("1.10")),
            (2, "", Decimal("2.20")),
            (3, "ü🙂", Decimal("3.30")),
            (4, None, None),
            (5, 'a "quoted", \\ line\nbreak', Decimal("1.00")),
        ]


def test_a_replaced_table_becomes_empty(
    sqlite_url: str, duckdb_url: str, postgres_url: str, home: Path
) -> None:
    """A table whose rows are all gone at the source is empty in the warehouse after replacing it."""
    run = _make(sqlite_url, _THREE)
    settings = _settings(sqlite_url, {"write_disposition": "replace"})
    for url in (duckdb_url, postgres_url):
        assert _ingest(settings, url, home).tables["orders"].rows == 3
    run("DELETE FROM orders")
    for url in (duckdb_url, postgres_url):
        assert _ingest(settings, url, home).tables["orders"].rows == 0
        assert _rows(url, "SELECT count(*) FROM shop.orders") == [(0,)]


def test_one_machine_at_a_time_ingests_into_postgres(sqlite_url: str, postgres_url: str, home: Path) -> None:
    """While another machine ingests the same dataset, an ingest says so and touches nothing."""
    _make(sqlite_url, _THREE)
    with _engine(postgres_url).connect() as other:
        other.execute(sa.text("SELECT pg_advisory_lock(hashtextextended('headrace ingest shop', 0))"))
        with pytest.raises(WarehouseBusy, match="another process ingests into shop"):
            _ingest(_settings(sqlite_url), postgres_url, home)
    assert _ingest(_settings(sqlite_url), postgres_url, home).tables["orders"].rows == 3


def test_the_state_lives_in_the_warehouse(sqlite_url: str, duckdb_url: str, tmp_path: Path) -> None:
    """A machine without the working folder goes on where another one stopped."""
    _make(sqlite_url, _THREE)
    settings = _settings(sqlite_url, _INCREMENTAL)
    _ingest(settings, duckdb_url, tmp_path / "one" / ".headrace")
    assert _ingest(settings, duckdb_url, tmp_path / "two" / ".headrace").tables["orders"].rows == 0


def test_initial_and_columns_limit_what_is_read(sqlite_url: str, duckdb_url: str, home: Path) -> None:
    """Only rows from `initial` on, only the named columns, into the named dataset."""
    run = _make(sqlite_url, _THREE)
    run("INSERT INTO orders VALUES (9, 'x', 1, '2024-02-01 00:00:00.000000')")
    table = {
        "columns": ["id", "updated_at"],
        "incremental": {"cursor": "updated_at", "initial": "2024-01-15"},
    }
    result = _ingest(_settings(sqlite_url, table, dataset="raw"), duckdb_url, home)
    assert (result.dataset, result.tables["orders"].rows) == ("raw", 1)
    assert _rows(duckdb_url, "SELECT id, strftime(updated_at, '%Y-%m-%d') FROM raw.orders") == [
        (9, "2024-02-01")
    ]


def test_a_new_column_of_the_source_is_added(sqlite_url: str, duckdb_url: str, home: Path) -> None:
    """Evolve adds the column, reports it, and old rows have a null in it."""
    run = _make(sqlite_url, _THREE)
    _ingest(_settings(sqlite_url, _INCREMENTAL), duckdb_url, home)
    run("ALTER TABLE orders ADD COLUMN city VARCHAR(20)")
    run("UPDATE orders SET city = 'Bern', updated_at = '2024-03-01 00:00:00.000000' WHERE id = 2")
    load = _ingest(_settings(sqlite_url, _INCREMENTAL), duckdb_url, home).tables["orders"]
    assert load.columns_added == ("city",)
    assert _rows(duckdb_url, "SELECT id, city FROM shop.orders ORDER BY id") == [
        (1, None),
        (2, "Bern"),
        (3, None),
    ]


def test_a_frozen_contract_loads_nothing(sqlite_url: str, duckdb_url: str, home: Path) -> None:
    """Freeze fails with table and column, and the table stays as it was."""
    run = _make(sqlite_url, _THREE)
    _ingest(_settings(sqlite_url, _INCREMENTAL), duckdb_url, home)
    run("ALTER TABLE orders ADD COLUMN city VARCHAR(20)")
    run("UPDATE orders SET city = 'Bern', name = 'changed', updated_at = '2024-03-01 00:00:00.000000'")
    with pytest.raises(SourceError, match=r"shop\.orders: orders: the source has a new column 'city'"):
        _ingest(_settings(sqlite_url, _INCREMENTAL, schema_contract="freeze"), duckdb_url, home)
    assert _rows(duckdb_url, "SELECT count(*) FROM shop.orders WHERE name = 'changed'") == [(0,)]
    load = _ingest(_settings(sqlite_url, _INCREMENTAL, schema_contract="discard"), duckdb_url, home).tables[
        "orders"
    ]
    assert (load.rows, load.rejected) == (0, 3)
    assert _rows(duckdb_url, "SELECT count(*) FROM shop._rejected_rows WHERE table_name = 'orders'") == [(3,)]


def test_hostile_names_arrive(sqlite_url: str, duckdb_url: str, home: Path) -> None:
    """Names of tables and columns with quotes, spaces and umlauts become plain names, their values stay."""
    engine = _engine(sqlite_url)
    name = 'Überfällige "Rechnungen"; drop table x'
    columns = ("Kunden-Nr.", "select", "Größe (cm)", 'quo"te')
    quoted = ['"' + column.replace('"', '""') + '"' for column in columns]
    table = '"' + name.replace('"', '""') + '"'
    with engine.begin() as connection:
        connection.exec_driver_sql(
            f"CREATE TABLE {table} ({', '.join(f'{column} TEXT' for column in quoted)})"
        )
        connection.exec_driver_sql(f"INSERT INTO {table} VALUES (?, ?, ?, ?)", ("1", "2", "3", "4"))
    settings = SqlDatabaseSettings.model_validate(
        {"type": "sql_database", "url": sqlite_url, "tables": {name: None}}
    )
    result = _ingest(settings, duckdb_url, home)
    (made,) = result.tables
    assert made.replace("_", "").isalnum()
    assert _rows(duckdb_url, f'SELECT * EXCLUDE (_dlt_load_id) FROM shop."{made}"') == [("1", "2", "3", "4")]


def test_what_is_wrong_is_told_in_words(sqlite_url: str, duckdb_url: str, home: Path) -> None:
    """Unknown tables and columns name the nearest, dead databases and drivers say what to do."""
    _make(sqlite_url, _THREE)

    def fails(settings: SqlDatabaseSettings, error: type[Exception], words: str) -> None:
        with pytest.raises(error, match=words):
            _ingest(settings, duckdb_url, home)

    fails(
        SqlDatabaseSettings.model_validate(
            {"type": "sql_database", "url": sqlite_url, "tables": {"order": None}}
        ),
        SourceError,
        "no table 'order'; did you mean 'orders'",
    )
    fails(
        _settings(sqlite_url, {"incremental": {"cursor": "updatedat"}}),
        SourceError,
        "did you mean 'updated_at'",
    )
    fails(_settings("postgresql://nobody:s3cr3t@127.0.0.1:1/x"), SourceError, "cannot be reached")
    fails(_settings("oracle+cx_oracle://u@h/x"), ConfigError, "driver cx_oracle is not installed")
    fails(_settings("nosuch://u@h/x"), ConfigError, "no dialect of that name")
    fails(_settings("no url"), ConfigError, "no SQLAlchemy URL")


def test_values_of_another_type_ask_for_text(sqlite_url: str, duckdb_url: str, home: Path) -> None:
    """A column whose values are not of its declared type is named, and can be read as text."""
    run = _make(sqlite_url, _THREE)
    run("INSERT INTO orders VALUES (4, 'x', 'about 5', NULL)")
    with pytest.raises(SourceError, match=r"holds values.*types: \{name: text\}"):
        _ingest(_settings(sqlite_url), duckdb_url, home)
    engine = _engine(sqlite_url)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE loose (id INTEGER, n INTEGER)")
        connection.exec_driver_sql("INSERT INTO loose VALUES (1, 5), (2, 'many')")
    loose = {"type": "sql_database", "url": sqlite_url, "tables": {"loose": None}}
    with pytest.raises(SourceError, match=r"'n' holds values.*types: \{n: text\}"):
        _ingest(SqlDatabaseSettings.model_validate(loose), duckdb_url, home)
    typed = SqlDatabaseSettings.model_validate({**loose, "tables": {"loose": {"types": {"n": "text"}}}})
    _ingest(typed, duckdb_url, home)
    assert _rows(duckdb_url, "SELECT n FROM shop.loose ORDER BY id") == [("5",), ("many",)]


def test_a_null_cursor_is_not_lost(sqlite_url: str, duckdb_url: str, home: Path) -> None:
    """A row whose cursor is null is merged every time; where rows are appended, it is an error in words."""
    run = _make(sqlite_url, _THREE)
    run("INSERT INTO orders VALUES (4, 'x', 1, NULL)")
    settings = _settings(sqlite_url, _INCREMENTAL)
    for _ in range(2):
        _ingest(settings, duckdb_url, home)
    run("UPDATE orders SET name = 'y' WHERE id = 4")
    _ingest(settings, duckdb_url, home)
    assert _rows(duckdb_url, "SELECT name FROM shop.orders WHERE id = 4") == [("y",)]
    appended = _settings(sqlite_url, {**_INCREMENTAL, "write_disposition": "append"}, dataset="other")
    with pytest.raises(SourceError, match="'updated_at' is null in some rows"):
        _ingest(appended, duckdb_url, home)


def test_what_was_loaded_before_a_failure_stays(sqlite_url: str, duckdb_url: str, home: Path) -> None:
    """The tables before the failing one are loaded, and the error says so; progress was told."""
    _make(sqlite_url, _THREE)
    told: list[IngestProgress] = []
    settings = SqlDatabaseSettings.model_validate(
        {"type": "sql_database", "url": sqlite_url, "tables": {"orders": None, "missing": None}}
    )
    with pytest.raises(SourceError, match=r"Loaded before, and kept: orders\."):
        _ingest(settings, duckdb_url, home, progress=told.append)
    assert _rows(duckdb_url, "SELECT count(*) FROM shop.orders") == [(3,)]
    assert [(p.table, p.step, p.rows) for p in told] == [
        ("orders", "read", 3),
        ("orders", "load", 3),
        ("orders", "done", 3),
    ]


@pytest.fixture
def held(duckdb_url: str) -> Iterator[None]:
    """The warehouse's file in another process's hands."""
    import subprocess
    import sys

    path = duckdb_url.removeprefix("duckdb:///")
    code = f"import duckdb, sys; c = duckdb.connect({path!r}); print('held', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        yield


@pytest.mark.usefixtures("held")
def test_a_held_warehouse_is_busy(sqlite_url: str, duckdb_url: str, home: Path) -> None:
    """A DuckDB file that another process holds is reported as busy."""
    _make(sqlite_url, _THREE)
    with pytest.raises(WarehouseBusy, match="takes one at a time"):
        _ingest(_settings(sqlite_url), duckdb_url, home)


def test_warehouses_that_do_not_fit_are_told_in_words(sqlite_url: str, home: Path) -> None:
    """A warehouse that is no ingest target, and one that does not answer."""
    _make(sqlite_url, _THREE)
    with pytest.raises(ConfigError, match="loaded into DuckDB and PostgreSQL"):
        _ingest(_settings(sqlite_url), "mysql://u@h/db", home)
    with pytest.raises(WarehouseError) as caught:
        _ingest(_settings(sqlite_url), "postgresql://u:s3cr3t-word@127.0.0.1:1/db", home)
    assert "s3cr3t-word" not in str(caught.value)
