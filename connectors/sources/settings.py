"""What a file under `sources/` may say, one class per type of source.

Texts may still hold `${env:NAME}` or `${file:/path}` where nobody has resolved them yet.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Discriminator, Field, SecretStr, StringConstraints, Tag, model_validator

from connectors.strict import MAPPING, TEXT, Names, Strict, text_or_mapping

__all__ = [
    "ApiIncremental",
    "ApiKeyAuth",
    "BasicAuth",
    "BearerAuth",
    "ContractParts",
    "CursorPagination",
    "FilePattern",
    "FilesystemSettings",
    "LinkPagination",
    "NoPagination",
    "OffsetPagination",
    "PagePagination",
    "Resource",
    "RestApiSettings",
    "SourceSettings",
    "SqlDatabaseSettings",
    "SqlIncremental",
    "Table",
    "TableSettings",
]

Identifier = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,62}$")]
"""A name of a schema or table that headrace makes."""

Text = Annotated[str, StringConstraints(min_length=1, max_length=10_000)]
Disposition = Literal["append", "replace", "merge"]
Scalar = str | int | float | bool
ColumnType = Literal[
    "boolean",
    "integer",
    "decimal",
    "float",
    "text",
    "date",
    "timestamp",
    "timestamptz",
    "time",
    "binary",
    "json",
]


class ContractParts(Strict):
    """What happens to what was not there before, part by part."""

    tables: Literal["evolve", "freeze", "discard"] = Field(
        default="evolve", description="A new table: make it, fail, or leave it out."
    )
    columns: Literal["evolve", "freeze", "discard"] = Field(
        default="evolve", description="A new column: add it, fail, or keep the row back as rejected."
    )
    data_type: Literal["evolve", "freeze", "discard"] = Field(
        default="evolve",
        description="A value of another type than its column's: add a column, fail, or keep the row back.",
    )


SchemaContract = Annotated[
    Annotated[Literal["evolve", "freeze", "discard"], Tag(TEXT)] | Annotated[ContractParts, Tag(MAPPING)],
    Discriminator(text_or_mapping),
]


class SourceSettings(Strict):
    """What every source says, whatever its type."""

    dataset: Identifier | None = Field(
        default=None,
        description="Schema of the warehouse that receives the tables; the source's name by default.",
    )
    schema_contract: SchemaContract = Field(
        default="evolve",
        description="What happens when the source brings new tables, columns or types: evolve, freeze or "
        "discard, for all or for each of tables, columns, data_type.",
    )

    @property
    def contract(self) -> ContractParts:
        """The schema contract, part by part."""
        if isinstance(self.schema_contract, ContractParts):
            return self.schema_contract
        word = self.schema_contract
        return ContractParts(tables=word, columns=word, data_type=word)


class TableSettings(Strict):
    """How a table of the warehouse is written, whatever it is read from."""

    primary_key: Names | None = Field(
        default=None,
        description="Columns that identify a row; needed to merge. A single name may stand alone.",
    )
    write_disposition: Disposition | None = Field(
        default=None,
        description="append, replace or merge. By default merge where there is a primary key, else append "
        "where only new rows are read, else replace.",
    )
    types: dict[Text, ColumnType] = Field(
        default_factory=dict,
        description="Types of columns by the source's names, where what is found in the rows will not do.",
    )

    @model_validator(mode="after")
    def _merge_needs_a_key(self) -> Self:
        if self.write_disposition == "merge" and not self.primary_key:
            raise ValueError("write_disposition: merge needs a primary_key")
        return self

    @property
    def reads_only_new(self) -> bool:
        """Whether a run reads only what is new since the last one."""
        return getattr(self, "incremental", None) is not None

    @property
    def disposition(self) -> Disposition:
        """How rows are written, the default worked out."""
        if self.write_disposition is not None:
            return self.write_disposition
        if self.primary_key:
            return "merge"
        return "append" if self.reads_only_new else "replace"


class SqlIncremental(Strict):
    """Which rows of a table are new."""

    cursor: Text = Field(
        description="Column that grows with every new or changed row, such as updated_at or id."
    )
    initial: Scalar | None = Field(default=None, description="Read only rows from this value on, at first.")


class Table(TableSettings):
    """One table of a database."""

    incremental: SqlIncremental | None = Field(
        default=None, description="Read only rows whose cursor has grown; the whole table by default."
    )
    columns: tuple[Text, ...] | None = Field(
        default=None, description="Read only these columns; all by default."
    )


class SqlDatabaseSettings(SourceSettings):
    """Tables of any database that SQLAlchemy reaches."""

    type: Literal["sql_database"] = Field(description="Tables of a database.")
    url: SecretStr = Field(
        description="SQLAlchemy URL, such as postgresql://reader:${env:SHOP_PASSWORD}@db/shop."
    )
    schema_: Text | None = Field(
        default=None,
        alias="schema",
        description="Schema to read from; the database's default where left out.",
    )
    tables: dict[Text, Table | None] = Field(
        min_length=1, description="Tables to read, by name, each with its settings (or none)."
    )

    def table(self, name: str) -> Table:
        """A table's settings, defaults where the file gives none."""
        return self.tables[name] or Table()


