"""The file format of a declared connector. Every text that may hold placeholders says which ones."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field

from connectors.destination import Limits
from connectors.strict import Strict

__all__ = [
    "Auth",
    "BasicAuth",
    "BearerAuth",
    "Call",
    "ConnectorFile",
    "FieldFile",
    "HeaderAuth",
    "LimitsFile",
    "NoAuth",
    "ObjectFile",
    "Probe",
    "QueryAuth",
    "RowErrors",
    "Setting",
]

Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,47}$")]
Status = Annotated[int, Field(ge=200, le=599)]
Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
Json = Any
Path = Annotated[str, Field(pattern=r"^/")]


class Setting(Strict):
    """A setting that the connector asks of its user."""

    description: str = Field(min_length=1, description="What it is and where to find it.")
    type: Literal["text", "integer", "number", "boolean"] = Field(
        default="text", description="Type of its value."
    )
    secret: bool = Field(
        default=False, description="Whether it is a credential, to be kept out of every output."
    )
    default: str | int | float | bool | None = Field(
        default=None, description="Value where the user gives none; without it the setting is required."
    )
    choices: list[str] | None = Field(default=None, min_length=1, description="The only texts allowed.")


class BearerAuth(Strict):
    """`Authorization: Bearer …`."""

    type: Literal["bearer"] = Field(description="A token in the Authorization header.")
    token: str = Field(description="The token, as {settings.…}.")


class HeaderAuth(Strict):
    """A key in a header of its own."""

    type: Literal["header"] = Field(description="A key in a header.")
    name: str = Field(pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$", description="The header's name.")
    value: str = Field(description="The header's value, with {settings.…} in it.")


class BasicAuth(Strict):
    """HTTP basic authentication."""

    type: Literal["basic"] = Field(description="User and password in the Authorization header.")
    user: str = Field(description="The user, as {settings.…} or a text.")
    password: str = Field(default="", description="The password, as {settings.…}.")


class QueryAuth(Strict):
    """A key in the address."""

    type: Literal["query"] = Field(description="A key in the address.")
    name: str = Field(description="The query parameter's name.")
    value: str = Field(description="The parameter's value, as {settings.…}.")


class NoAuth(Strict):
    """No credential."""

    type: Literal["none"] = Field(description="No credential.")


Auth = Annotated[BearerAuth | HeaderAuth | BasicAuth | QueryAuth | NoAuth, Discriminator("type")]


class LimitsFile(Strict):
    """The API's documented limits."""

    batch_size: int = Field(default=100, ge=1, le=1_000_000, description="Rows in one request at most.")
    requests_per_second: float | None = Field(default=None, gt=0, description="Requests a second at most.")
    concurrency: int = Field(default=4, ge=1, le=256, description="Requests under way at once.")
    batch_bytes: int | None = Field(default=None, ge=1, description="Bytes in one request's body at most.")

    def limits(self) -> Limits:
        """The same as the engine knows it."""
        return Limits(self.batch_size, self.requests_per_second, self.concurrency, self.batch_bytes)


class RowErrors(Strict):
    """Where an answer says which rows were refused. Paths are dotted names and list positions."""

    path: str = Field(min_length=1, description="Path of the list that holds one item a refused row.")
    by: Literal["index", "id", "position"] = Field(
        default="index",
        description="How an item names its row: by its number from 0, by its identifier, or by standing at "
        "the row's position in a list of all rows.",
    )
    at: str = Field(default="index", description="Path within an item of the row's number or identifier.")
    row_id: str | None = Field(
        default=None, description="What identifies a row, as {match.…}; compared with `at` where `by` is id."
    )
    only: dict[str, Json] = Field(
        default_factory=dict,
        description="Path within an item: value. Only items in which all are so are refusals; the list may "
        "then hold successes too.",
    )
    code: str = Field(default="code", description="Path within an item of the error's code.")
    message: str = Field(default="message", description="Path within an item of the error's words.")
    retryable_codes: list[str] = Field(
        default_factory=list, description="Codes of errors that may pass by themselves, such as a lock."
    )
    statuses: list[Status] = Field(
        default_factory=list, description="Statuses beside 2xx whose body tells refused rows, such as 422."
    )


