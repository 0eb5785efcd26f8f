"""Alembic's entry: migrates over the connection, and in the transaction, that the caller holds."""

from __future__ import annotations

from alembic import context

from models.state.schema import VERSION_TABLE
from models.state.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
)
context.run_migrations()
