"""From a declared sync to the query that evaluates its mapping."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

from connectors.errors import ConfigError, Problem
from connectors.warehouses import Column, Dialect, Session
from models.declarations import FieldMapping, Sync
from models.nearest import guess
from models.questions import Question
from models.yaml_file import KeyPath
from syncs.layout import Layout, Role, Slot

__all__ = ["Expression", "MappedQuery", "Place", "map_query"]

Place = Callable[[KeyPath, str], Problem]
"""Makes a problem of a key in the sync's file and of words."""


@dataclass(frozen=True, slots=True)
class Expression:
    """What is computed for one slot."""

    role: Role
    name: str
    sql: str
    omit: bool = False


@dataclass(frozen=True, slots=True)
class MappedQuery:
    """A model with its mapping: `raw` gives one column an expression, `c0`, `c1`, … in their order.

    `source` is what the model selects from, `is_stored` whether its rows stand in one table as they are.
    """

    source: str
    is_stored: bool
    expressions: tuple[Expression, ...]
    columns: tuple[Column, ...]

    @property
    def raw(self) -> str:
        """The query in the model's own types."""
        return _raw(self.source, self.expressions)

    def slots(self, dialect: Dialect) -> list[Slot]:
        """What is to be stored, in its canonical types; columns get their final names in the snapshot."""
        stored = [dialect.canonical("x", column)[1] for column in self.columns]
        return [
            Slot(e.role, e.name, "", column.native, column.logical, e.omit)
            for e, column in zip(self.expressions, stored, strict=True)
        ]

    def canonical(self, dialect: Dialect, layout: Layout, relation: str | None = None) -> str:
        """The query in canonical types and the layout's column names; fields it no longer has are null.

        `relation` stands in for the raw query where its rows were copied to another engine.
        """
        slots = {(slot.role, slot.name): slot for slot in layout.slots}
        parts = []
        for expression, column in zip(self.expressions, self.columns, strict=True):
            sql, _ = dialect.canonical(dialect.quote(column.name), column)
            parts.append(f"{sql} AS {slots.pop((expression.role, expression.name)).column}")
        parts += [f"CAST(NULL AS {slot.native}) AS {slot.column}" for slot in slots.values()]
        return f"SELECT {', '.join(parts)} FROM {relation or f'({self.raw}) AS raw'}"


def _raw(source: str, expressions: Sequence[Expression]) -> str:
    picked = ", ".join(f"{e.sql} AS c{i}" for i, e in enumerate(expressions))
    return f"SELECT {picked} FROM {source}"


def map_query(
    sync: Sync, question: Question, session: Session, dialect: Dialect, place: Place
) -> MappedQuery:
    """Check the mapping against the model's real columns and make its query.

    Raises:
        ConfigError: a primary key or an expression names a column that the model does not have, or is none.
        WarehouseError: the model cannot be evaluated.
    """
    source = question.table or f"(\n{question.sql}\n) AS model"
    available = [column.name for column in session.columns(f"SELECT * FROM {source}")]
    keys = [Expression("key", column, dialect.quote(column)) for column in question.primary_key]
    expressions = (*keys, *_expressions(sync, question, available, dialect, place))
    return replace(
        MappedQuery(source, _is_stored(question, dialect), expressions, ()),
        columns=tuple(session.columns(_raw(source, expressions))),
    )


def _is_stored(question: Question, dialect: Dialect) -> bool:
    """Whether reading the model's rows again costs no more than reading a table."""
    if question.sql is None:
        return True
    from models.expressions import reads_one_table

    return reads_one_table(question.sql, dialect.name)


def _expressions(
    sync: Sync, question: Question, available: list[str], dialect: Dialect, place: Place
) -> Iterator[Expression]:
    problems = list(_missing_keys(question, available, place))
    for role, field, mapped in _declared(sync):
        omit = role == "field" and (mapped.nulls or sync.nulls) == "omit"
        if mapped.sql is None:
            yield Expression(role, field, dialect.literal(mapped.value), omit)
            continue
        if mapped.sql in available:
            # The commonest expression is a column as it is: no parser has to be loaded for it.
            yield Expression(role, field, dialect.quote(mapped.sql), omit)
            continue
        from models.expressions import check_expression, rendered

        key = ("match_on" if role == "match" else "fields", field)
        if found := check_expression(mapped.sql, available, dialect.name, at=partial(place, key)):
            problems += found
        else:
            yield Expression(role, field, rendered(mapped.sql, dialect.name), omit)
    if problems:
        raise ConfigError(*problems)


def _declared(sync: Sync) -> Iterator[tuple[Role, str, FieldMapping]]:
    for identifier, sql in sync.match_on.items():
        yield "match", identifier, FieldMapping(sql=sql)
    for field, mapped in sync.fields.items():
        yield "field", field, mapped


def _missing_keys(question: Question, available: list[str], place: Place) -> Iterator[Problem]:
    for column in question.primary_key:
        if column not in available:
            words = f"the model has no column {column!r} to be its primary key{guess(column, available)}"
            yield place(("model",), words)
