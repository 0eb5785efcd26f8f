"""audiences/*.yml: a model filtered by traits and predictions."""

from __future__ import annotations

from pydantic import Field

from models.declarations.base import Declared, Expression
from models.naming import Name

__all__ = ["Audience"]


class Audience(Declared):
    """Rows of a model for which a condition holds; the model's primary key identifies them."""

    model: Name = Field(description="A name under models/.")
    where: Expression = Field(
        description="SQL condition over the columns of the model, traits and predictions; `name.column` "
        "where a column alone is not enough."
    )
    traits: tuple[Name, ...] = Field(
        default=(), description="Traits to join by the key; their columns come along."
    )
    predictions: tuple[Name, ...] = Field(
        default=(), description="Predictions to join by the key; their columns come along."
    )
