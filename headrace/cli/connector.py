"""`headrace destinations` and `headrace connector`: which connectors there are, and a new one."""


# ruff: noqa: FBT002  an option of the command line is a parameter with a default

from __future__ import annotations

from typing import Annotated

import typer

from headrace.cli.options import JsonOption, ProjectOption
from headrace.cli.output import show

__all__ = ["app", "destinations"]

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="Make and test a connector of your own.",
)


def destinations(
    kind: Annotated[str | None, typer.Argument(metavar="TYPE", help="One connector, in full.")] = None,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """List connectors, or tell everything of one.

    That is its settings, objects, fields, limits and modes.
    """
    from connectors.registry import load_registry
    from headrace import catalogue
    from headrace.workspace import project_folder

    registry = load_registry(project_folder(project))
    if kind is None:
        listed = [catalogue.entry_json(entry) for entry in sorted(registry.entries, key=lambda e: e.name)]
        show({"destinations": listed}, lambda: catalogue.overview(listed), as_json=as_json)
        return
    found = catalogue.connector_json(kind, registry.get(kind))
    show(found, lambda: catalogue.in_full(found), as_json=as_json)


@app.command()
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The connector's type name.")],
    in_python: Annotated[
        bool, typer.Option("--python", help="A Python class in place of a YAML file.")
    ] = False,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a connector and its test, to be changed into yours."""
    from headrace.scaffold import scaffold
    from headrace.workspace import project_folder

    files = [str(path) for path in scaffold(project_folder(project), name, in_python=in_python)]
    words = "\n".join([*files, f"next: change it, then headrace connector test {name}"])
    show({"connector": name, "files": files}, lambda: words, as_json=as_json)


@app.command("test")
def run_tests(
    what: Annotated[
        str, typer.Argument(metavar="TYPE|PATH", help="A connector of this project, or a file of tests.")
    ],
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> int:
    """Run the conformance tests of a connector."""
    from headrace.conformance import run_conformance
    from headrace.workspace import project_folder

    outcome = run_conformance(project_folder(project), what)
    show(outcome.to_json(), outcome.in_words, as_json=as_json)
    return 0 if outcome.passed else 1
