"""`headrace check`: everything that can be wrong with a project, found in one go."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from connectors.errors import ConfigError, HubError, Problem

if TYPE_CHECKING:
    from connectors.destination import Destination
    from connectors.registry import Registry
    from models.project import Project

__all__ = ["Checked", "Report", "check_project_folder"]

Outcome = Literal["ok", "wrong", "not checked"]
_SECONDS_FOR_A_DESTINATION = 20.0
_SECONDS_FOR_THE_WAREHOUSE = 10.0


@dataclass(frozen=True, slots=True)
class Checked:
    """One thing that was looked at, as `folder/name` or `warehouse`."""

    what: str
    outcome: Outcome
    words: str = ""


@dataclass(slots=True)
class Report:
    """All that was looked at. `problems` are mistakes in files, `failures` what could not be reached."""

    checked: list[Checked] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """2 where a file is wrong, 1 where something could not be reached, 0."""
        return 2 if self.problems else 1 if self.failures else 0

    def note(self, what: str, found: list[Problem], words: str = "") -> None:
        """Something was looked at, with these mistakes."""
        fresh = [problem for problem in found if problem not in self.problems]
        self.problems += fresh
        self.checked.append(Checked(what, "wrong" if found else "ok", found[0].message if found else words))

    def fail(self, what: str, error: BaseException) -> None:
        """Something could not be reached."""
        words = f"{error}" if isinstance(error, HubError) else f"{type(error).__name__}: {error}"
        self.failures.append(f"{what}: {words}")
        self.checked.append(Checked(what, "wrong", words))

    def leave(self, what: str, why: str) -> None:
        """Something could not be looked at, which is no mistake."""
        self.checked.append(Checked(what, "not checked", why))


def check_project_folder(folder: Path, *, offline: bool = False) -> Report:
    """Parse, resolve, connect. `offline` connects to nothing."""
    from connectors.registry import load_registry

    report = Report()
    registry = load_registry(folder)
    project = _files(folder, report)
    _connectors(registry, report)
    if project is None:
        return report
    _sources(project, report)
    destinations = _destinations(project, registry, report, offline=offline)
    _syncs(project, destinations, report)
    _state(project, report, offline=offline)
    _warehouse(project, report, offline=offline)
    return report


def _files(folder: Path, report: Report) -> Project | None:
    """What the files say by themselves; the project, or as much of it as can be loaded."""
    from models.check import check_declaration, check_project
    from models.loading import load_project

    try:
        project = load_project(folder)
    except ConfigError as error:
        from headrace.check_rest import load_rest
        from models.kinds import FOLDERS

        rest, found = load_rest(folder), list(error.problems)
        if rest is not None:
            names = [(kind, name) for kind in FOLDERS for name in rest.declared(kind)]
            found += [problem for each in names for problem in check_declaration(rest, *each)]
        report.note("project", found)
        return rest
    report.note("project", check_project(project), _counted(project))
    return project


def _counted(project: Project) -> str:
    from models.kinds import FOLDERS

    return ", ".join(f"{len(found)} {folder}" for folder in FOLDERS if (found := project.declared(folder)))


def _connectors(registry: Registry, report: Report) -> None:
    for entry in registry.entries:
        if entry.error is not None:
            report.note(f"connectors/{entry.name}", list(entry.error.problems))


def _sources(project: Project, report: Report) -> None:
    from models.resolved import resolved_source

    for name in project.sources:
        with _problems(report, f"sources/{name}"):
            resolved_source(project, name)


def _destinations(
    project: Project, registry: Registry, report: Report, *, offline: bool
) -> dict[str, type[Destination]]:
    """Settings, then connections: all at once, each with a limit of time. The connectors that are usable."""
    from models.resolved import resolved_destination

    found: dict[str, tuple[type[Destination], Any]] = {}
    for name in project.destinations:
        try:
            found[name] = resolved_destination(project, name, registry)
        except ConfigError as error:
            report.note(f"destinations/{name}", list(error.problems))
    if offline:
        for name in found:
            report.leave(f"destinations/{name}", "settings are right; offline, so not connected")
    else:
        for name, ended in zip(found, asyncio.run(_reached(found)), strict=True):
            _note_reached(report, f"destinations/{name}", ended)
    return {name: connector for name, (connector, _) in found.items()}


async def _reached(found: dict[str, tuple[type[Destination], Any]]) -> list[BaseException | None]:
    tries = (_reach(connector(settings)) for connector, settings in found.values())
    return await asyncio.gather(*tries, return_exceptions=True)


async def _reach(destination: Destination) -> None:
    try:
        async with asyncio.timeout(_SECONDS_FOR_A_DESTINATION):
            await _called(destination.check)
    except TimeoutError:
        raise HubError(f"no answer within {_SECONDS_FOR_A_DESTINATION:g} s") from None


async def _called(method: Callable[[], Any]) -> None:
    """A connector's methods may be plain functions, which then run in a thread."""
    if inspect.iscoroutinefunction(method):
        await method()
    else:
        await asyncio.to_thread(method)


def _note_reached(report: Report, what: str, error: BaseException | None) -> None:
    if error is None:
        report.note(what, [], "settings are right, and it answers")
    elif isinstance(error, NotImplementedError):
        report.leave(what, "settings are right; its connector has no check")
    elif isinstance(error, ConfigError):
        report.note(what, list(error.problems))
    else:
        report.fail(what, error)


def _syncs(project: Project, connectors: dict[str, type[Destination]], report: Report) -> None:
    from syncs.job import unfit

    for name, sync in project.syncs.items():
        if sync.destination in connectors:
            found = unfit(project, name, sync, connectors[sync.destination])
            if found:
                report.note(f"syncs/{name}", found)


def _state(project: Project, report: Report, *, offline: bool) -> None:
    from models.state import open_state

    with _problems(report, "state"):
        url = project.state_url
        if not offline or url.startswith("sqlite"):
            with open_state(url, project.root):
                pass


def _warehouse(project: Project, report: Report, *, offline: bool) -> None:
    from headrace.check_queries import check_queries
    from headrace.workspace import warehouse_of

    try:
        warehouse = warehouse_of(project, wait_seconds=_SECONDS_FOR_THE_WAREHOUSE)
        if offline:
            report.leave("warehouse", "offline, so not connected")
            return
        with warehouse.connect("checking the project") as session:
            report.note("warehouse", [], f"answers, as {warehouse.dialect.name}")
            check_queries(project, session, warehouse.dialect, report)
    except ConfigError as error:
        report.note("warehouse", list(error.problems))
    except HubError as error:
        report.fail("warehouse", error)


@contextmanager
def _problems(report: Report, what: str) -> Iterator[None]:
    try:
        yield
    except ConfigError as error:
        report.note(what, list(error.problems))
    except HubError as error:
        report.fail(what, error)
    else:
        report.note(what, [])
