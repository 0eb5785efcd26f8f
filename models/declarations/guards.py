"""What a plan must not exceed to be delivered without a person's approval."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema

from connectors.strict import Strict

__all__ = ["Guards", "Share"]

_PERCENT = re.compile(r"(\d{1,3}(?:\.\d{1,6})?)\s?%", re.ASCII)
_HUNDRED = Decimal(100)
_LARGEST = 2**62


@dataclass(frozen=True, slots=True)
class Share:
    """A number of rows, or a part of all rows in percent. One of the two is given."""

    count: int | None = None
    percent: Decimal | None = None

    @classmethod
    def parse(cls, value: Any) -> Share:
        """A share from `5%`, `0.5%` or a whole number of rows.

        Raises:
            ValueError: it is neither.
        """
        if isinstance(value, Share):
            return value
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _LARGEST:
            return cls(count=value)
        found = _PERCENT.fullmatch(value) if isinstance(value, str) else None
        if found is None or Decimal(found[1]) > _HUNDRED:
            raise ValueError("a share is needed: 0% to 100%, such as 5%, or a whole number of rows")
        return cls(percent=Decimal(found[1]))

    def exceeded(self, n: int, of: int) -> bool:
        """Whether `n` rows out of `of` are more than this share."""
        if self.percent is not None:
            return n * _HUNDRED > self.percent * of
        return n > (self.count or 0)

    def __str__(self) -> str:
        return f"{self.percent:f}%" if self.percent is not None else str(self.count)


ShareField = Annotated[
    Share,
    BeforeValidator(Share.parse),
    PlainSerializer(str, return_type=str),
    WithJsonSchema(
        {"anyOf": [{"type": "string", "pattern": r"^\d+(\.\d+)? ?%$"}, {"type": "integer", "minimum": 0}]}
    ),
]


class Guards(Strict):
    """A plan that breaks one is held: nothing is sent until a person approves it."""

    min_rows: int | None = Field(
        default=None,
        ge=0,
        le=_LARGEST,
        description="Fewest rows that the model must have. A mirror removes nothing when the model is empty, "
        "unless this is 0.",
    )
    max_removed: ShareField | None = Field(
        default=None,
        description="Most rows that a run may remove, as a share of what is delivered; for a mirror 50% by "
        "default.",
    )
    max_changed: ShareField | None = Field(
        default=None, description="Most rows that a run may change, as a share of what is delivered."
    )
    max_invalid: ShareField | None = Field(
        default=None, description="Most invalid rows, as a share of the model's rows."
    )

    def over(self, defaults: Guards) -> Guards:
        """These guards, with those of `defaults` where this says nothing."""
        said = {
            name: getattr(self, name) for name in type(self).model_fields if getattr(self, name) is not None
        }
        return defaults.model_copy(update=said)
