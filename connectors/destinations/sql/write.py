"""A batch of operations as statements, all within one transaction that the caller opens.

Names go into statements as identifiers that SQLAlchemy quotes, values as parameters; neither is ever pasted
into a text.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql, sqlite

from connectors.destination import OnRemoved
from connectors.destinations.sql.address import engine_of
from connectors.destinations.sql.columns import UnstorableError, from_driver, to_driver
from connectors.destinations.sql.table import Existing, Layout
from connectors.operation import Kind, Mode, Operation, Rejection

__all__ = ["Writer"]

_Values = dict[str, Any]
"""Column keys of `Layout.table` (c0, c1…) to values for the driver."""


@dataclass(frozen=True, slots=True)
class _Row:
    """An operation ready to be written: who it is, who it was, and its columns."""

    operation: Operation
    identity: tuple[Any, ...]
    before: tuple[Any, ...] | None
    values: _Values


class Writer:
    """Writes operations into one table, as one sync asks for it."""

    def __init__(
        self,
        layout: Layout,
        found: Existing,
        dialect: sa.Dialect,
        *,
        on_removed: OnRemoved = "delete",
        archived_column: str | None = None,
        table: str | None = None,
    ) -> None:
        self._engine = engine_of(dialect)
        self._layout = layout
        self._table = layout.table(table)
        self._on_removed = on_removed
        self._keys = {column: f"c{at}" for at, column in enumerate(layout.columns)}
        self._identity = [self._keys[column] for column in layout.identity]
        self._archived = self._keys[archived_column] if archived_column else None
        self._to_driver = {
            column: to_driver(self._engine, layout.types[column], found.columns.get(column))
            for column in layout.columns
        }
        self._is_unique = frozenset(layout.identity) in found.unique
        self._looks_first = self._engine == "mysql" and _misleads_mysql(layout, found)
        self._comparable = [
            self._keys[column]
            for column in layout.others
            if isinstance(found.columns.get(column), postgresql.JSONB)
            or not isinstance(found.columns.get(column), sa.JSON)
        ]

    def write(
        self, connection: sa.Connection, operations: Iterable[Operation], mode: Mode
    ) -> list[Rejection]:
        """Write a batch in the connection's transaction; the rows that were refused one by one."""
        rejected: list[Rejection] = []
        rows: list[_Row] = []
        for operation in operations:
            row = self._row(operation)
            (rejected if isinstance(row, Rejection) else rows).append(row)  # type: ignore[arg-type]  # one of both, by the test
        gone = [row for row in rows if row.operation.kind is Kind.REMOVE]
        present = [row for row in rows if row.operation.kind is not Kind.REMOVE]
        if mode is Mode.INSERT:
            return rejected + self._create(connection, gone, present)
        self._remove(connection, gone)
        if mode in {Mode.APPEND, Mode.REPLACE} and not self._is_unique:
            self._insert(connection, [row.values for row in present])
        elif mode is Mode.APPEND:
            self._upsert(connection, present, overwrite=False)
        elif mode is Mode.UPDATE:
            self._move(connection, present, mode)
            self._update(connection, present)
        else:
            self._move(connection, present, mode)
            self._upsert(connection, present)
        return rejected

    def read(
        self, connection: sa.Connection, matches: Iterable[Mapping[str, Any]]
    ) -> list[dict[str, Any] | None]:
        """Each row by its identity, as columns to values of their logical types; None where it is not."""
        statement = sa.select(self._table).where(self._where())
        types = self._layout.types
        found = (
            connection.execute(statement, self._at(self._identity_of(match))).first() for match in matches
        )
        return [
            None
            if row is None
            else {
                column: from_driver(value, types[column])
                for column, value in zip(self._layout.columns, row, strict=True)
            }
            for row in found
        ]

    # --- Rows

    def _row(self, operation: Operation) -> _Row | Rejection:
        try:
            identity = self._identity_of(operation.match)
            before = None
            if operation.previous_match is not None:
                before = self._identity_of(operation.previous_match)
            values = dict(zip(self._identity, identity, strict=True))
            for column, value in (operation.record or {}).items():
                if column not in self._layout.identity:
                    values[self._keys[column]] = self._to_driver[column](value)
        except UnstorableError as error:
            return Rejection(operation, "unstorable", f"SQLite cannot hold {error}")
        if None in identity:
            nameless = self._layout.identity[identity.index(None)]
            return Rejection(operation, "null_identity", f"{nameless} identifies the row and is null")
        if self._archived:
            values[self._archived] = None
        return _Row(operation, identity, None if before == identity else before, values)

    def _identity_of(self, match: Mapping[str, Any]) -> tuple[Any, ...]:
        return tuple(self._to_driver[column](match[column]) for column in self._layout.identity)

    # --- Statements

    def _where(self, given: Mapping[str, Any] | None = None) -> sa.ColumnElement[bool]:
        """Where the identity is that of the parameters `_at` gives, or of other expressions so named."""
        source = given or {f"w{key}": sa.bindparam(f"w{key}") for key in self._identity}
        return sa.and_(*(self._table.c[key] == source[f"w{key}"] for key in self._identity))

    def _at(self, identity: tuple[Any, ...]) -> _Values:
        return {f"w{key}": value for key, value in zip(self._identity, identity, strict=True)}

    def _insert(self, connection: sa.Connection, rows: Iterable[_Values]) -> None:
        for columns, group in _grouped(rows):
            self._run_insert(connection, sa.insert(self._table), columns, group)

    def _upsert(self, connection: sa.Connection, rows: Iterable[_Row], *, overwrite: bool = True) -> None:
        last = {row.identity: row for row in rows}
        if self._looks_first:
            self._upsert_looking_first(connection, last.values(), overwrite=overwrite)
            return
        for columns, group in _grouped(row.values for row in last.values()):
            written = [key for key in columns if key not in self._identity] if overwrite else []
            self._run_insert(connection, self._upserting(written), columns, group)

    def _run_insert(
        self, connection: sa.Connection, statement: Any, columns: Sequence[str], rows: Sequence[_Values]
    ) -> None:
        if self._engine != "duckdb":
            connection.execute(statement, rows)
            return
        given, lists = _unnested(columns, rows)
        names = [self._table.c[key] for key in columns]
        connection.execute(statement.from_select(names, sa.select(*given.c)), lists)

    def _for_each(
        self,
        connection: sa.Connection,
        rows: Sequence[_Values],
        statement: Callable[[Mapping[str, Any]], sa.Update | sa.Delete],
    ) -> None:
        """Run a statement about each row; it is made of the expressions that stand for the row's values."""
        names = list(rows[0])
        if self._engine == "duckdb":
            given, lists = _unnested(names, rows)
            connection.execute(statement({name: given.c[name] for name in names}), lists)
        else:
            connection.execute(statement({name: sa.bindparam(name) for name in names}), rows)

    def _upserting(self, written: Sequence[str]) -> Any:
        """An INSERT that overwrites the columns of a row that is there, or leaves it where there are none."""
        table = self._table
        if self._engine == "mysql":
            ours = mysql.insert(table)
            # MySQL has no DO NOTHING but INSERT IGNORE, which swallows every other error too.
            kept = {table.c[self._identity[0]].key: table.c[self._identity[0]]}
            return ours.on_duplicate_key_update({key: ours.inserted[key] for key in written} or kept)
        made = sqlite.insert(table) if self._engine == "sqlite" else postgresql.insert(table)
        identity = [table.c[key] for key in self._identity]
        if not written:
            return made.on_conflict_do_nothing(index_elements=identity)
        return made.on_conflict_do_update(
            index_elements=identity, set_={table.c[key]: made.excluded[key] for key in written}
        )

    def _upsert_looking_first(
        self, connection: sa.Connection, rows: Iterable[_Row], *, overwrite: bool
    ) -> None:
        there: list[_Row] = []
        new: list[_Row] = []
        for row in rows:
            (there if self._exists(connection, row.identity) else new).append(row)
        self._update(connection, there if overwrite else [])
        self._insert(connection, [row.values for row in new])

    def _update(self, connection: sa.Connection, rows: Iterable[_Row]) -> None:
        last = {row.identity: row for row in rows}
        changes = [
            {f"v{key}": value for key, value in row.values.items() if key not in self._identity}
            | self._at(row.identity)
            for row in last.values()
        ]
        for names, group in _grouped(changes):
            written = [name[1:] for name in names if name.startswith("v")]

            def changed(given: Mapping[str, Any], written: Sequence[str] = written) -> sa.Update:
                values = {self._table.c[key]: given[f"v{key}"] for key in written}
                return sa.update(self._table).where(self._where(given)).values(values)

            if written:
                self._for_each(connection, group, changed)

    def _remove(self, connection: sa.Connection, rows: Sequence[_Row]) -> None:
        if rows and (self._on_removed != "clear" or self._layout.others):
            self._for_each(connection, [self._at(row.identity) for row in rows], self._removed)

    def _removed(self, given: Mapping[str, Any]) -> sa.Update | sa.Delete:
        if self._on_removed == "delete":
            return sa.delete(self._table).where(self._where(given))
        statement = sa.update(self._table).where(self._where(given))
        if self._archived is None:
            return statement.values({self._table.c[self._keys[name]]: None for name in self._layout.others})
        archived = self._table.c[self._archived]
        now = self._to_driver[archived.name](dt.datetime.now(dt.UTC))
        return statement.where(archived.is_(None)).values({archived: now})

    def _exists(self, connection: sa.Connection, identity: tuple[Any, ...]) -> bool:
        probe = sa.select(sa.literal(1)).select_from(self._table).where(self._where())
        return connection.execute(probe, self._at(identity)).first() is not None

    # --- Modes that look before they write

    def _create(
        self, connection: sa.Connection, gone: Sequence[_Row], rows: Sequence[_Row]
    ) -> list[Rejection]:
        """Insert; a row whose identity is taken is rejected, unless it holds the very same values.

        So a batch that arrived before a crash and is sent again does not refuse its own rows.
        """
        try:
            self._remove(connection, gone)
            self._insert(connection, [row.values for row in rows])
        except sa.exc.IntegrityError:
            connection.rollback()
        else:
            return []
        self._remove(connection, gone)
        rejected, new = [], []
        for row in rows:
            is_same = self._compared(connection, row)
            if is_same is None:
                new.append(row.values)
            elif not is_same:
                rejected.append(
                    Rejection(row.operation, "exists", "a row with this identity is there already")
                )
        self._insert(connection, new)
        return rejected

    def _compared(self, connection: sa.Connection, row: _Row) -> bool | None:
        """Whether the row that is there holds the same values, None where there is none."""
        same = [
            self._table.c[key].is_not_distinct_from(sa.bindparam(f"v{key}"))
            for key in row.values
            if key in self._comparable
        ]
        statement = sa.select(sa.and_(sa.literal_column("1") == sa.literal_column("1"), *same)).where(
            self._where()
        )
        values = {f"v{key}": value for key, value in row.values.items() if key in self._comparable}
        found = connection.execute(statement, values | self._at(row.identity)).first()
        return None if found is None else bool(found[0])

    def _move(self, connection: sa.Connection, rows: Sequence[_Row], mode: Mode) -> None:
        """Give rows whose identity changed their new one, so that columns of others' making stay with them.

        Where the new identity is taken, that row is written over; in a mirror the old one is then removed.
        """
        now = {row.identity for row in rows}
        for row in rows:
            if row.before is None:
                continue
            if self._exists(connection, row.identity):
                if mode is Mode.MIRROR and row.before not in now:
                    self._remove(connection, [_Row(row.operation, row.before, None, {})])
                continue
            renamed = {self._table.c[key]: row.values[key] for key in self._identity}
            statement = sa.update(self._table).where(self._where()).values(renamed)
            connection.execute(statement, self._at(row.before))


