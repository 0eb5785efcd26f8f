"""`headrace ingest`, `traits` and `run`: the way of the water, in parts and as a whole."""


# ruff: noqa: FBT002  an option of the command line is a parameter with a default

from __future__ import annotations

from typing import Annotated, Any

import typer

from headrace.cli.options import JsonOption, ProjectOption
from headrace.cli.output import show, table

__all__ = ["ingest", "run_all", "traits"]

_REJECTED = 3


def ingest(
    sources: Annotated[
        list[str] | None, typer.Argument(metavar="SOURCE", help="Names under sources/; all by default.")
    ] = None,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> int:
    """Read what is new in sources into the warehouse."""
    from headrace.cli.progress import ingesting
    from headrace.steps import Workshop, ingest_json
    from headrace.workspace import open_project

    done: list[dict[str, Any]] = []
    with open_project(project) as (loaded, state), ingesting() as tell:
        workshop = Workshop(loaded, state)
        done.extend(
            ingest_json(workshop.ingest(name, tell)) for name in workshop.chosen("sources", sources or [])
        )
    show({"sources": done}, lambda: _ingested(done), as_json=as_json)
    return _REJECTED if any(result["rejected"] for result in done) else 0


def _ingested(done: list[dict[str, Any]]) -> str:
    if not done:
        return "There is no source: a file under sources/ declares one."
    rows = [
        (f"{result['dataset']}.{name}", part["rows"], part["rejected"], part["new_files"], _remark(part))
        for result in done
        for name, part in result["tables"].items()
    ]
    lines = [table(("table", "rows", "rejected", "files", ""), rows)]
    lines += [
        f"rejected rows of {result['source']} are kept in {result['dataset']}._rejected_rows"
        for result in done
        if result["rejected"]
    ]
    return "\n".join(lines)


def _remark(part: dict[str, Any]) -> str:
    if part["left_out"]:
        return "left out: the table is new, and the schema contract discards new tables"
    return f"new columns: {', '.join(part['columns_added'])}" if part["columns_added"] else ""


def traits(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAME", help="Names under traits/; all by default.")
    ] = None,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compute trait tables anew."""
    from headrace.cli.progress import working
    from headrace.steps import Workshop, trait_json
    from headrace.workspace import open_project

    done: list[dict[str, Any]] = []
    with open_project(project) as (loaded, state):
        workshop = Workshop(loaded, state)
        for name in workshop.chosen("traits", names or []):
            with working(f"computing traits/{name}"):
                done.append(trait_json(name, workshop.trait(name)))
    head = ("table", "rows", "seconds", "")
    rows = [(f"traits.{one['trait']}", one["rows"], one["seconds"], one["warning"]) for one in done]
    nothing = "There is no trait: a file under traits/ declares one."
    show({"traits": done}, lambda: table(head, rows) if rows else nothing, as_json=as_json)


def run_all(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME",
            help="What to run, as churn or syncs/churn, with all that it needs; everything by default.",
        ),
    ] = None,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> int:
    """Do everything once, each after what it needs.

    That is ingest, traits, predictions and syncs. Where one fails, what needs it is skipped and all else goes
    on. The exit code is the worst of all.
    """
    from headrace.graph import exit_code, run_graph
    from headrace.workspace import open_project

    with open_project(project) as (loaded, state):
        steps = run_graph(loaded, state, names or [], lambda _: None)
    rows = [
        (
            step.node,
            step.status,
            step.seconds,
            step.words or ", ".join(f"needs {name}" for name in step.because),
        )
        for step in steps
    ]
    code = exit_code(steps)
    document = {"exit_code": code, "steps": [step.to_json() for step in steps]}
    show(document, lambda: table(("what", "status", "seconds", ""), rows), as_json=as_json)
    return code
