"""`headrace score`: trains and scores predictions, and keeps their versions."""


# ruff: noqa: FBT002  an option of the command line is a parameter with a default

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any

import typer

from headrace.cli.options import JsonOption, ProjectOption
from headrace.cli.output import show, table

__all__ = ["app"]

app = typer.Typer(
    no_args_is_help=True, add_completion=False, rich_markup_mode=None, help="Train and score predictions."
)

NamesArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="PREDICTION", help="Names under predictions/; all by default."),
]


def _moment(text: str) -> dt.datetime:
    try:
        found = dt.datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"'{text}' is no date such as 2026-06-30 or 2026-06-30T12:00:00Z") from None
    return found if found.tzinfo else found.replace(tzinfo=dt.UTC)


AsOfOption = Annotated[
    dt.datetime | None,
    typer.Option(
        parser=_moment,
        metavar="TIME",
        help="Take this time for the present, for data that ends in the past; UTC where it has no zone.",
    ),
]


@app.command()
def train(
    names: NamesArgument = None,
    as_of: AsOfOption = None,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Train a model beside its baseline, keep it as a version."""
    from headrace.cli.progress import working
    from headrace.steps import Workshop
    from headrace.workspace import open_project
    from scoring.report import as_dict

    done: list[dict[str, Any]] = []
    with open_project(project) as (loaded, state):
        workshop = Workshop(loaded, state)
        for name in workshop.chosen("predictions", names or []):
            with working(f"training predictions/{name}"):
                result = workshop.train(name, as_of)
            done.append({**as_dict(result.version), "promotion": result.promotion})
    head = ("prediction", "version", "status", "kept", "AUC")
    rows = [
        (one["prediction"], one["version"], one["status"], one["kept"], f"{_auc(one):.3f}") for one in done
    ]
    words = [f"{one['prediction']}: {one['promotion']}\n{one['verdict']}" for one in done]
    show({"trained": done}, lambda: "\n".join([_or_none(head, rows), *words]), as_json=as_json)


@app.command()
def run(
    names: NamesArgument = None,
    as_of: AsOfOption = None,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Score everybody into the table predictions.NAME."""
    from headrace.cli.progress import working
    from headrace.steps import Workshop, score_json
    from headrace.workspace import open_project

    done: list[dict[str, Any]] = []
    with open_project(project) as (loaded, state):
        workshop = Workshop(loaded, state)
        for name in workshop.chosen("predictions", names or []):
            with working(f"scoring predictions/{name}"):
                done.append(score_json(name, workshop.score(name, as_of)))
    head = ("table", "rows", "version", "seconds", "")
    rows = [
        (
            f"predictions.{one['prediction']}",
            one["rows"],
            one["model_version"],
            one["seconds"],
            one["warning"],
        )
        for one in done
    ]
    show({"scored": done}, lambda: _or_none(head, rows), as_json=as_json)


@app.command()
def report(
    names: NamesArgument = None,
    version: Annotated[
        int | None, typer.Option("--version", min=1, help="Which version; the one that scores by default.")
    ] = None,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell how good a version is on a time it has not seen."""
    from headrace.steps import Workshop
    from headrace.workspace import open_project
    from scoring.report import as_dict, as_text

    with open_project(project) as (loaded, state):
        workshop = Workshop(loaded, state)
        found = [
            workshop.store.version(name, version) if version else workshop.store.champion(name)
            for name in workshop.chosen("predictions", names or [])
        ]
    document = {"reports": [as_dict(one) for one in found]}
    show(document, lambda: "\n\n".join(map(as_text, found)) or _NONE, as_json=as_json)


@app.command()
def promote(
    name: Annotated[str, typer.Argument(metavar="PREDICTION", help="A name under predictions/.")],
    version: Annotated[
        int | None, typer.Argument(metavar="VERSION", min=1, help="The newest one by default.")
    ] = None,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a version the one that scores from now on."""
    from connectors.errors import NotTrained
    from headrace.steps import Workshop
    from headrace.workspace import actor, open_project
    from models.state.audit import Audit

    with open_project(project) as (loaded, state):
        loaded.find("predictions", name)
        store = Workshop(loaded, state).store
        known = [one.version for one in store.versions(name)]
        if not known:
            raise NotTrained(f"{name} has no version yet: headrace score train {name}")
        chosen = version or max(known)
        store.promote(name, chosen, by=actor())
        Audit(state).record(actor(), "promote", name, {"version": chosen})
    words = f"{name}: version {chosen} scores from now on; headrace score run {name}"
    show({"prediction": name, "version": chosen, "status": "champion"}, lambda: words, as_json=as_json)


@app.command("list")
def list_versions(
    names: NamesArgument = None, project: ProjectOption = None, as_json: JsonOption = False
) -> None:
    """List predictions and their versions, newest first."""
    from headrace.steps import Workshop
    from headrace.workspace import open_project
    from scoring.report import as_dict

    with open_project(project) as (loaded, state):
        workshop = Workshop(loaded, state)
        listed = {
            name: [as_dict(one) for one in workshop.store.versions(name)]
            for name in workshop.chosen("predictions", names or [])
        }
    rows = [
        (name, one["version"], one["status"], one["created_at"][:19], one["kept"], f"{_auc(one):.3f}")
        for name, versions in listed.items()
        for one in versions
    ]
    rows += [(name, None, "not trained", "", "", "") for name, versions in listed.items() if not versions]
    head = ("prediction", "version", "status", "trained", "kept", "AUC")
    document = {"predictions": [{"prediction": name, "versions": found} for name, found in listed.items()]}
    show(document, lambda: _or_none(head, rows), as_json=as_json)


_NONE = "There is no prediction: a file under predictions/ declares one."


def _auc(version: dict[str, Any]) -> float:
    return float(version["test"][version["kept"]]["auc"])


def _or_none(head: tuple[str, ...], rows: list[tuple[Any, ...]]) -> str:
    return table(head, rows) if rows else _NONE
