"""A whole set at once: gathered in a table beside, then put in place in one transaction.

The table itself stays, with its grants, indexes and views; readers see the old set until the commit.
"""

from __future__ import annotations

import hashlib

import sqlalchemy as sa

from connectors.destinations.sql.table import Existing, Layout, staging_name

__all__ = ["begin", "discard", "swap"]


def begin(connection: sa.Connection, layout: Layout, found: Existing) -> str:
    """Create the table beside, empty, with the columns' own types; its name."""
    discard(connection, layout)
    name = staging_name(layout.name)
    quoted = connection.dialect.identifier_preparer
    target, staging = (quoted.format_table(table) for table in (layout.table(), layout.table(name)))
    columns = ", ".join(quoted.quote_identifier(column) for column in layout.columns)
    connection.exec_driver_sql(f"CREATE TABLE {staging} AS SELECT {columns} FROM {target} WHERE 1 = 0")
    if frozenset(layout.identity) in found.unique:
        key = ", ".join(quoted.quote_identifier(column) for column in layout.identity)
        # Named by a digest: an index's name is shared by all tables of a schema.
        index = f"headrace_key_{hashlib.blake2b(name.encode(), digest_size=12).hexdigest()}"
        connection.exec_driver_sql(f"CREATE UNIQUE INDEX {index} ON {staging} ({key})")
    return name


def swap(connection: sa.Connection, layout: Layout) -> None:
    """Empty the table and fill it from the one beside. Both are seen at the commit, or neither."""
    target, staging = layout.table(), layout.table(staging_name(layout.name))
    connection.execute(sa.delete(target))
    connection.execute(sa.insert(target).from_select(list(target.c), sa.select(*staging.c)))


def discard(connection: sa.Connection, layout: Layout) -> None:
    """Drop the table beside, where there is one."""
    staging = layout.table(staging_name(layout.name))
    connection.execute(sa.schema.DropTable(staging, if_exists=True))