class Probe(Strict):
    """A request that changes nothing and proves the credential."""

    method: Method = Field(default="GET", description="HTTP method.")
    path: Path = Field(description="Path below the base URL; may hold {settings.…}.")
    query: dict[str, str] = Field(
        default_factory=dict, description="Query parameters; may hold {settings.…}."
    )
    headers: dict[str, str] = Field(default_factory=dict, description="Headers; may hold {settings.…}.")
    body: Json = Field(default=None, description="JSON body; may hold {settings.…}.")
    statuses: list[Status] | None = Field(
        default=None, description="Statuses of success; any 2xx if not given."
    )
    accepted_when: dict[str, Json] = Field(
        default_factory=dict,
        description="Path in the answer: value it has on success, for APIs that answer 200 to everything.",
    )


class Call(Probe):
    """A request that writes: one row, or many where `row` is given."""

    method: Method = Field(default="POST", description="HTTP method.")
    path: Path = Field(
        description="Path below the base URL; may hold {settings.…}, {object}, and in calls for one row "
        "{match.…}, {key.…}, {record.…}, {previous.…}, percent-encoded."
    )
    row: Json = Field(
        default=None,
        description="JSON of one row in a request for many, with {record}, {match.…}, {key.…}, {previous.…}, "
        "{operation} in it. Without it each request is about one row.",
    )
    body: Json = Field(
        default=None,
        description="JSON body. In a call for many, {rows} stands for the list of rows (the whole body if "
        "not given); in a call for one, the row's placeholders may be used.",
    )
    missing_ok: list[Status] = Field(
        default_factory=list, description="Statuses that mean there was nothing to remove, such as 404."
    )
    errors: RowErrors | None = Field(default=None, description="Where answers tell refused rows.")


class FieldFile(Strict):
    """A field of an object."""

    type: str = Field(default="text", description="Its type, in the API's words.")
    required: bool = Field(default=False, description="Whether the API refuses rows without it.")
    description: str = Field(default="", description="What it holds.")


class ObjectFile(Strict):
    """One kind of thing that the API takes, and the calls for it."""

    description: str = Field(default="", description="What it is.")
    fields: dict[str, FieldFile] = Field(
        default_factory=dict, description="Its fields, for people and editors."
    )
    add: Call | None = Field(
        default=None, description="Writes rows that are new: modes upsert, mirror, insert and append."
    )
    change: Call | None = Field(
        default=None,
        description="Writes rows that changed, and the rows of mode update; as `add` where not given, "
        "without mode update.",
    )
    remove: Call | None = Field(default=None, description="Deletes rows: mode mirror with on_removed delete.")
    archive: Call | None = Field(default=None, description="Archives rows: mode mirror, on_removed archive.")
    clear: Call | None = Field(default=None, description="Empties rows: mode mirror, on_removed clear.")


class ConnectorFile(Strict):
    """A connector for an HTTP API that takes and gives JSON."""

    description: str = Field(min_length=1, description="What it writes to, in one line.")
    settings: dict[Name, Setting] = Field(
        default_factory=dict,
        description="What the user sets, beside base_url, headers, timeout_seconds and limits that all have.",
    )
    base_url: str | None = Field(
        default=None, description="Where the API is; may hold {settings.…}. Without it the user must say."
    )
    auth: Auth = Field(
        default_factory=lambda: NoAuth(type="none"), description="How requests prove who sends them."
    )
    headers: dict[str, str] = Field(
        default_factory=dict, description="Headers of every request; may hold {settings.…}."
    )
    limits: LimitsFile = Field(default_factory=LimitsFile, description="The API's documented limits.")
    idempotency_header: str | None = Field(
        default=None,
        pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$",
        description="Header that carries a key, the same when the same rows are sent again.",
    )
    repeats_are_harmless: bool = Field(
        default=True, description="Whether sending rows a second time leaves the same as sending them once."
    )
    forbidden_is_unauthorized: bool = Field(
        default=True,
        description="Whether 403 is about the credential and ends the run; else it refuses rows.",
    )
    check: Probe | None = Field(
        default=None, description="Proves the credential; without it only the connection is tried."
    )
    objects: dict[Name, ObjectFile] = Field(min_length=1, description="What rows can be written as.")
