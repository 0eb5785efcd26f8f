"""The folder that the benchmarks write to, and the made-up customers that they plan and deliver."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from connectors.warehouses import Session

__all__ = ["FIELDS", "change_some", "make_customers", "work_folder"]

_WORK = Path(__file__).parent / ".work"

FIELDS = ("email", "country", "score", "orders", "seen_at")
"""The columns of a made-up customer beside its key."""


@contextmanager
def work_folder(part: str) -> Iterator[Path]:
    """An empty folder of one part's own, gone afterwards."""
    folder = _WORK / part
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def make_customers(session: Session, table: str, rows: int, *, text_key: bool = False) -> None:
    """A table of customers with a bigint key, or a text key, and the columns of `FIELDS`."""
    key = "'cus_' || lpad((i * 7919 % 1000000007)::VARCHAR, 10, '0')" if text_key else "i"
    session.run(
        f"CREATE OR REPLACE TABLE {table} AS SELECT {key} AS id, 'person' || i || '@example.com' AS email, "
        "['DE', 'FR', 'US', 'JP', 'BR'][1 + i % 5] AS country, hash(i) % 100000 / 1e5 AS score, "
        "(hash(i + 1) % 90)::INTEGER AS orders, "
        "TIMESTAMP '2024-01-01' + INTERVAL 1 SECOND * (hash(i + 2) % 60000000)::BIGINT AS seen_at "
        f"FROM range({rows}) AS r(i)"
    )


def change_some(session: Session, table: str, changed: str) -> None:
    """A copy of a table of customers in which 0.9 % are changed, 0.05 % gone and 0.05 % new."""
    number = "hash(id) % 10000"
    key = "'new_' || id" if _is_text(session, table) else "-1 - id"
    session.run(
        f"CREATE OR REPLACE TABLE {changed} AS "
        f"SELECT * REPLACE (CASE WHEN {number} < 90 THEN score + 1 ELSE score END AS score) FROM {table} "
        f"WHERE {number} NOT BETWEEN 9000 AND 9004 UNION ALL "
        f"SELECT * REPLACE ({key} AS id) FROM {table} WHERE {number} BETWEEN 9100 AND 9104"
    )


def _is_text(session: Session, table: str) -> bool:
    return session.columns(f"SELECT id FROM {table}")[0].logical == "text"
