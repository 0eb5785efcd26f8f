"""traits/*.yml: facts computed per entity, one table of the schema `traits` each."""

from __future__ import annotations

from pydantic import Field

from connectors.strict import Names
from models.declarations.base import Declared, Query
from models.declarations.schedule import Schedule
from models.naming import Name

__all__ = ["Trait"]


class Trait(Declared):
    """Facts about each entity, by SQL."""

    entity: Name = Field(description="What the facts are about, such as customer.")
    key: Names = Field(description="Column or columns that identify the entity.")
    sql: Query = Field(description="One SELECT with the key and a column for each fact.")
    schedule: Schedule | None = Field(
        default=None, description="When it is computed by itself; by hand where left out."
    )
