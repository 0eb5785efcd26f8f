"""features/*.yml: inputs of predictions, as of a time."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from connectors.strict import Names, Strict
from models.declarations.base import Declared, Expression, Query, TableName
from models.durations import Duration
from models.naming import Name

__all__ = ["Aggregates", "Feature"]


class Aggregates(Strict):
    """Which aggregates are taken of which columns or expressions."""

    count: tuple[Expression, ...] = Field(
        default=(), description='Number of rows: ["*"]; or of values that are not null.'
    )
    sum: tuple[Expression, ...] = Field(default=(), description="Sums.")
    mean: tuple[Expression, ...] = Field(default=(), description="Arithmetic means.")
    min: tuple[Expression, ...] = Field(default=(), description="Smallest values.")
    max: tuple[Expression, ...] = Field(default=(), description="Largest values.")
    distinct: tuple[Expression, ...] = Field(default=(), description="Numbers of distinct values.")


class Feature(Declared):
    """Windowed aggregates of a table of events, or any SQL as of a time."""

    entity: Name = Field(description="What the features are about, such as customer.")
    key: Names = Field(description="Column or columns that identify the entity.")
    from_: TableName | None = Field(default=None, alias="from", description="Table of events: `shop.orders`.")
    where: Expression | None = Field(default=None, description="SQL condition on events; all where left out.")
    at: Expression | None = Field(default=None, description="When an event happened: a column or expression.")
    created: Expression | None = Field(
        default=None, description="When an event became known, where that is later than when it happened."
    )
    aggregate: Aggregates | None = Field(default=None, description="Aggregates to take in each window.")
    windows: tuple[Duration, ...] = Field(
        default=(), max_length=100, description="Windows that end at the time asked for, such as 7d and 90d."
    )
    also: tuple[Literal["days_since_last", "days_since_first", "mean_gap"], ...] = Field(
        default=(),
        description="Days since the last and first event, and the mean number of days between events.",
    )
    sql: Query | None = Field(
        default=None,
        description="Instead of the aggregates: one SELECT with the key and a column for each feature, which "
        "sees only what was known at :as_of.",
    )

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        declared = [
            name
            for name in ("from_", "where", "at", "created", "aggregate", "windows", "also")
            if getattr(self, name)
        ]
        if self.sql is not None:
            if declared:
                raise ValueError(f"sql stands alone; remove {declared[0].rstrip('_')}")
            return self
        missing = [name for name in ("from_", "at") if not getattr(self, name)]
        if missing:
            raise ValueError(f"{missing[0].rstrip('_')} is needed (or sql)")
        if not self.also and not (self.aggregate and self.windows):
            raise ValueError("aggregate with windows is needed, or also (or sql)")
        if bool(self.aggregate) is not bool(self.windows):
            raise ValueError("aggregate and windows go together")
        return self
