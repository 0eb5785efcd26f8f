"""`headrace init`, `demo`, `sandbox`, `schema` and `version`: to begin with."""


# ruff: noqa: FBT002  an option of the command line is a parameter with a default

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from headrace.cli.options import JsonOption, ProjectOption
from headrace.cli.output import count, show, write, write_json

if TYPE_CHECKING:
    from connectors.sandboxes.server import Sandbox

__all__ = ["demo", "init", "sandbox", "schema", "version"]


def init(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="The new project's folder; made where missing.")
    ],
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a new project from a template that works."""
    from headrace.template_project import copy_template

    del project  # every command takes it
    copy_template(folder)
    files = sorted(str(path.relative_to(folder)) for path in folder.rglob("*.*") if path.is_file())
    next_step = f"Read {folder}/headrace.yml, then: headrace --project {folder} check"
    words = f"{count(len(files), 'file')} in {folder}. {next_step}"
    show({"project": str(folder), "files": files}, lambda: words, as_json=as_json)


def sandbox(  # noqa: PLR0913, PLR0917 - a parameter is an option
    kind: Annotated[str, typer.Argument(metavar="TYPE", help="Whose API, such as crm.")],
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="Where to listen; 0 takes a free one.")
    ] = 0,
    faults: Annotated[
        str,
        typer.Option(
            "--faults", metavar="NAME:SHARE,…", help="Faults and their shares, as 429:0.05,500:0.01."
        ),
    ] = "",
    seed: Annotated[
        int, typer.Option("--seed", help="The same seed brings the same faults in the same order.")
    ] = 0,
    token: Annotated[
        str | None, typer.Option("--token", help="The bearer token that is accepted; any by default.")
    ] = None,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run a local stand-in of an API, with faults on demand.

    It ends with Ctrl-C.
    """
    from connectors.redaction import redactor
    from connectors.sandboxes import serve

    del project  # every command takes it
    if token is not None:
        redactor.register(token)

    def ready(running: Sandbox) -> None:
        document = {"type": kind, "url": running.url, "page": running.page_url}
        words = f"{kind} answers at {running.url}; what it holds: {running.page_url} (Ctrl-C ends it)"
        show(document, lambda: words, as_json=as_json)

    serve(kind, port, seed=seed, faults=faults, token=token, on_ready=ready)
    if not as_json:
        sys.stderr.write("\nended\n")


def schema(
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="DIR", help="Where to write; .headrace/schemas of the project by default."
        ),
    ] = None,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a JSON Schema for each kind of file, for editors."""
    from headrace.workspace import project_folder
    from models.json_schema import write_schemas
    from models.project import Project

    root = project_folder(project)
    folder = (
        out or Project(root).home / "schemas" if (root / "headrace.yml").is_file() else out or Path("schemas")
    )
    files = write_schemas(folder)
    words = [str(file) for file in files]
    hint = "In a file's first line: # yaml-language-server: $schema=" + words[-1]
    show({"files": words}, lambda: "\n".join([*words, hint]), as_json=as_json)


def demo(
    folder: Annotated[
        Path | None,
        typer.Argument(
            metavar="DIR",
            help="Where; ./sync_configs in a checkout, ./headrace-demo elsewhere.",
            show_default=False,
        ),
    ] = None,
    customers: Annotated[
        int, typer.Option("--customers", min=100, max=1_000_000, help="How many customers the shop has.")
    ] = 50_000,
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="The CRM's port; 0 takes a free one.")
    ] = 0,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run the whole chain on a generated shop, twice.

    Between the two the shop changes by a day, and the second time sends what changed and nothing else.
    """
    from rich.console import Console

    from headrace.demo.story import tell
    from headrace.demo.workplace import default_folder

    console = Console(stderr=as_json)
    story = tell(folder or project or default_folder(), console, customers=customers, port=port)
    if as_json:
        write_json(story.to_json())


def version(project: ProjectOption = None, as_json: JsonOption = False) -> None:
    """Print the version."""
    from importlib.metadata import version as installed

    del project  # every command takes it
    number = installed("headrace")
    if as_json:
        write_json({"version": number})
    else:
        write(f"headrace {number}")
