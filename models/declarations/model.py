"""models/*.sql and models/*.yml: named questions of the warehouse."""

from __future__ import annotations

from pydantic import Field

from connectors.strict import Names
from models.declarations.base import Declared, Query

__all__ = ["Model"]


class Model(Declared):
    """SQL with a primary key."""

    sql: Query = Field(description="One SELECT in the warehouse's SQL.")
    primary_key: Names = Field(description="Column or columns that identify a row from run to run.")
