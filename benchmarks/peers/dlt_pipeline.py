"""What dlt runs in its own environment: new and changed customers, posted in batches."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import dlt
import duckdb
import orjson
import requests

_SESSION = requests.Session()
_URL = os.environ["BENCH_URL"]
_HEADERS = {"Content-Type": "application/json"}
_BATCH_SIZE = int(os.environ["BENCH_BATCH_SIZE"])
_CURSOR: Any = dlt.sources.incremental("updated_at")


@dlt.destination(batch_size=_BATCH_SIZE, name="sink")
def sink(items: Any, table: Any) -> None:  # noqa: ARG001  dlt gives both
    """Post one batch, which comes as Arrow."""
    body = orjson.dumps(items.to_pylist())
    _SESSION.post(_URL, data=body, headers=_HEADERS, timeout=60).raise_for_status()


@dlt.resource(name="customers", primary_key="id", write_disposition="append")
def customers(updated_at: Any = _CURSOR) -> Iterator[Any]:
    """Rows from the last cursor value on; dlt leaves out those it has seen at that very value."""
    with duckdb.connect(os.environ["BENCH_WAREHOUSE"], read_only=True) as connection:
        query = "SELECT * FROM customers"
        if updated_at.last_value is not None:
            query += f" WHERE updated_at >= '{updated_at.last_value:%Y-%m-%d %H:%M:%S.%f}'"
        yield from connection.sql(query).to_arrow_reader(12_500)


if __name__ == "__main__":
    folder = os.environ["BENCH_PIPELINES"]
    pipeline = dlt.pipeline("customers", destination=sink, pipelines_dir=folder)
    pipeline.run(customers())
