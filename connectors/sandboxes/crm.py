"""A small CRM: contacts with an id and properties, written a hundred at a time."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson
from aiohttp import web

from connectors.sandboxes.breakage import refusal

__all__ = ["MAX_BODY_BYTES", "MAX_ROWS", "Contact", "Crm"]

MAX_ROWS = 100
MAX_BODY_BYTES = 1_048_576
_LONGEST_ID = 128
_MAIL = re.compile(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)+")


@dataclass(slots=True)
class Contact:
    """A contact as it stands. An archived one is kept, and comes back when it is written again."""

    properties: dict[str, Any]
    archived: bool = False


class _Refused(Exception):
    """What is wrong with a request or with one row of it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


class Crm:
    """The contacts, and the calls that read and write them.

    `GET /v1/me` · `GET /v1/contacts/{id}` · `POST /v1/contacts/batch/upsert` ·
    `POST /v1/contacts/batch/archive`. A batch is `{"inputs": [{"id", "properties"}, …]}`; the answer lists
    `results` and, with status 207, `errors` of rows that were refused, each with its `index`.
    """

    def __init__(self) -> None:
        self.contacts: dict[str, Contact] = {}
        self.rows: Counter[str] = Counter()

    def routes(self) -> list[web.RouteDef]:
        """The calls of the API."""
        return [
            web.get("/v1/me", self._me),
            web.get("/v1/contacts/{id}", self._contact),
            web.post("/v1/contacts/batch/upsert", self._upsert),
            web.post("/v1/contacts/batch/archive", self._archive),
        ]

    def counts(self) -> dict[str, int]:
        """How many contacts there are, and what happened to rows so far."""
        archived = sum(contact.archived for contact in self.contacts.values())
        return {
            "contacts": len(self.contacts) - archived,
            "archived_contacts": archived,
            **{
                f"rows_{what}": self.rows[what]
                for what in ("created", "updated", "archived", "absent", "rejected")
            },
        }

    async def _me(self, _request: web.Request) -> web.Response:
        return web.json_response({"account": "Sandbox CRM", "limits": {"rows_per_request": MAX_ROWS}})

    async def _contact(self, request: web.Request) -> web.Response:
        name = request.match_info["id"]
        contact = self.contacts.get(name)
        if contact is None:
            return refusal(404, "not_found", "there is no contact with this id")
        return web.json_response({"id": name, "archived": contact.archived, "properties": contact.properties})

    async def _upsert(self, request: web.Request) -> web.Response:
        return await self._batch(request, self._upsert_row)

    async def _archive(self, request: web.Request) -> web.Response:
        return await self._batch(request, self._archive_row)

    async def _batch(self, request: web.Request, write: Callable[[str, dict[str, Any]], str]) -> web.Response:
        """Write row by row: what is wrong with one row costs that row alone."""
        try:
            inputs = _inputs(await request.read())
        except _Refused as error:
            return refusal(400, error.code, error.message)
        results: list[dict[str, Any]] = []
        errors: list[dict[str, Any]] = []
        seen: set[str] = set()
        for index, row in enumerate(inputs):
            try:
                name = _row_id(row, seen)
                results.append({"index": index, "id": name, "status": write(name, row)})
            except _Refused as error:
                errors.append({"index": index, "code": error.code, "message": error.message})
        self.rows.update(result["status"] for result in results)
        self.rows["rejected"] += len(errors)
        if errors:
            return web.json_response({"results": results, "errors": errors}, status=207)
        return web.json_response({"results": results})

    def _upsert_row(self, name: str, row: dict[str, Any]) -> str:
        """Set the properties that are given; null empties one, and what is not named stays."""
        properties = row.get("properties")
        if not isinstance(properties, dict):
            raise _Refused("missing_properties", "'properties' must be an object")
        mail = properties.get("email")
        if mail is not None and not (isinstance(mail, str) and _MAIL.fullmatch(mail)):
            raise _Refused("invalid_email", "'email' is no e-mail address")
        known = self.contacts.get(name)
        contact = self.contacts.setdefault(name, Contact({}))
        contact.archived = False
        contact.properties.update(properties)
        for empty in [key for key, value in contact.properties.items() if value is None]:
            del contact.properties[empty]
        return "created" if known is None else "updated"

    def _archive_row(self, name: str, _row: dict[str, Any]) -> str:
        contact = self.contacts.get(name)
        if contact is None or contact.archived:
            return "absent"
        contact.archived = True
        return "archived"


def _inputs(body: bytes) -> list[Any]:
    """The rows of a request's body."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise _Refused("invalid_json", "the body is no JSON") from None
    inputs = document.get("inputs") if isinstance(document, dict) else None
    if not isinstance(inputs, list) or not inputs:
        raise _Refused("missing_inputs", "'inputs' must be a list with at least one row")
    if len(inputs) > MAX_ROWS:
        raise _Refused("too_many_rows", f"{len(inputs)} rows; a request takes {MAX_ROWS} at most")
    return inputs


def _row_id(row: Any, seen: set[str]) -> str:
    """A row's id, which no other row of the request has."""
    name = row.get("id") if isinstance(row, dict) else None
    if not isinstance(name, str) or not 0 < len(name) <= _LONGEST_ID:
        raise _Refused("invalid_id", f"'id' must be a text of 1 to {_LONGEST_ID} characters")
    if name in seen:
        raise _Refused("duplicate_id", "this request holds the same id before")
    seen.add(name)
    return name
