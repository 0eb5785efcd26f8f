"""The SQL destination: a batch is one transaction, refused or accepted whole.

Columns are the record's fields and the identity: `match_on`, or the primary key where a sync names none. A
nested field is one column that holds JSON. How the modes read here:

- upsert, mirror: written over by the engine's own upsert. Where a row's identity changed, the table's row
  gets the new one. A removal deletes the row, clears the other columns or sets `archived_column`.
- insert: a row that is there already is rejected with the code `exists`, unless it holds the same values.
- update: a row that is not there is nothing to do, and accepted.
- append: each row once where the table's identity is unique, as in a table made here; else at least once.
- replace: a second table gathers the set; one transaction then empties the table and fills it from there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import ConfigDict, Field, SecretStr, ValidationInfo, field_validator

from connectors.destination import Destination, DestinationSettings, FieldInfo, Limits, ObjectInfo
from connectors.errors import BatchRefused, ConfigError
from connectors.operation import Mode, Operation, Rejection

if TYPE_CHECKING:
    import sqlalchemy as sa

    from connectors.destinations.sql.table import Existing, Layout
    from connectors.destinations.sql.write import Writer

__all__ = ["Sql", "SqlSettings"]

_NEEDS_UNIQUE = frozenset({Mode.UPSERT, Mode.MIRROR, Mode.INSERT})


class SqlSettings(DestinationSettings):
    """Where the table is, and what may be done to it."""

    model_config = ConfigDict(hide_input_in_errors=True)

    url: SecretStr = Field(
        description="Database URL: postgresql://, mysql://, mariadb://, sqlite:/// or duckdb:///; "
        "a relative file is taken from the project folder."
    )
    schema_name: str | None = Field(
        default=None,
        alias="schema",
        min_length=1,
        description="The table's schema (in MySQL: database); the connection's own where it is not set.",
    )
    table: str | None = Field(
        default=None, min_length=1, description="The table, for syncs that do not name one as their `object`."
    )
    create: bool = Field(
        default=False, description="Create the table where it is missing, and columns that it lacks."
    )
    archived_column: str = Field(
        default="archived_at",
        min_length=1,
        description="Set to the time of removal by a sync with `on_removed: archive`.",
    )
    timeout_seconds: float = Field(
        default=60.0, gt=0, le=3600, description="How long to wait for a connection, a lock or a statement."
    )

    @field_validator("url")
    @classmethod
    def _known_engine(cls, url: SecretStr, info: ValidationInfo) -> SecretStr:
        from connectors.destinations.sql.address import parsed

        root = (info.context or {}).get("project_root")
        made = parsed(url.get_secret_value(), Path(root) if root else None)
        return SecretStr(made.render_as_string(hide_password=False))

    @property
    def is_embedded(self) -> bool:
        """Whether the database is a file of one writer."""
        return self.url.get_secret_value().startswith(("sqlite", "duckdb"))


class Sql(Destination):
    """Writes rows into a table."""

    Settings: ClassVar[type[DestinationSettings]] = SqlSettings
    limits = Limits(batch_size=1000, concurrency=4)
    modes = frozenset(Mode)
    removals = frozenset({"delete", "clear", "archive"})

    settings: SqlSettings

    @classmethod
    def limits_for(cls, settings: SqlSettings) -> Limits:
        """As set, but one batch at a time into a database that takes one writer."""
        limits = settings.limits.over(cls.limits)
        return Limits(limits.batch_size, limits.requests_per_second, 1) if settings.is_embedded else limits

    async def start(self) -> None:
        """Create what is missing where `create` is set, and look at the table.

        Raises:
            ConfigError: the table, a column or the uniqueness of the identity is missing.
        """
        self._writer = await asyncio.to_thread(self._prepare)

    async def check(self) -> None:
        """Log in and see whether the table is as the sync needs it; with `create`, what exists of it.

        Raises:
            ConfigError: the table, a column or the uniqueness of the identity is missing.
        """
        await asyncio.to_thread(self._inspect)

    async def write(self, batch: Sequence[Operation]) -> list[Rejection]:
        """Write the rows in one transaction."""
        return await asyncio.to_thread(self._write, batch)

    async def read(self, operations: Sequence[Operation]) -> list[Mapping[str, Any] | None]:
        """The sync's columns of each row that the table holds; an archived row counts as none."""
        return await asyncio.to_thread(self._read, operations)

    async def discover(self) -> list[ObjectInfo]:
        """The schema's tables with their columns."""
        return await asyncio.to_thread(self._discover)

    async def begin_replace(self) -> None:
        """Create the table in which the new set is gathered, empty."""
        await asyncio.to_thread(self._begin_replace)

    async def finish_replace(self) -> None:
        """Put the new set in the old one's place, in one transaction."""
        await asyncio.to_thread(self._finish_replace)

    async def close(self) -> None:
        """Close all connections."""
        if hasattr(self, "_engine"):
            await asyncio.to_thread(self._engine.dispose)
            # Gone: a disposed engine would open new connections in silence.
            del self._engine
        if hasattr(self, "_writer"):
            del self._writer

    # --- In a thread

    def _open(self) -> sa.Engine:
        if not hasattr(self, "_engine"):
            import sqlalchemy as sa

            from connectors.destinations.sql.address import open_engine
            from connectors.redaction import redactor

            url = sa.make_url(self.settings.url.get_secret_value())
            if url.password is not None:
                redactor.register(url.password)
            self._engine = open_engine(
                url,
                connections=self.limits_for(self.settings).concurrency,
                timeout_seconds=self.settings.timeout_seconds,
            )
        return self._engine

    @contextmanager
    def _transaction(self) -> Iterator[sa.Connection]:
        """A connection whose work is committed at the end, and whose errors are told in our terms."""
        import sqlalchemy as sa

        from connectors.destinations.sql.address import engine_of
        from connectors.destinations.sql.failures import failure

        engine = self._open()
        committing = False
        try:
            with engine.connect() as connection:
                yield connection
                committing = True
                connection.commit()
        except sa.exc.DBAPIError as error:
            # `from None`: the driver's words may hold the rows' values.
            raise failure(error, engine_of(engine.dialect), committing=committing) from None
        except (UnicodeEncodeError, OverflowError):
            raise BatchRefused("a value that the database's driver cannot encode", "unencodable") from None

    def _layout(self) -> Layout:
        from connectors.destinations.sql.table import Layout

        target = self.target
        identity = target.match_on or target.primary_key
        others = list(dict.fromkeys(field.partition(".")[0] for field in target.fields))
        types = {name: target.types.get(name, "text") for name in (*identity, *others)}
        types |= {field.partition(".")[0]: "json" for field in target.fields if "." in field}
        if self._archives:
            others.append(self.settings.archived_column)
            types[self.settings.archived_column] = "timestamptz"
        return Layout(
            self._table_name(),
            self.settings.schema_name,
            identity,
            tuple(name for name in dict.fromkeys(others) if name not in identity),
            types,
        )

    @property
    def _archives(self) -> bool:
        return self.target.mode is Mode.MIRROR and self.target.on_removed == "archive"

    def _table_name(self) -> str:
        name = (self._target.object if self._target else None) or self.settings.table
        if name is None:
            raise ConfigError("no table: set `table` in the destination, or `object` in the sync")
        return name

    def _inspect(self) -> None:
        from connectors.destinations.sql.table import existing

        with self._transaction() as connection:
            connection.exec_driver_sql("SELECT 1")
            if self._target is None:
                name = self.settings.table
                if (
                    name
                    and not self.settings.create
                    and not existing(connection, name, self.settings.schema_name)
                ):
                    raise _no_table(name)
                return
            layout = self._layout()
            found = existing(connection, layout.name, layout.schema)
            if found is None and not self.settings.create:
                raise _no_table(layout.label)
            if found is not None:
                self._verify(layout, found, may_lack=self.settings.create)

    def _prepare(self) -> Writer:
        from connectors.destinations.sql.table import add_columns, create, existing

        layout = self._layout()
        with self._transaction() as connection:
            found = existing(connection, layout.name, layout.schema)
            if self.settings.create and found is None:
                create(connection, layout)
            elif self.settings.create and found is not None:
                add_columns(connection, layout, _lacking(layout, found))
        with self._transaction() as connection:
            found = existing(connection, layout.name, layout.schema)
        if found is None:
            raise _no_table(layout.label)
        self._verify(layout, found, may_lack=False)
        self._found = found
        return self._writer_into(layout, found)

    def _writer_into(self, layout: Layout, found: Existing, table: str | None = None) -> Writer:
        from connectors.destinations.sql.write import Writer

        return Writer(
            layout,
            found,
            self._open().dialect,
            on_removed=self.target.on_removed,
            archived_column=self.settings.archived_column if self._archives else None,
            table=table,
        )

    def _verify(self, layout: Layout, found: Existing, *, may_lack: bool) -> None:
        lacking = [] if may_lack else _lacking(layout, found)
        if lacking:
            raise ConfigError(
                f"table {layout.label} has no column {', '.join(lacking)}: add it, or set `create: true`"
            )
        if self.target.mode in _NEEDS_UNIQUE and frozenset(layout.identity) not in found.unique:
            columns = ", ".join(layout.identity)
            raise ConfigError(
                f"table {layout.label} does not hold ({columns}) unique, and mode {self.target.mode.value} "
                f"finds rows by it: add a unique constraint over them, or match on columns that have one"
            )

    def _write(self, batch: Sequence[Operation]) -> list[Rejection]:
        writer = self._writer
        with self._transaction() as connection:
            return writer.write(connection, batch, self.target.mode)

    def _read(self, operations: Sequence[Operation]) -> list[Mapping[str, Any] | None]:
        writer = self._writer
        with self._transaction() as connection:
            rows = writer.read(connection, [operation.match for operation in operations])
        if not self._archives:
            return list(rows)
        archived = self.settings.archived_column
        return [None if row is None or row.pop(archived) is not None else row for row in rows]

    def _discover(self) -> list[ObjectInfo]:
        from connectors.destinations.sql.table import describe

        with self._transaction() as connection:
            return [
                ObjectInfo(name, fields=tuple(FieldInfo(*column) for column in columns))
                for name, columns in describe(connection, self.settings.schema_name)
            ]

    def _begin_replace(self) -> None:
        from connectors.destinations.sql.replace import begin

        layout = self._layout()
        with self._transaction() as connection:
            name = begin(connection, layout, self._found)
        self._writer = self._writer_into(layout, self._found, name)

    def _finish_replace(self) -> None:
        from connectors.destinations.sql.replace import discard, swap

        layout = self._layout()
        with self._transaction() as connection:
            swap(connection, layout)
        with self._transaction() as connection:
            discard(connection, layout)


def _lacking(layout: Layout, found: Existing) -> list[str]:
    return [name for name in layout.columns if name not in found.columns]


def _no_table(label: str) -> ConfigError:
    hint = "; a schema is named in the destination's `schema`" if "." in label else ""
    return ConfigError(f"there is no table {label}: create it, or set `create: true`{hint}")
