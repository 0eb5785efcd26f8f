"""The order in which `headrace --help` lists commands: that of a project's life."""

from __future__ import annotations

from typing import Any

from typer.core import TyperGroup

__all__ = ["Ordered"]

_FIRST = ("init", "check", "ingest", "traits", "score", "sync", "run")


class Ordered(TyperGroup):
    """Lists commands and groups as they are used, not groups last."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The names: first those of the daily work, then the others as they were added."""
        names = super().list_commands(ctx)
        return [*(name for name in _FIRST if name in names), *(name for name in names if name not in _FIRST)]
