"""A connector declared in YAML is a connector like any other: the suite holds for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import unquote

import pytest

from connectors.destination import Destination, Target
from connectors.destinations.declared import load
from connectors.testing import DestinationSuite, Received, Reply, Sink, serve

CRM = """
description: A CRM with a batched upsert and single deletes.
settings:
  api_key: {description: Key of the account., secret: true}
base_url: http://crm.invalid/api
auth: {type: bearer, token: "{settings.api_key}"}
limits: {batch_size: 50}
idempotency_header: Idempotency-Key
check: {path: /me, accepted_when: {ok: true}}
objects:
  contacts:
    add:
      path: /{object}/batch
      row: {id: "{match.email}", properties: "{record}"}
      body: {source: "headrace {sync}", inputs: "{rows}"}
      errors: {path: errors, by: id, at: context.id, row_id: "{match.email}"}
    remove: {method: DELETE, path: "/contacts/{match.email}", missing_ok: [404]}
"""

SINGLE = """
description: An API that takes one row a request.
settings:
  user: {description: Name of the account.}
  password: {description: Its password., secret: true}
auth: {type: basic, user: "{settings.user}", password: "{settings.password}"}
idempotency_header: Idempotency-Key
check: {path: /me}
objects:
  people:
    add: {method: PUT, path: "/people/{match.email}", body: "{record}"}
    remove: {method: DELETE, path: "/people/{match.email}", missing_ok: [404]}
"""


class Crm:
    """Both APIs, keeping rows by e-mail address."""

    def __init__(self) -> None:
        self.rows: dict[str, Any] = {}

    def __call__(self, request: Received) -> Reply:
        """Route a request."""
        if request.headers.get("authorization") not in {"Bearer key-12345", "Basic bWU6a2V5LTEyMzQ1"}:
            return Reply(401, json={"message": "unknown key"})
        last = unquote(request.path.rpartition("/")[2])
        if last == "me":
            return Reply(json={"ok": True})
        if request.method == "DELETE":
            return Reply(204) if self.rows.pop(last, None) is not None else Reply(404)
        if request.method == "PUT":
            return self.put(last, request.json())
        errors = [e for item in request.json()["inputs"] if (e := self.upsert(item))]
        return Reply(207 if errors else 200, json={"results": [], "errors": errors})

    def put(self, name: str, record: dict[str, Any]) -> Reply:
        """Store one row."""
        if "@" not in name:
            return Reply(422, json={"error": {"message": "no address"}})
        self.rows[name] = record
        return Reply(201)

    def upsert(self, item: dict[str, Any]) -> dict[str, Any] | None:
        """Store one item of a batch, or say what is wrong with it."""
        if "@" not in item["id"]:
            return {"context": {"id": item["id"].upper()}, "code": "BAD_EMAIL", "message": "no address"}
        self.rows[item["id"]] = item["properties"]
        return None


class DeclaredSuite(DestinationSuite):
    """What the two connectors below share."""

    secrets = ("key-12345",)
    text: ClassVar[str]
    settings: ClassVar[Mapping[str, Any]]
    sink: Sink
    crm: Crm
    folder: Path

    @pytest.fixture(autouse=True)
    def server(self, tmp_path: Path) -> Iterator[None]:
        """An API of its own for each test."""
        self.folder = tmp_path
        self.crm = Crm()
        with serve(answer=self.crm) as self.sink:
            yield

    def made(self, target: Target | None, **settings: Any) -> Destination:
        """The connector of the file."""
        path = self.folder / "crm.yml"
        path.write_text(self.text, encoding="utf-8")
        connector = load(path)
        given = {"base_url": f"{self.sink.url}/api", **self.settings, **settings}
        return connector(connector.Settings.model_validate(given), target)

    def destination(self, target: Target) -> Destination:
        """The connector with a key that works."""
        return self.made(target)

    def written(self) -> Mapping[str, Mapping[str, Any]]:
        """What the API keeps."""
        return self.crm.rows

    def bad_record(self) -> dict[str, Any]:
        """A row whose address the API refuses."""
        return {**self.record(0), "email": "nowhere"}

    def unreachable(self, target: Target) -> Destination:
        """A port that nobody listens on."""
        return self.made(target, base_url="http://127.0.0.1:1")

    def requests(self) -> int:
        """Requests that arrived."""
        return len(self.sink.received)

    def idempotency_keys(self) -> Sequence[str]:
        """Keys of the requests that arrived."""
        return [request.headers["idempotency-key"] for request in self.sink.received]


class TestDeclaredBatches(DeclaredSuite):
    """Rows in batches, errors by identifier, removes one by one."""

    text = CRM
    settings: ClassVar[Mapping[str, Any]] = {"api_key": "key-12345"}

    def wrong_credential(self) -> Destination:
        """Another key."""
        return self.made(None, api_key="another-key")


class TestDeclaredSingles(DeclaredSuite):
    """A request a row."""

    text = SINGLE
    settings: ClassVar[Mapping[str, Any]] = {"user": "me", "password": "key-12345"}

    def wrong_credential(self) -> Destination:
        """Another password."""
        return self.made(None, password="another-key")
