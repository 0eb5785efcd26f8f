"""Who needs whom: the graph of a project's declarations, its order, its cycles.

A node is `folder/name`. Edges are the names that a declaration spells out and the tables that its SQL selects
from: `traits.x`, `predictions.y`, and every table of a source's dataset.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from connectors.errors import ConfigError, Problem
from models.declarations import InlineModel, TableModel
from models.expressions import tables_in
from models.kinds import FOLDERS, SCHEDULED, references_of
from models.nearest import guess
from models.yaml_file import KeyPath

if TYPE_CHECKING:
    from models.project import Project

__all__ = ["check_references", "graph", "order", "queries_of", "tables_of"]

Graph = dict[str, tuple[str, ...]]


def graph(project: Project) -> Graph:
    """Every declaration with those that must be done before it. Unknown names are left out."""
    return {
        f"{folder}/{name}": tuple(dict.fromkeys(_needed(project, declaration)))
        for folder in FOLDERS
        for name, declaration in project.declared(folder).items()
    }


def order(project: Project, names: Iterable[str] | None = None) -> list[str]:
    """What runs (sources, traits, predictions, syncs), each after all that it needs.

    Args:
        project: a whole project.
        names: run only these, as `churn` or `predictions/churn`, and what they need; all by default.

    Raises:
        ConfigError: a name is unknown or stands for several, or something needs itself.
    """
    edges = graph(project)
    wanted = list(edges) if names is None else [_node(edges, name) for name in names]
    done: dict[str, None] = {}
    for node in wanted:
        _visit(node, edges, done)
    return [node for node in done if node.split("/")[0] in SCHEDULED]


def check_references(project: Project) -> list[Problem]:
    """Cycles, and tables of `traits.` and `predictions.` that no file declares."""
    problems = [
        project.problem(
            folder,
            name,
            path,
            f"no {schema}/{table}.yml declares the table {schema}.{table}{guess(table, known)}",
        )
        for folder in FOLDERS
        for name, declaration in project.declared(folder).items()
        for path, schema, table in tables_of(declaration, project.dialect)
        if schema in ("traits", "predictions") and table not in (known := project.declared(schema))
    ]
    edges, done = graph(project), dict[str, None]()
    for node in edges:
        try:
            _visit(node, edges, done)
        except ConfigError as error:
            folder, name = node.split("/")
            return [*problems, project.problem(folder, name, (), error.problems[0].message)]
    return problems


def queries_of(declaration: Any) -> Iterator[tuple[KeyPath, str]]:
    """The SELECTs that a declaration holds, with their keys."""
    for key in ("sql", "population"):
        if text := getattr(declaration, key, None):
            yield (key,), text
    if label := getattr(declaration, "label", None):
        yield ("label", "sql"), label.sql
    if isinstance(model := getattr(declaration, "model", None), InlineModel):
        yield ("model", "sql"), model.sql


def tables_of(declaration: Any, dialect: str) -> Iterator[tuple[KeyPath, str, str]]:
    """The tables with a schema that a declaration selects from, as (key, schema, table)."""
    for path, sql in queries_of(declaration):
        for schema, table in sorted(tables_in(sql, dialect)):
            yield path, schema, table
    if isinstance(model := getattr(declaration, "model", None), TableModel):
        yield from _named(("model", "table"), model.table)
    if events := getattr(declaration, "from_", None):
        yield from _named(("from",), events)


def _named(path: KeyPath, table: str) -> Iterator[tuple[KeyPath, str, str]]:
    *before, name = table.split(".")
    if before:
        yield path, before[-1], name


def _needed(project: Project, declaration: Any) -> Iterator[str]:
    for reference in references_of(declaration):
        found = [folder for folder in reference.folders if reference.name in project.declared(folder)]
        yield from (f"{folder}/{reference.name}" for folder in found[:1])
    datasets = {source.dataset or source.name: source.name for source in project.sources.values()}
    for _, schema, table in tables_of(declaration, project.dialect):
        if schema in ("traits", "predictions") and table in project.declared(schema):
            yield f"{schema}/{table}"
        elif schema in datasets:
            yield f"sources/{datasets[schema]}"


def _node(edges: Graph, name: str) -> str:
    found = [node for node in edges if name in (node, node.split("/")[1]) and node.split("/")[0] in SCHEDULED]
    if len(found) > 1:
        raise ConfigError(f"'{name}' stands for several; write {' or '.join(found)}")
    if not found:
        known = {node.split("/")[1] for node in edges if node.split("/")[0] in SCHEDULED}
        raise ConfigError(f"nothing that runs is named '{name}'{guess(name, known)}")
    return found[0]


def _visit(start: str, edges: Graph, done: dict[str, None]) -> None:
    """Add a node to `done` after all that it needs. Without recursion: a chain may be long."""
    path: dict[str, Iterator[str]] = {start: iter(edges.get(start, ()))}
    if start in done:
        return
    while path:
        node, following = next(reversed(path.items()))
        for needed in following:
            if needed in path:
                nodes = list(path)
                circle = [*nodes[nodes.index(needed) :], needed]
                raise ConfigError(f"something needs itself: {' → '.join(circle)}")
            if needed not in done:
                path[needed] = iter(edges.get(needed, ()))
                break
        else:
            done[node] = None
            del path[node]
