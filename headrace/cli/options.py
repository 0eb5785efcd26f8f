"""Options that every command has."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from headrace.workspace import project_folder

__all__ = ["JsonOption", "ProjectOption", "RootProjectOption", "YesOption"]


def _chosen(context: typer.Context, given: Path | None) -> Path | None:
    """The command's own --project, else the one before the command; noted for a crash report."""
    root = context.find_root()
    chosen = given if given is not None else root.params.get("project")
    root.obj = project_folder(chosen)
    return chosen


ProjectOption: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--project",
        metavar="DIR",
        callback=_chosen,
        help="The project's folder. Else HEADRACE_PROJECT, the current folder or ./sync_configs.",
        show_default=False,
    ),
]

RootProjectOption: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--project",
        metavar="DIR",
        envvar="HEADRACE_PROJECT",
        help="The project's folder; the current one or ./sync_configs by default.",
        show_default=False,
    ),
]

JsonOption: TypeAlias = Annotated[
    bool, typer.Option("--json", help="Print one JSON document.", show_default=False)
]

YesOption: TypeAlias = Annotated[bool, typer.Option("--yes", help="Do not ask.", show_default=False)]
