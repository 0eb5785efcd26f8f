"""Tables of a database as dlt resources, read in Arrow batches."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rapidfuzz.process import extractOne

from connectors.errors import ConfigError, SourceError
from connectors.redaction import redactor
from connectors.sources.settings import SqlDatabaseSettings, Table

if TYPE_CHECKING:
    import sqlalchemy as sa
    from dlt.extract import DltResource

__all__ = ["Database", "opened"]

_ROWS = 50_000
_DRIVERS = {"mysql": "mysql+pymysql", "mariadb": "mariadb+pymysql"}
_IN_A_FILE = ("sqlite", "duckdb")
_EXTRAS = {"psycopg2": "postgres", "psycopg": "postgres", "pymysql": "mysql"}
_NEAR = 60


class Database:
    """A source's database, connected."""

    def __init__(self, engine: sa.Engine, schema: str | None) -> None:
        self._engine = engine
        self._schema = schema

    def resource(self, name: str, table: Table) -> DltResource:
        """A table as a dlt resource that yields Arrow tables.

        Raises:
            SourceError: the database has no such table or column.
        """
        from dlt.sources.sql_database import sql_table

        reflected = self._reflected(name)
        self._need_columns(name, table, {column.name for column in reflected.columns})
        resource = sql_table(
            self._engine,
            table=name,
            metadata=reflected.metadata,
            backend="pyarrow",
            chunk_size=_ROWS,
            reflection_level="full_with_precision",
            table_adapter_callback=partial(
                _widened, as_text={n for n, kind in table.types.items() if kind == "text"}
            ),
            included_columns=list(table.columns) if table.columns else None,
            incremental=_incremental(table, reflected),
            write_disposition=table.disposition,
        )
        resource.apply_hints(primary_key=list(table.primary_key or ()))
        return resource

    def _reflected(self, name: str) -> sa.Table:
        import sqlalchemy as sa

        try:
            return sa.Table(
                name, sa.MetaData(schema=self._schema), autoload_with=self._engine, resolve_fks=False
            )
        except sa.exc.NoSuchTableError as error:
            known = sa.inspect(self._engine)
            names = [*known.get_table_names(self._schema), *known.get_view_names(self._schema)]
            raise SourceError(f"the database has no table {name!r}{_nearest(name, names)}") from error

    def _need_columns(self, name: str, table: Table, there: set[str]) -> None:
        cursor = (table.incremental.cursor,) if table.incremental else ()
        for column in dict.fromkeys((*cursor, *(table.primary_key or ()), *(table.columns or ()))):
            if column not in there:
                raise SourceError(f"table {name!r} has no column {column!r}{_nearest(column, sorted(there))}")
            if table.columns and column not in table.columns:
                raise SourceError(
                    f"{name}: column {column!r} is needed, and columns leaves it out. Add it there."
                )


def _nearest(name: str, names: list[str]) -> str:
    found = extractOne(name, names, score_cutoff=_NEAR)
    if found is not None:
        return f"; did you mean {found[0]!r}?"
    return f". There are: {', '.join(map(repr, sorted(names)[:20])) or 'none'}."


def _widened(table: sa.Table, as_text: set[str]) -> None:
    """Types without the limits of today: the source may widen a column later, and may allow nulls."""
    import sqlalchemy as sa

    for column in table.columns:
        column.nullable = None
        if column.name in as_text:
            column.type = _anything_as_text()
        elif isinstance(column.type, sa.String):
            column.type = sa.Text()
        elif isinstance(column.type, sa.Integer):
            column.type = sa.BigInteger()
        elif isinstance(column.type, sa.LargeBinary):
            column.type = sa.LargeBinary()


def _anything_as_text() -> Any:
    """A column type that takes whatever the driver gives: SQLite holds any value in any column."""
    import sqlalchemy as sa

    class AsText(sa.types.TypeDecorator[str]):
        impl = sa.Text
        cache_ok = True

        def process_result_value(self, value: Any, dialect: sa.Dialect) -> str | None:  # noqa: ARG002 SQLAlchemy's signature
            return None if value is None else str(value)

    return AsText()


def _incremental(table: Table, reflected: sa.Table) -> Any:
    """Rows from the watermark on, those that were read with it left out.

    A row at the watermark is known again by its primary key where rows are appended, by all of its values
    where they are merged: so a second change within the same instant is not taken for the first.
    """
    from dlt.sources import incremental

    if table.incremental is None:
        return None
    merged = table.disposition == "merge"
    columns = table.columns or [column.name for column in reflected.columns]
    return incremental(
        table.incremental.cursor,
        initial_value=_initial(table.incremental.initial, reflected.columns[table.incremental.cursor]),
        primary_key=tuple(columns) if merged or not table.primary_key else table.primary_key,
        on_cursor_value_missing="include" if merged else "raise",
    )


def _initial(value: Any, column: sa.Column[Any]) -> Any:
    """A text as the date or time that its column holds."""
    import sqlalchemy as sa

    if not isinstance(value, str):
        return value
    try:
        if isinstance(column.type, sa.DateTime):
            return dt.datetime.fromisoformat(value)
        return dt.date.fromisoformat(value) if isinstance(column.type, sa.Date) else value
    except ValueError as error:
        raise SourceError(f"initial {value!r} is no date or time; write it like 2024-01-31.") from error


def _engine(settings: SqlDatabaseSettings, project: Path) -> sa.Engine:
    import sqlalchemy as sa

    secret = settings.url.get_secret_value()
    redactor.register(secret)
    try:
        url = sa.make_url(secret)
        url = url.set(drivername=_DRIVERS.get(url.drivername, url.drivername))
        if url.get_backend_name() in _IN_A_FILE and url.database and url.database != ":memory:":
            url = url.set(database=str(project / url.database))
        return sa.create_engine(url, poolclass=sa.pool.NullPool)
    except sa.exc.NoSuchModuleError as error:
        raise ConfigError(f"url: SQLAlchemy has no dialect of that name installed ({error})") from error
    except sa.exc.ArgumentError as error:
        raise ConfigError(
            "url: this is no SQLAlchemy URL; write it like postgresql://user@host/db"
        ) from error
    except ModuleNotFoundError as error:
        package = str(error.name).lower()
        extra = f"'headrace[{_EXTRAS[package]}]'" if package in _EXTRAS else package
        raise ConfigError(f"url: the driver {package} is not installed: pip install {extra}") from error


@contextmanager
def opened(settings: SqlDatabaseSettings, project: Path) -> Iterator[Database]:
    """The database of a source, for as long as it is read. A relative file is below the project's folder.

    Raises:
        ConfigError: the URL is none, or its driver is not installed.
        SourceError: the database does not answer or refuses us.
    """
    import sqlalchemy as sa

    engine = _engine(settings, project)
    try:
        engine.connect().close()
    except sa.exc.SQLAlchemyError as error:
        reason = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        raise SourceError(f"the database cannot be reached: {redactor.redact(reason)}") from error
    try:
        yield Database(engine, settings.schema_)
    finally:
        engine.dispose()