class FilePattern(TableSettings):
    """Files that make up one table. Files that were read before are not read again."""

    glob: Text = Field(description="Which files, relative to path, such as events/*.jsonl or **/*.parquet.")
    format: Literal["csv", "jsonl", "parquet"] = Field(description="How the files are written.")

    @property
    def reads_only_new(self) -> bool:
        """Only new or changed files are read, except where the whole table is replaced."""
        return self.write_disposition != "replace"


class FilesystemSettings(SourceSettings):
    """Files in a folder, on this machine or in a bucket."""

    type: Literal["filesystem"] = Field(description="Files in a folder or bucket.")
    path: Text = Field(
        description="Folder (relative to the project) or bucket URL, such as data/events or s3://bucket/events."
    )
    files: dict[Identifier, FilePattern] = Field(min_length=1, description="Table name to its files.")


class BearerAuth(Strict):
    """A token in the Authorization header."""

    type: Literal["bearer"] = Field(description="Authorization: Bearer TOKEN.")
    token: SecretStr = Field(description="The token.")


class ApiKeyAuth(Strict):
    """A key in a header or a query parameter."""

    type: Literal["api_key"] = Field(description="A key in a header or query parameter.")
    name: Text = Field(default="X-API-Key", description="Name of the header or parameter.")
    value: SecretStr = Field(description="The key.")
    location: Literal["header", "query"] = Field(default="header", description="Where the key is sent.")


class BasicAuth(Strict):
    """User and password."""

    type: Literal["basic"] = Field(description="HTTP basic authentication.")
    username: Text = Field(description="User name.")
    password: SecretStr = Field(description="Password.")


Auth = Annotated[BearerAuth | ApiKeyAuth | BasicAuth, Discriminator("type")]


class NoPagination(Strict):
    """Everything comes in one answer."""

    type: Literal["none"] = Field(description="Everything comes in one answer.")


class PagePagination(Strict):
    """Numbered pages, until an empty one."""

    type: Literal["page"] = Field(description="Numbered pages, until an empty one.")
    param: Text = Field(default="page", description="Query parameter that takes the page's number.")
    first: int = Field(default=1, ge=0, description="Number of the first page.")
    size_param: Text | None = Field(default=None, description="Query parameter that takes the page's size.")
    size: int = Field(default=100, ge=1, le=100_000, description="Rows in a page.")


class OffsetPagination(Strict):
    """Offset and limit, until an empty answer."""

    type: Literal["offset"] = Field(description="Offset and limit, until an empty answer.")
    param: Text = Field(default="offset", description="Query parameter that takes the offset.")
    limit_param: Text = Field(default="limit", description="Query parameter that takes the limit.")
    limit: int = Field(default=100, ge=1, le=100_000, description="Rows in one answer.")


class CursorPagination(Strict):
    """Each answer holds the cursor of the next one."""

    type: Literal["cursor"] = Field(description="Each answer holds the cursor of the next.")
    param: Text = Field(default="cursor", description="Query parameter that takes the cursor.")
    cursor_path: Text = Field(
        description="Where the next cursor stands in the answer, such as meta.next_cursor."
    )


class LinkPagination(Strict):
    """Each answer names the URL of the next one."""

    type: Literal["link"] = Field(description="Each answer names the URL of the next.")
    next_path: Text | None = Field(
        default=None, description="Where the URL stands in the answer; the Link header where left out."
    )


Pagination = Annotated[
    NoPagination | PagePagination | OffsetPagination | CursorPagination | LinkPagination,
    Discriminator("type"),
]


class ApiIncremental(Strict):
    """Which records of a resource are new."""

    cursor: Text = Field(description="Field of a record that grows, such as updated_at; a dot nests.")
    param: Text = Field(description="Query parameter that takes the last value seen.")
    initial: Scalar | None = Field(default=None, description="Value of the parameter at first.")


class Resource(TableSettings):
    """One endpoint, which becomes one table."""

    path: Text = Field(description="Path below base_url.")
    params: dict[Text, Scalar] = Field(
        default_factory=dict, description="Query parameters sent with every request."
    )
    data_path: Text | None = Field(
        default=None, description="Where the list of records stands in the answer, such as data.items."
    )
    pagination: Pagination | None = Field(
        default=None, description="How to get the next page; one answer by default."
    )
    incremental: ApiIncremental | None = Field(
        default=None, description="Ask only for records whose cursor has grown; all by default."
    )


class RestApiSettings(SourceSettings):
    """Records of a JSON API."""

    type: Literal["rest_api"] = Field(description="Records of a JSON API.")
    base_url: Text = Field(description="URL that every path is below, with https:// or http://.")
    auth: Auth | None = Field(default=None, description="How requests are authenticated.")
    headers: dict[Text, SecretStr] = Field(
        default_factory=dict, description="Headers sent with every request."
    )
    resources: dict[Identifier, Resource] = Field(min_length=1, description="Table name to its endpoint.")
