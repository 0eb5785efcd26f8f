"""Traits: facts per entity, one table `traits.<name>` a declaration."""

from __future__ import annotations

import time
from dataclasses import dataclass

from connectors.errors import ScoringError
from connectors.warehouses.base import Dialect, Session
from models.declarations.trait import Trait
from scoring.binding import bind
from scoring.places import errors_of
from scoring.tables import replace_table

__all__ = ["SCHEMA", "TraitResult", "materialise"]

SCHEMA = "traits"


@dataclass(frozen=True, slots=True)
class TraitResult:
    """What a materialised trait holds; `warning` says what a person should look at."""

    rows: int
    seconds: float
    columns: tuple[str, ...]
    warning: str | None = None


def materialise(trait: Trait, session: Session, dialect: Dialect) -> TraitResult:
    """Compute a trait's table anew. Where that fails, the last table stays as it was.

    Raises:
        ScoringError: the key is missing, null or not unique.
        WarehouseError: the warehouse refuses the SQL.
    """
    started = time.perf_counter()
    with errors_of(f"traits/{trait.name}"):
        query = f"SELECT * FROM (\n{bind(trait.sql, dialect.name, {})}\n) AS trait"
        columns = tuple(column.name for column in session.columns(query))
    if missing := [key for key in trait.key if key not in columns]:
        raise ScoringError(
            f"traits/{trait.name}: the SQL gives no column {missing[0]!r}, which is the key; "
            f"it gives {', '.join(columns)}"
        )
    rows = replace_table(
        session, dialect, SCHEMA, trait.name, query, lambda table: _check_key(trait, table, session, dialect)
    )
    warning = None if rows else f"traits/{trait.name} is empty: its SQL returned no row"
    return TraitResult(rows, time.perf_counter() - started, columns, warning)


def _check_key(trait: Trait, table: str, session: Session, dialect: Dialect) -> None:
    keys = [dialect.quote(key) for key in trait.key]
    null = " OR ".join(f"{key} IS NULL" for key in keys)
    nulls = session.rows(f"SELECT count(*) FROM {table} WHERE {null}")[0][0]
    if nulls:
        raise ScoringError(f"traits/{trait.name}: the key {', '.join(trait.key)} is null in {nulls} rows")
    counted = f"SELECT count(*) AS n FROM {table} GROUP BY {', '.join(keys)} HAVING count(*) > 1"
    repeated, most = session.rows(f"SELECT count(*), max(n) FROM ({counted}) AS repeated")[0]
    if repeated:
        raise ScoringError(
            f"traits/{trait.name}: the key {', '.join(trait.key)} is not unique: {repeated} keys stand in "
            f"several rows, one of them in {most}"
        )
