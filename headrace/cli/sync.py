"""`headrace sync`: plans, runs and looks after syncs."""


# ruff: noqa: FBT002  an option of the command line is a parameter with a default

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from headrace.cli.options import JsonOption, ProjectOption, YesOption
from headrace.cli.output import show, write_json

if TYPE_CHECKING:
    from syncs.job import Job
    from syncs.result import Result
    from syncs.run import Options

__all__ = ["app"]

app = typer.Typer(
    no_args_is_help=True, add_completion=False, rich_markup_mode=None, help="Plan, run and look after syncs."
)

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="The sync: its file's name under syncs/.")]
RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="The run's id, as `sync history` shows it.")]
LimitOption = Annotated[int, typer.Option("--limit", min=1, max=100_000, help="The most to list.")]
RowsOption = Annotated[int, typer.Option("--rows", min=0, max=1_000, help="Rows to show, before and after.")]

_A_DAY = 86_400.0


@app.command("list")
def list_syncs(project: ProjectOption = None, as_json: JsonOption = False) -> None:
    """List the project's syncs and how their last runs ended."""
    from headrace.cli import sync_words
    from headrace.workspace import open_project
    from models.state.runs import Runs

    with open_project(project) as (loaded, state):
        runs = Runs(state)
        listed = [
            sync_words.sync_json(name, sync, runs.latest(name)) for name, sync in sorted(loaded.syncs.items())
        ]
    show({"syncs": listed}, lambda: sync_words.syncs(listed), as_json=as_json)


@app.command()
def plan(
    name: NameArgument, rows: RowsOption = 10, project: ProjectOption = None, as_json: JsonOption = False
) -> None:
    """Show what a run would do, and do nothing.

    Counts by operation, some rows before and after, and the requests and minutes that it would take.
    """
    with _job(project, name) as job:
        _preview(job, rows, as_json=as_json)


@app.command()
def run(
    name: NameArgument,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show what a run would do, as `sync plan` does.")
    ] = False,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait for another run of this sync to end, a day at most.")
    ] = False,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> int:
    """Run a sync once: plan, guard, deliver, settle."""
    with _job(project, name) as job:
        if dry_run:
            _preview(job, 10, as_json=as_json)
            return 0
        return _run(job, as_json=as_json, wait_seconds=_A_DAY if wait else 0.0)


@app.command()
def approve(run_id: RunArgument, project: ProjectOption = None, as_json: JsonOption = False) -> int:
    """Deliver exactly the plan that a guard holds."""
    from headrace.workspace import actor
    from syncs.run import approve as deliver_held

    with _job_of_run(project, run_id) as job:
        return _told(job, lambda options: deliver_held(job, run_id, actor(), options), as_json=as_json)


@app.command()
def cancel(run_id: RunArgument, project: ProjectOption = None, as_json: JsonOption = False) -> None:
    """Drop a plan that a guard holds.

    Nothing is sent, and the next run plans anew.
    """
    from headrace.workspace import actor
    from syncs.run import cancel as drop_held

    with _job_of_run(project, run_id) as job:
        drop_held(job, run_id, actor())
        document = {"run_id": run_id, "sync": job.name, "status": "cancelled"}
    show(document, lambda: f"{run_id} is cancelled; nothing was sent.", as_json=as_json)


@app.command()
def history(
    name: NameArgument, limit: LimitOption = 20, project: ProjectOption = None, as_json: JsonOption = False
) -> None:
    """List a sync's runs, newest first."""
    from headrace.cli import sync_words
    from headrace.workspace import open_project
    from models.state.runs import Runs

    with open_project(project, (f"syncs/{name}",)) as (_, state):
        listed = [sync_words.run_json(run) for run in Runs(state).history(name, limit)]
    show({"sync": name, "runs": listed}, lambda: sync_words.runs(name, listed), as_json=as_json)


@app.command()
def rejected(
    name: NameArgument, limit: LimitOption = 100, project: ProjectOption = None, as_json: JsonOption = False
) -> None:
    """List rows that did not arrive, and why.

    Those that the destination refused, and those whose primary key is null or not unique.
    """
    from headrace.cli import sync_words
    from syncs.inspection import rejected as rows_not_delivered

    with _job(project, name) as job:
        rows = rows_not_delivered(job, limit)
    show({"sync": name, "rows": rows}, lambda: sync_words.rejected(name, rows, limit), as_json=as_json)


