"""Everything that can be said about a project's SQL and references without touching the warehouse."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from connectors.errors import Problem
from models.declarations import Audience, Feature, Sync
from models.expressions import check_expression, check_query
from models.kinds import FOLDERS
from models.references import check_references, queries_of
from models.yaml_file import KeyPath

if TYPE_CHECKING:
    from models.project import Project

__all__ = ["check_declaration", "check_project"]

_PARAMETERS: dict[KeyPath, tuple[str, ...]] = {
    ("population",): ("as_of",),
    ("label", "sql"): ("as_of", "until"),
}


def check_project(project: Project) -> list[Problem]:
    """What is wrong in a loaded project's SQL and references."""
    problems = check_references(project)
    for folder in FOLDERS:
        for name in project.declared(folder):
            problems += check_declaration(project, folder, name)
    return problems


def check_declaration(
    project: Project, folder: str, name: str, columns: Collection[str] | None = None
) -> list[Problem]:
    """What is wrong in one declaration's SQL.

    `columns` are those of a sync's model; where they are given, the mapping may name no others, and the
    primary key must be among them.
    """
    declaration = project.find(folder, name)
    at = partial(project.problem, folder, name)
    problems = []
    for path, sql in queries_of(declaration):
        needed = ("as_of",) if isinstance(declaration, Feature) else _PARAMETERS.get(path, ())
        problems += check_query(sql, project.dialect, parameters=needed, needed=needed, at=partial(at, path))
    for path, text in _expressions_of(declaration):
        problems += check_expression(text, columns, project.dialect, at=partial(at, path))
    if isinstance(declaration, Feature):
        problems += _aggregates(declaration, project.dialect, at)
    return problems


def _expressions_of(declaration: Any) -> Iterator[tuple[KeyPath, str]]:
    """The expressions over a row that a declaration holds, with their keys."""
    if isinstance(declaration, Sync):
        for name, text in declaration.match_on.items():
            yield ("match_on", name), text
        for name, mapping in declaration.fields.items():
            if mapping.sql is not None:
                yield ("fields", name), mapping.sql
    elif isinstance(declaration, Audience | Feature):
        for key in ("where", "at", "created"):
            if condition := getattr(declaration, key, None):
                yield (key,), condition


def _aggregates(feature: Feature, dialect: str, at: Callable[[KeyPath, str], Problem]) -> Iterator[Problem]:
    for name in type(feature.aggregate).model_fields if feature.aggregate else ():
        for number, text in enumerate(getattr(feature.aggregate, name)):
            if text != "*" or name != "count":
                yield from check_expression(text, None, dialect, at=partial(at, ("aggregate", name, number)))
