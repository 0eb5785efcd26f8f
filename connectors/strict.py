"""The base of everything a person writes down: unknown keys are errors, values never change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict

__all__ = ["MAPPING", "TEXT", "Strict", "text_or_mapping"]

TEXT = "<text>"
MAPPING = "<mapping>"


class Strict(BaseModel):
    """A frozen pydantic model that knows all its keys. Its validator is built when it is first needed."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True, hide_input_in_errors=True)


def text_or_mapping(value: Any) -> str:
    """The tag of a union's member: `MAPPING` for a mapping or a model, `TEXT` for anything else.

    So an error speaks of the one form that was meant. Tags stand in angle brackets: no key looks like them.
    """
    return MAPPING if isinstance(value, Mapping | BaseModel) else TEXT