@app.command()
def retry(name: NameArgument, project: ProjectOption = None, as_json: JsonOption = False) -> int:
    """Run a sync with every rejected row tried again."""
    from syncs.upkeep import mark_for_retry

    with _job(project, name) as job:
        mark_for_retry(job)
        return _run(job, as_json=as_json)


@app.command()
def resync(
    name: NameArgument, yes: YesOption = False, project: ProjectOption = None, as_json: JsonOption = False
) -> int:
    """Send every present row again and remove nothing."""
    from headrace.workspace import actor
    from models.state.audit import Audit

    with _job(project, name) as job:
        _confirm(f"Send every row of {name} to {job.sync.destination} again?", yes=yes or as_json)
        Audit(job.state).record(actor(), "resync", name)
        return _run(job, as_json=as_json, resend=True)


@app.command()
def reset(
    name: NameArgument, yes: YesOption = False, project: ProjectOption = None, as_json: JsonOption = False
) -> None:
    """Forget what the destination has accepted, send nothing.

    The next run is a first run.
    """
    from headrace.workspace import actor
    from syncs.upkeep import reset as forget

    with _job(project, name) as job:
        question = f"Forget what {job.sync.destination} has accepted of {name}? The next run sends all rows."
        _confirm(question, yes=yes or as_json)
        forget(job, actor())
    words = f"{name} is reset: the next run is a first run. Nothing was sent and nothing removed."
    show({"sync": name, "status": "reset"}, lambda: words, as_json=as_json)


@app.command()
def explain(
    name: NameArgument,
    key: Annotated[
        str,
        typer.Argument(
            metavar="KEY", help="The row's primary key; a JSON object where it has several columns."
        ),
    ],
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Follow one row, from source to the destination's answer."""
    from headrace.cli import sync_words
    from syncs.inspection import explain as follow

    with _job(project, name) as job:
        document = follow(job, key).to_json()
    show(document, lambda: sync_words.explanation(document), as_json=as_json)


@contextmanager
def _job(project: Path | None, name: str) -> Iterator[Job]:
    from headrace.workspace import open_project
    from syncs.job import open_job

    with open_project(project, (f"syncs/{name}",)) as (loaded, state):
        yield open_job(loaded, name, state)


@contextmanager
def _job_of_run(project: Path | None, run_id: str) -> Iterator[Job]:
    """The sync that a run is of. The state knows it, and the project's settings where the state is."""
    from connectors.errors import ConfigError
    from headrace.workspace import open_project
    from models.state.runs import Runs

    with open_project(project, ()) as (_, state):
        found = Runs(state).get(run_id)
        held = ", ".join(run.id for run in Runs(state).held()) or "none"
    if found is None:
        raise ConfigError(f"no run has the id {run_id}; held by a guard: {held}")
    with _job(project, found.sync) as job:
        yield job


def _run(job: Job, *, as_json: bool, resend: bool = False, wait_seconds: float = 0.0) -> int:
    from dataclasses import replace

    from syncs.run import run_sync

    def go(options: Options) -> Result:
        return run_sync(job, replace(options, resend=resend, wait_seconds=wait_seconds))

    return _told(job, go, as_json=as_json)


def _told(job: Job, go: Callable[[Options], Result], *, as_json: bool) -> int:
    """Run with progress, print what it came to; the exit code."""
    from headrace.cli import progress, sync_words
    from syncs.run import Options

    with progress.syncing(job.name) as tell:
        result = go(Options(tell=tell))
    show(result.to_json(), lambda: sync_words.result(result), as_json=as_json)
    return result.exit_code


def _preview(job: Job, rows: int, *, as_json: bool) -> None:
    from headrace.cli import sync_words
    from syncs.preview import preview

    found = preview(job, rows)
    if as_json:
        write_json(found.to_json())
    else:
        show(None, lambda: sync_words.preview(found), as_json=False)


def _confirm(question: str, *, yes: bool) -> None:
    """Ask on a terminal; elsewhere the command itself is the answer."""
    import sys

    if not yes and sys.stdin.isatty():
        typer.confirm(question, abort=True, err=True)
