"""Replacing a table as a whole: readers see the last one or the new one, never a half."""

from __future__ import annotations

from collections.abc import Callable

from connectors.warehouses.base import Dialect, Session

__all__ = ["replace_table"]


def replace_table(
    session: Session,
    dialect: Dialect,
    schema: str,
    name: str,
    query: str,
    check: Callable[[str], None] | None = None,
) -> int:
    """Build `<schema>.<name>` from a query aside, check it, and swap it in within one transaction.

    `check` gets the quoted name of the table built aside and raises where it must not go live: the last table
    then stays as it was, as it does after any other failure. Returns the rows of the new table.
    """
    aside = f"{dialect.quote(schema)}.{dialect.quote(f'{name}__building')}"
    live = f"{dialect.quote(schema)}.{dialect.quote(name)}"
    session.run(f"CREATE SCHEMA IF NOT EXISTS {dialect.quote(schema)}")
    session.run(f"DROP TABLE IF EXISTS {aside}")
    try:
        session.run(f"CREATE TABLE {aside} AS SELECT * FROM (\n{query}\n) AS built")
        if check is not None:
            check(aside)
        rows = int(session.rows(f"SELECT count(*) FROM {aside}")[0][0])
        with session.transaction():
            session.run(f"DROP TABLE IF EXISTS {live}")
            session.run(f"ALTER TABLE {aside} RENAME TO {dialect.quote(name)}")
    finally:
        session.run(f"DROP TABLE IF EXISTS {aside}")
    return rows
