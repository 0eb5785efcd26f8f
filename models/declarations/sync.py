"""syncs/*.yml: model + destination + mapping + schedule."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import (
    Discriminator,
    Field,
    GetJsonSchemaHandler,
    JsonValue,
    StringConstraints,
    Tag,
    field_validator,
    model_validator,
)
from pydantic_core import CoreSchema, PydanticCustomError

from connectors.destination import OnRemoved
from connectors.operation import Mode
from connectors.strict import TEXT, Names, Strict
from models.declarations.base import Declared, DestinationField, Expression, Query, TableName
from models.declarations.guards import Guards
from models.declarations.project import Defaults
from models.declarations.schedule import Schedule
from models.naming import Name

__all__ = ["FieldMapping", "InlineModel", "RetryRejected", "Sync", "TableModel"]

Nulls = Literal["send", "omit"]
RetryRejected = Literal["every_run", "on_change", "never"]
_DECADES = 1e300


class InlineModel(Strict):
    """A question of the warehouse, written in the sync itself."""

    sql: Query = Field(description="One SELECT in the warehouse's SQL.")
    primary_key: Names = Field(description="Column or columns that identify a row from run to run.")


class TableModel(Strict):
    """A whole table of the warehouse."""

    table: TableName = Field(description="The table, with its schema: `shop.customers`.")
    primary_key: Names = Field(description="Column or columns that identify a row from run to run.")


def _model_form(value: Any) -> str:
    if isinstance(value, TableModel) or (isinstance(value, Mapping) and "table" in value):
        return "<table>"
    return "<sql>" if isinstance(value, InlineModel | Mapping) else TEXT


ModelReference = Annotated[
    Annotated[Name, Tag(TEXT)] | Annotated[InlineModel, Tag("<sql>")] | Annotated[TableModel, Tag("<table>")],
    Discriminator(_model_form),
]


class FieldMapping(Strict):
    """What one field of the destination holds: an expression (a text alone is one), or a constant."""

    sql: Expression | None = Field(default=None, description="SQL expression over the model's columns.")
    value: JsonValue = Field(default=None, description="A constant, the same for every row.")
    nulls: Nulls | None = Field(
        default=None,
        description="Whether a null of this field is sent or left out; as the sync says where left out.",
    )

    @property
    def is_constant(self) -> bool:
        """Whether `value` counts, which may be null."""
        return self.sql is None

    @model_validator(mode="before")
    @classmethod
    def _text_is_sql(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"sql": value}
        if isinstance(value, Mapping | FieldMapping):
            return value
        raise PydanticCustomError(
            "field_mapping",
            "a SQL expression is needed, as a text, or a constant: a mapping with the key value",
        )

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.sql is None) is ("value" not in self.model_fields_set):
            raise ValueError("one of sql and value is needed, and only one")
        return self

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """A text, or the mapping that it stands for."""
        return {"anyOf": [{"type": "string"}, handler(schema)]}


class Sync(Declared):
    """Keeps a destination as a model says."""

    model: ModelReference = Field(
        description="A name under models/, audiences/, traits/ or predictions/, or {sql, primary_key}, or "
        "{table, primary_key}."
    )
    destination: Name = Field(description="A name under destinations/.")
    object: Annotated[str, StringConstraints(min_length=1, max_length=500)] | None = Field(
        default=None, description="What is written to, where the destination has several, such as contacts."
    )
    mode: Mode = Field(description="What is done with new, changed and vanished rows.")
    match_on: dict[DestinationField, Expression] = Field(
        default_factory=dict,
        description="The destination's identifier fields, each with a SQL expression; the key by default.",
    )
    fields: dict[DestinationField, FieldMapping] = Field(
        default_factory=dict,
        description="The destination's fields, each with a SQL expression or a constant.",
    )
    on_removed: OnRemoved = Field(
        default="delete", description="What a mirror does with vanished rows, as the destination can."
    )
    nulls: Nulls = Field(default="send", description="Whether a null is sent or left out of the record.")
    deadband: dict[DestinationField, Annotated[float, Field(gt=0, le=_DECADES)]] = Field(
        default_factory=dict,
        description="Numeric fields with the move that counts: a smaller one is no change.",
    )
    guards: Guards = Field(
        default_factory=Guards, description="What holds a plan until a person approves it."
    )
    schedule: Schedule | None = Field(
        default=None, description="When it runs by itself; by hand where left out."
    )
    retry_rejected: RetryRejected = Field(
        default="every_run", description="When a rejected row is tried again."
    )
    backfill: bool = Field(
        default=True,
        description="false: take the rows of the first run as delivered, and send only what changes later.",
    )
    enabled: bool = Field(default=True, description="false: it runs neither by itself nor with the others.")

    @field_validator("fields", "match_on")
    @classmethod
    def _none_inside_another(cls, fields: dict[str, Any]) -> dict[str, Any]:
        for name in fields:
            parts = name.split(".")
            for length in range(1, len(parts)):
                parent = ".".join(parts[:length])
                if parent in fields:
                    raise ValueError(f"'{parent}' cannot hold a value and '{name}' at once")
        return fields

    @field_validator("on_removed")
    @classmethod
    def _on_removed_is_for_mirrors(cls, value: OnRemoved, info: Any) -> OnRemoved:
        if info.data.get("mode", Mode.MIRROR) is not Mode.MIRROR:
            raise ValueError(
                f"on_removed goes with mode: mirror; mode: {info.data['mode'].value} removes nothing"
            )
        return value

    @field_validator("deadband")
    @classmethod
    def _deadband_is_of_fields(cls, value: dict[str, float], info: Any) -> dict[str, float]:
        fields = info.data.get("fields", {})
        for name in value:
            if "fields" in info.data and (name not in fields or fields[name].is_constant):
                raise ValueError(f"'{name}' is no field with an expression in this sync")
        return value

    @field_validator("backfill")
    @classmethod
    def _replace_sends_all(cls, value: bool, info: Any) -> bool:  # noqa: FBT001  pydantic calls it
        if not value and info.data.get("mode") is Mode.REPLACE:
            raise ValueError("mode: replace sends the whole set, so there is nothing to leave out")
        return value

    @model_validator(mode="after")
    def _something_is_sent(self) -> Self:
        if not self.fields and not self.match_on:
            raise ValueError("nothing is mapped: fields or match_on is needed")
        return self

    def over(self, defaults: Defaults) -> Sync:
        """This sync, with the project's defaults where it says nothing, then those of its mode."""
        said = self.model_fields_set
        update: dict[str, Any] = {
            name: getattr(defaults, name)
            for name in ("nulls", "retry_rejected")
            if name not in said and getattr(defaults, name) is not None
        }
        of_mode = Guards.model_validate({"max_removed": "50%"} if self.mode is Mode.MIRROR else {})
        return self.model_copy(update={**update, "guards": self.guards.over(defaults.guards.over(of_mode))})
