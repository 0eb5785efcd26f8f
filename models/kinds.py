"""The kinds of declarations: their folders, what their files may say, and what they refer to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from pydantic import TypeAdapter

from models import declarations
from models.yaml_file import KeyPath

__all__ = [
    "FOLDERS",
    "QUESTIONS",
    "SCHEDULED",
    "Reference",
    "adapter",
    "references_of",
    "singular",
    "type_of",
]

FOLDERS = (
    "sources",
    "models",
    "traits",
    "features",
    "predictions",
    "audiences",
    "destinations",
    "syncs",
)
"""Folders of declarations, in the order in which water runs."""

QUESTIONS = ("models", "audiences", "traits", "predictions")
"""What a sync's model may be. A name stands for one thing in all of these."""

SCHEDULED = ("sources", "traits", "predictions", "syncs")
"""What runs, and so what something else can run after."""

_TYPES: dict[str, Any] = {
    "sources": declarations.Source,
    "models": declarations.Model,
    "traits": declarations.Trait,
    "features": declarations.Feature,
    "predictions": declarations.Prediction,
    "audiences": declarations.Audience,
    "destinations": declarations.DestinationDeclaration,
    "syncs": declarations.Sync,
}


@dataclass(frozen=True, slots=True)
class Reference:
    """A name in a declaration, at `path`, that stands for a file in one of some folders."""

    path: KeyPath
    folders: tuple[str, ...]
    name: str
    is_needed: bool = True
    """Whether the declaration cannot be used without it, as opposed to running after it."""


def type_of(folder: str) -> Any:
    """The pydantic type, or union of types, of a folder's declarations."""
    return _TYPES[folder]


def singular(folder: str) -> str:
    """What one file of a folder declares, in words."""
    return folder.removesuffix("s")


@cache
def adapter(folder: str) -> TypeAdapter[Any]:
    """Validates a folder's declarations; built once."""
    return TypeAdapter(_TYPES[folder])


def references_of(declaration: Any) -> Iterator[Reference]:
    """The names that a declaration spells out. Tables in its SQL are found by `models.references`."""
    if isinstance(declaration, declarations.Sync):
        if isinstance(declaration.model, str):
            yield Reference(("model",), QUESTIONS, declaration.model)
        yield Reference(("destination",), ("destinations",), declaration.destination)
    elif isinstance(declaration, declarations.Audience):
        yield Reference(("model",), ("models",), declaration.model)
        for folder in ("traits", "predictions"):
            for number, name in enumerate(getattr(declaration, folder)):
                yield Reference((folder, number), (folder,), name)
    elif isinstance(declaration, declarations.Prediction):
        for number, text in enumerate(declaration.features):
            yield Reference(("features", number), ("features",), text.partition(".")[0])
    schedule = getattr(declaration, "schedule", None)
    for number, text in enumerate(schedule.after if schedule else ()):
        folder, _, name = text.rpartition("/")
        known = (folder,) if folder in SCHEDULED else SCHEDULED
        yield Reference(
            ("schedule", "after", number), known, name if folder in SCHEDULED else text, is_needed=False
        )
