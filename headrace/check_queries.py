"""Whether what a project asks of its warehouse fits the tables that are there."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from connectors.errors import ConfigError, WarehouseError

if TYPE_CHECKING:
    from connectors.warehouses import Dialect, Session
    from headrace.check import Report
    from models.project import Project

__all__ = ["check_queries"]

_HOW_TO_FILL = {"traits": "headrace traits", "predictions": "headrace score train, then headrace score run"}


def check_queries(project: Project, session: Session, dialect: Dialect, report: Report) -> None:
    """Look at each trait and each sync's mapping; what needs a table that is not there yet is left alone.

    Raises:
        WarehouseError: the warehouse no longer answers.
    """
    wrong = {checked.what for checked in report.checked if checked.outcome == "wrong"}
    for name in project.traits:
        _trait(project, name, session, report)
    for name in project.syncs:
        if f"syncs/{name}" not in wrong:
            _sync(project, name, session, dialect, report)


def _trait(project: Project, name: str, session: Session, report: Report) -> None:
    trait, what = project.traits[name], f"traits/{name}"
    if missing := _missing(trait.sql, project, session):
        report.leave(what, missing)
        return
    try:
        columns = [column.name for column in session.columns(f"SELECT * FROM (\n{trait.sql}\n) AS trait")]
    except WarehouseError as error:
        report.note(what, [project.problem("traits", name, ("sql",), str(error))])
        return
    lost = [key for key in trait.key if key not in columns]
    words = (f"the SQL gives no column '{key}'; it gives {', '.join(columns)}" for key in lost)
    found = [project.problem("traits", name, ("key",), each) for each in words]
    report.note(what, found, "the SQL gives its key")


def _sync(project: Project, name: str, session: Session, dialect: Dialect, report: Report) -> None:
    from models.questions import question
    from syncs.mapping import map_query

    sync, what = project.syncs[name], f"syncs/{name}"
    try:
        asked = question(project, sync)
        if missing := _missing(asked.sql or f"SELECT * FROM {asked.table}", project, session):
            report.leave(what, missing)
            return
        map_query(sync, asked, session, dialect, partial(project.problem, "syncs", name))
    except ConfigError as error:
        report.note(what, list(error.problems))
    except WarehouseError as error:
        report.note(what, [project.problem("syncs", name, ("model",), str(error))])
    else:
        report.note(what, [], "the mapping fits the model")


def _missing(sql: str, project: Project, session: Session) -> str | None:
    """Which table of a query is not there yet, and what makes it."""
    from models.expressions import tables_in

    for schema, table in sorted(tables_in(sql, project.dialect)):
        if table.lower() not in {known.lower() for known in session.tables(schema)}:
            return (
                f"{schema}.{table} is not there yet; run {_HOW_TO_FILL.get(schema, 'headrace ingest')} first"
            )
    return None
