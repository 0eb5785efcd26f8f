"""The warehouse as dlt's destination, and what an interrupted load left there.

The warehouse alone knows what has been loaded: dlt's working folder is thrown away before every ingest. A
load is announced in `_loading` before its first row and struck out when it is complete; rows of an announced
load that dlt has not recorded as complete are removed before anything else happens.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from connectors.errors import ConfigError, WarehouseBusy, WarehouseError
from connectors.redaction import redactor
from connectors.sources.files import FILES_TABLE, FileSeen

if TYPE_CHECKING:
    import dlt
    from dlt.common.destination import Destination

__all__ = [
    "LOADING_TABLE",
    "announce",
    "destination_of",
    "is_of_warehouse",
    "loaded_files",
    "remove_unfinished",
    "settle",
    "sole",
    "warehouse_error",
]

LOADING_TABLE = "_loading"

_log = logging.getLogger(__name__)


def destination_of(warehouse_url: str) -> Destination[Any, Any]:
    """The dlt destination for a warehouse's URL.

    Raises:
        ConfigError: the warehouse is none that sources can be loaded into, or its driver is missing.
    """
    import dlt
    from dlt.destinations.impl.postgres.configuration import PostgresCredentials
    from sqlalchemy.engine import make_url

    url = make_url(warehouse_url)
    backend = url.get_backend_name()
    if backend == "duckdb":
        if url.database in {None, "", ":memory:"}:
            raise ConfigError("the warehouse is in memory, and dlt loads files only: name one in its URL.")
        return dlt.destinations.duckdb(str(url.database))
    if backend != "postgresql":
        raise ConfigError(
            f"sources are loaded into DuckDB and PostgreSQL; the warehouse is {backend}. "
            "Load it by your own means, and read it with models."
        )
    try:
        from connectors.sources.postgres_copy import PostgresByCopy
    except ImportError as error:
        raise ConfigError(f"{error}. Install it with: pip install 'headrace[postgres]'.") from error
    query = {name: value if isinstance(value, str) else value[-1] for name, value in url.query.items()}
    credentials = PostgresCredentials()
    credentials.database, credentials.username = url.database or "postgres", url.username or ""
    credentials.password = url.password or ""
    credentials.host, credentials.port = url.host or "localhost", url.port or 5432
    credentials.query = query
    credentials.session_timezone = "UTC"
    return PostgresByCopy(credentials)


@contextmanager
def _sql(pipeline: dlt.Pipeline) -> Iterator[Any]:
    """A connection to the warehouse; its errors in our words."""
    try:
        with pipeline.sql_client() as client:
            yield client
    except Exception as error:
        if not is_of_warehouse(error):
            raise
        raise warehouse_error(error) from error


def is_of_warehouse(error: BaseException) -> bool:
    """Whether an error comes from the warehouse's driver, or from dlt on its behalf."""
    import duckdb
    from dlt.destinations.exceptions import DatabaseException
    from dlt.load.exceptions import LoadClientJobException

    ours = isinstance(error, duckdb.Error | DatabaseException | LoadClientJobException)
    return ours or type(error).__module__.startswith("psycopg2")  # a source's come wrapped in SQLAlchemy's


def warehouse_error(error: BaseException) -> WarehouseError:
    """An error of the warehouse's driver in words."""
    text = redactor.redact(str(error).strip().splitlines()[0])
    if "lock on file" in str(error):
        return WarehouseBusy(
            "the DuckDB warehouse is held by another process, and takes one at a time. "
            f"Wait for it or end it, then ingest again. DuckDB says: {text}"
        )
    return WarehouseError(f"the warehouse refuses: {text}")


def _has(client: Any, table: str) -> bool:
    rows = client.execute_sql(
        "SELECT 1 FROM information_schema.tables WHERE table_schema = %s AND table_name = %s",
        client.dataset_name,
        table,
    )
    return bool(rows)


@contextmanager
def sole(pipeline: dlt.Pipeline) -> Iterator[None]:
    """No other machine ingests this dataset meanwhile: PostgreSQL's lock, which ends with its connection.

    Raises:
        WarehouseBusy: another one does.
    """
    with _sql(pipeline) as client:
        name = f"headrace ingest {client.dataset_name}"
        rows = client.execute_sql("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", name)
        if not rows[0][0]:
            raise WarehouseBusy(f"another process ingests into {client.dataset_name}. Wait for it or end it.")
        yield


def announce(pipeline: dlt.Pipeline, load_ids: Sequence[str]) -> None:
    """Write down that these loads begin."""
    with _sql(pipeline) as client:
        table = client.make_qualified_table_name(LOADING_TABLE)
        client.execute_sql(f"CREATE SCHEMA IF NOT EXISTS {client.fully_qualified_dataset_name()}")
        client.execute_sql(f"CREATE TABLE IF NOT EXISTS {table} (load_id VARCHAR NOT NULL)")
        for load_id in load_ids:
            client.execute_sql(f"INSERT INTO {table} VALUES (%s)", load_id)


def settle(pipeline: dlt.Pipeline, load_ids: Sequence[str]) -> None:
    """Strike out loads that are complete."""
    with _sql(pipeline) as client:
        table = client.make_qualified_table_name(LOADING_TABLE)
        for load_id in load_ids:
            client.execute_sql(f"DELETE FROM {table} WHERE load_id = %s", load_id)


def remove_unfinished(pipeline: dlt.Pipeline) -> None:
    """Remove the rows of loads that began and were never completed, so that reading them again doubles none.

    A merged or replaced table keeps them: the same rows come again and take their place.
    """
    with _sql(pipeline) as client:
        if not _has(client, LOADING_TABLE):
            return
        loading = client.make_qualified_table_name(LOADING_TABLE)
        begun = {row[0] for row in client.execute_sql(f"SELECT load_id FROM {loading}")}
        done: set[str] = set()
        if _has(client, "_dlt_loads"):
            loads = client.make_qualified_table_name("_dlt_loads")
            done = {row[0] for row in client.execute_sql(f"SELECT load_id FROM {loads} WHERE status = 0")}
        tables: dict[str, Any] = dict(pipeline.default_schema.tables) if pipeline.default_schema_name else {}
        for load_id in sorted(begun - done):
            _log.warning("removing what an interrupted load left behind: %s", load_id)
            for name, table in tables.items():
                appended = table.get("write_disposition") == "append" and not name.startswith("_dlt")
                if appended and _has(client, name):
                    target = client.make_qualified_table_name(name)
                    client.execute_sql(f"DELETE FROM {target} WHERE _dlt_load_id = %s", load_id)
        if begun:
            client.execute_sql(f"DELETE FROM {loading}")


def loaded_files(pipeline: dlt.Pipeline, table: str) -> dict[str, FileSeen]:
    """The files that a table was made of, by path, each as it was last loaded."""
    with _sql(pipeline) as client:
        if not _has(client, FILES_TABLE):
            return {}
        files = client.make_qualified_table_name(FILES_TABLE)
        rows = client.execute_sql(
            f"SELECT path, size, version FROM {files} WHERE table_name = %s ORDER BY loaded_at", table
        )
        return {path: FileSeen(path, size, version) for path, size, version in rows or ()}
