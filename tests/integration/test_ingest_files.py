"""Files into real warehouses: formats, what is new, what is bad, and data that nobody here wrote."""

from __future__ import annotations

import gzip
import os
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from connectors.errors import SourceError
from connectors.sources.ingest import ingest
from connectors.sources.report import IngestResult
from connectors.sources.settings import FilesystemSettings

_SHARED = Path(__file__).parents[2].parent / "shared" / "data"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The folder that is read."""
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


def _ingest(tmp_path: Path, files: dict[str, Any], warehouse: str | None = None, **more: Any) -> IngestResult:
    settings = FilesystemSettings.model_validate(
        {"type": "filesystem", "path": "data", "files": files, **more}
    )
    url = warehouse or f"duckdb:///{tmp_path}/w.duckdb"
    return ingest("drop", settings, warehouse_url=url, home=tmp_path / ".headrace")


def _rows(tmp_path: Path, sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(tmp_path / "w.duckdb"), read_only=True) as connection:
        return list(connection.execute(sql).fetchall())


def test_csv_types_and_bad_rows(tmp_path: Path, data: Path) -> None:
    """Types come from every value, `007` stays text, a bad row is kept with file and reason."""
    (data / "a.csv").write_text(
        "sku,n,price,day,flag\n007,1,2,2024-01-01,true\nbroken,row\n010,2,2.5,,false\n"
    )
    load = _ingest(tmp_path, {"items": {"glob": "*.csv", "format": "csv"}}).tables["items"]
    assert (load.rows, load.rejected, load.new_files, load.matched) == (2, 1, 1, 1)
    assert _rows(
        tmp_path, "SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = 'items'"
    ) == [
        ("sku", "VARCHAR"),
        ("n", "BIGINT"),
        ("price", "DOUBLE"),
        ("day", "DATE"),
        ("flag", "BOOLEAN"),
        ("_dlt_load_id", "VARCHAR"),
    ]
    kept = _rows(tmp_path, 'SELECT table_name, reason, "row", origin FROM "drop"._rejected_rows')
    assert kept == [("items", "2 fields where the header has 5", '"broken,row"', "a.csv")]


def test_declared_types_win(tmp_path: Path, data: Path) -> None:
    """A declared type is taken instead of the inferred one."""
    (data / "a.csv").write_text("id,n\n1,2\n")
    _ingest(tmp_path, {"t": {"glob": "*.csv", "format": "csv", "types": {"id": "text", "n": "decimal"}}})
    assert _rows(tmp_path, 'SELECT typeof(id), typeof(n) FROM "drop".t') == [("VARCHAR", "DECIMAL(38,9)")]


def test_only_new_and_changed_files_are_read(tmp_path: Path, data: Path) -> None:
    """A file is read once; a new one is added, a changed one is read again and merged by its key."""
    files = {"events": {"glob": "**/*.jsonl", "format": "jsonl", "primary_key": "id"}}
    (data / "a.jsonl").write_text('{"id": 1, "v": "a", "tags": ["x"]}\n{"id": 2, "v": "b"}\n')
    (data / ".hidden.jsonl").write_text('{"id": 99}\n')
    assert _ingest(tmp_path, files).tables["events"].rows == 2
    unchanged = _ingest(tmp_path, files).tables["events"]
    assert (unchanged.rows, unchanged.new_files, unchanged.matched) == (0, 0, 1)
    (data / "deep").mkdir()
    with gzip.open(data / "deep" / "b.jsonl", "wb") as packed:
        packed.write(b"")
    (data / "deep" / "b.jsonl").write_text('{"id": 3, "v": "c"}\n')
    (data / "a.jsonl").write_text('{"id": 1, "v": "changed", "tags": ["x"]}\n')
    os.utime(data / "a.jsonl", (1, 1))
    assert _ingest(tmp_path, files).tables["events"].new_files == 2
    assert _rows(tmp_path, 'SELECT id, v, tags::VARCHAR FROM "drop".events ORDER BY id') == [
        (1, "changed", '["x"]'),
        (2, "b", None),
        (3, "c", None),
    ]


def test_of_two_rows_with_one_key_the_later_wins(tmp_path: Path, data: Path, postgres_url: str) -> None:
    """Within one load the last row of the last file, by path, is the one that is kept."""
    files = {"t": {"glob": "*.csv", "format": "csv", "primary_key": "id"}}
    (data / "2024-02.csv").write_text("id,v\n1,newer\n2,x\n2,newest\n")
    (data / "2024-01.csv").write_text("id,v\n1,old\n2,old\n3,kept\n")
    _ingest(tmp_path, files)
    _ingest(tmp_path, files, postgres_url)
    expected = [(1, "newer"), (2, "newest"), (3, "kept")]
    assert _rows(tmp_path, 'SELECT id, v FROM "drop".t ORDER BY id') == expected
    engine = sa.create_engine(
        postgres_url.replace("postgresql:", "postgresql+psycopg:"), poolclass=sa.pool.NullPool
    )
    with engine.connect() as connection:
        found = connection.execute(sa.text('SELECT id, v FROM "drop".t ORDER BY id'))
        assert [tuple(row) for row in found] == expected


def test_a_type_that_contradicts_the_table_is_an_error(tmp_path: Path, data: Path) -> None:
    """Once a column has its type, another one in `types` is refused with the way out."""
    (data / "a.csv").write_text("id\n1\n")
    _ingest(tmp_path, {"t": {"glob": "a.csv", "format": "csv"}})
    (data / "a2.csv").write_text("id\n2\n")
    with pytest.raises(SourceError, match="'id' is text, and in the warehouse it is integer"):
        _ingest(tmp_path, {"t": {"glob": "a*.csv", "format": "csv", "types": {"id": "text"}}})


def test_replace_reads_everything_again(tmp_path: Path, data: Path) -> None:
    """A replaced table is what the files are now."""
    files = {"t": {"glob": "*.csv", "format": "csv", "write_disposition": "replace"}}
    (data / "a.csv").write_text("id\n1\n2\n")
    _ingest(tmp_path, files)
    (data / "a.csv").write_text("id\n7\n")
    _ingest(tmp_path, files)
    assert _rows(tmp_path, 'SELECT id FROM "drop".t') == [(7,)]


def test_packed_files_are_unpacked(tmp_path: Path, data: Path) -> None:
    """A file that ends in .gz is read through gzip; a torn one is an error that names it."""
    (data / "a.csv.gz").write_bytes(gzip.compress(b"id\n1\n"))
    files = {"t": {"glob": "*.csv.gz", "format": "csv"}}
    assert _ingest(tmp_path, files).tables["t"].rows == 1
    (data / "b.csv.gz").write_bytes(gzip.compress(b"id\n" + os.urandom(5000).hex().encode())[:-20])
    with pytest.raises(SourceError, match=r"file 'b\.csv\.gz'"):
        _ingest(tmp_path, files)


def test_no_matching_file_is_no_error(tmp_path: Path, data: Path) -> None:
    """Nothing there is reported as nothing; a missing folder is an error."""
    load = _ingest(tmp_path, {"t": {"glob": "*.csv", "format": "csv"}}).tables["t"]
    assert (load.rows, load.new_files, load.matched) == (0, 0, 0)
    data.rmdir()
    with pytest.raises(SourceError, match="'data' does not exist"):
        _ingest(tmp_path, {"t": {"glob": "*.csv", "format": "csv"}})


def test_frozen_tables_leave_new_ones_out(tmp_path: Path, data: Path) -> None:
    """`tables` of the contract speaks of tables that come after the first load."""
    (data / "a.csv").write_text("id\n1\n")
    one = {"glob": "a.csv", "format": "csv"}
    _ingest(tmp_path, {"one": one}, schema_contract="freeze")
    left_out = _ingest(tmp_path, {"one": one, "two": one}, schema_contract={"tables": "discard"})
    assert left_out.tables["two"].left_out
    with pytest.raises(SourceError, match=r"drop\.two: the table is new"):
        _ingest(tmp_path, {"one": one, "two": one}, schema_contract="freeze")


def test_parquet_types_arrive_in_both_warehouses(tmp_path: Path, data: Path, postgres_url: str) -> None:
    """Nested, binary, decimal and time values arrive the same, an empty text stays apart from a null."""
    table = pa.table(
        {
            "id": pa.array([1, 2], pa.uint8()),
            "nested": pa.array([{"a": [1]}, None]),
            "raw": pa.array([b"\x00\xff", None]),
            "amount": pa.array([None, Decimal("123.4500")], pa.decimal128(20, 4)),
            "word": pa.array(["", None]).dictionary_encode(),
            "at": pa.array([0, 1_700_000_000_000_000_000], pa.timestamp("ns", "Europe/Berlin")),
            "local": pa.array([0, None], pa.timestamp("ms")),
        }
    )
    pq.write_table(table, data / "a.parquet")
    files = {"t": {"glob": "*.parquet", "format": "parquet"}}
    columns = (
        'id, CAST(nested AS VARCHAR) IS NULL, raw, amount, word, extract(epoch FROM "at"), local IS NULL'
    )
    sql = f'SELECT {columns} FROM "drop".t ORDER BY id'
    _ingest(tmp_path, files)
    _ingest(tmp_path, files, postgres_url)
    with sa.create_engine(
        postgres_url.replace("postgresql:", "postgresql+psycopg:"), poolclass=sa.pool.NullPool
    ).connect() as connection:
        in_postgres = [tuple(row) for row in connection.execute(sa.text(sql))]
    in_duckdb = _rows(tmp_path, sql)
    assert [(*row[:5], float(row[5]), row[6]) for row in in_postgres] == in_duckdb
    assert in_duckdb[0][2:5] == (b"\x00\xff", None, "")
    assert in_duckdb[1][4:] == (None, 1_700_000_000.0, True)


@pytest.mark.skipif(not _SHARED.exists(), reason="the shared data sets are not here")
@pytest.mark.parametrize("kind", ["duckdb", "postgres"])
def test_real_transactions_arrive_whole(tmp_path: Path, kind: str, request: pytest.FixtureRequest) -> None:
    """Online Retail, as pandas counts it: rows, quantities, prices, customers."""
    name = "online_retail_2010_2011.parquet"
    url = f"duckdb:///{tmp_path}/w.duckdb" if kind == "duckdb" else request.getfixturevalue("postgres_url")
    settings = FilesystemSettings.model_validate(
        {"type": "filesystem", "path": str(_SHARED), "files": {"sales": {"glob": name, "format": "parquet"}}}
    )
    load = ingest("retail", settings, warehouse_url=url, home=tmp_path / ".headrace").tables["sales"]
    frame = pd.read_parquet(_SHARED / name)
    numbers = list(frame.select_dtypes("number").columns)
    engine = sa.create_engine(url.replace("postgresql:", "postgresql+psycopg:"), poolclass=sa.pool.NullPool)
    with engine.connect() as connection:
        there = connection.execute(sa.text("SELECT * FROM retail.sales LIMIT 0")).keys()
        columns = dict(zip(frame.columns, list(there), strict=False))
        sums = ", ".join(f"sum({columns[n]}), count({columns[n]})" for n in numbers)
        found = connection.execute(sa.text(f"SELECT count(*), {sums} FROM retail.sales")).one()
    expected = [value for n in numbers for value in (float(frame[n].sum()), int(frame[n].count()))]
    assert (load.rows, load.rejected, found[0]) == (len(frame), 0, len(frame))
    assert [float(value) for value in found[1:]] == pytest.approx(expected, rel=1e-9)
