"""The base of everything a person writes down: unknown keys are errors, values never change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, WithJsonSchema

__all__ = ["MAPPING", "TEXT", "Names", "Strict", "text_or_mapping"]

TEXT = "<text>"
MAPPING = "<mapping>"

ColumnName = Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=r"^[^\x00-\x1f\x7f]+$")]

Names = Annotated[
    tuple[ColumnName, ...],
    BeforeValidator(lambda value: (value,) if isinstance(value, str) else value),
    Field(min_length=1),
    WithJsonSchema(
        {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}
    ),
]
"""One or more columns' names; a single one may stand without a list."""


class Strict(BaseModel):
    """A frozen pydantic model that knows all its keys. Its validator is built when it is first needed."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, defer_build=True, hide_input_in_errors=True, allow_inf_nan=False
    )


def text_or_mapping(value: Any) -> str:
    """The tag of a union's member: `MAPPING` for a mapping or a model, `TEXT` for anything else.

    So an error speaks of the one form that was meant. Tags stand in angle brackets: no key looks like them.
    """
    return MAPPING if isinstance(value, Mapping | BaseModel) else TEXT