def _misleads_mysql(layout: Layout, found: Existing) -> bool:
    """Whether ON DUPLICATE KEY UPDATE must not be used.

    It fires on any unique key, and would write over a row that is somebody else's. And SQLAlchemy, escaping
    names for VALUES(…), does it twice for a percent sign.
    """
    rivals = found.unique - {frozenset(layout.identity)}
    return any(key <= set(layout.columns) for key in rivals) or any("%" in name for name in layout.columns)


def _unnested(names: Sequence[str], rows: Sequence[_Values]) -> tuple[sa.Subquery, dict[str, list[Any]]]:
    """Rows as a subquery over one list a column: DuckDB takes 20 µs a row so, 3 ms for a statement each."""
    lists = [sa.func.unnest(sa.bindparam(f"l{name}")).label(name) for name in names]
    return sa.select(*lists).subquery("given"), {f"l{name}": [row[name] for row in rows] for name in names}


def _grouped(rows: Iterable[_Values]) -> Iterable[tuple[tuple[str, ...], list[_Values]]]:
    """Rows with the same columns together: a field that a row omits is left as it is."""
    groups: defaultdict[tuple[str, ...], list[_Values]] = defaultdict(list)
    for row in rows:
        groups[tuple(sorted(row))].append(row)
    return groups.items()
