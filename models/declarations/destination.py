"""destinations/*.yml: where records go."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field, JsonValue, StringConstraints

from models.declarations.base import Declared

__all__ = ["DestinationDeclaration"]


class DestinationDeclaration(Declared):
    """A connector's type and its settings. The connector checks the settings when it is asked for."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, JsonValue]

    type: Annotated[str, StringConstraints(min_length=1, max_length=100)] = Field(
        description="Type of the connector; `headrace destinations` lists them."
    )

    @property
    def settings(self) -> dict[str, JsonValue]:
        """The connector's settings as they stand in the file, secrets not filled in."""
        return dict(self.__pydantic_extra__ or {})
