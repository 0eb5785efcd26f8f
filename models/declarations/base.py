"""What all declarations have in common."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from connectors.strict import Strict
from models.naming import Name

__all__ = ["Declared", "DestinationField", "Expression", "Query", "TableName"]

Expression = Annotated[str, StringConstraints(min_length=1, max_length=20_000, pattern=r"\S")]
"""One SQL expression over a row's columns."""

Query = Annotated[str, StringConstraints(min_length=1, max_length=1_000_000, pattern=r"\S")]
"""One SELECT of the warehouse."""

DestinationField = Annotated[
    str, StringConstraints(max_length=255, pattern=r"^[^.\x00-\x1f\x7f]+(\.[^.\x00-\x1f\x7f]+)*$")
]
"""A field of a destination's record; a dot nests."""

TableName = Annotated[
    str, StringConstraints(max_length=500, pattern=r"^[^.\x00-\x1f\x7f]+(\.[^.\x00-\x1f\x7f]+){0,2}$")
]
"""A table of the warehouse, with its schema where it needs one."""


class Declared(Strict):
    """One declaration: what one file says."""

    name: Name = Field(description="The file's stem; it is not written in the file.")
    description: str = Field(
        default="", max_length=10_000, description="What this is for, in a sentence or two."
    )
