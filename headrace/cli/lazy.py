"""Makes each command when it is asked for: building all of them takes longer than many of them run."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup

__all__ = ["COMMANDS", "Lazy"]

COMMANDS = {
    "init": "start:init",
    "check": "checking:check",
    "ingest": "chain:ingest",
    "traits": "chain:traits",
    "score": "score:app",
    "sync": "sync:app",
    "run": "chain:run_all",
    "destinations": "connector:destinations",
    "connector": "connector:app",
    "sandbox": "start:sandbox",
    "doctor": "checking:doctor",
    "schema": "start:schema",
    "demo": "start:demo",
    "version": "start:version",
    "docs": "docs:docs",
}
"""Where each command is, below `headrace.cli`, in the order in which `headrace --help` lists them."""

_HIDDEN = {"docs"}


class Lazy(TyperGroup):
    """The root of all commands."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - typer calls it so
        """The names of all commands."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 - typer calls it so
        """The command or group of a name, None where there is none."""
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].partition(":")
        found = getattr(import_module(f"headrace.cli.{module}"), name)
        if not isinstance(found, typer.Typer):
            function = found
            found = typer.Typer(rich_markup_mode=None, add_completion=False)
            found.command(cmd_name, hidden=cmd_name in _HIDDEN)(function)
        made = typer.main.get_command(found)
        made.name = cmd_name
        return made
