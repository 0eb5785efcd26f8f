"""`headrace connector new`: a connector that works, and its test, to be changed into one's own."""

from __future__ import annotations

from pathlib import Path

from connectors.errors import ConfigError
from models.naming import NAME_RULE, is_name

__all__ = ["scaffold"]

_DECLARED = """\
# A connector for an HTTP API: what the API's reference says, written down. Every key is explained in
# docs/connectors; `headrace check` tells what is wrong in it, `headrace connector test {name}` tries it.
description: Contacts of the {name} API.

settings:
  api_key: {{description: "Where the user finds the key.", secret: true}}

base_url: https://api.example.com
auth: {{type: bearer, token: "{{settings.api_key}}"}}
limits: {{batch_size: 100, requests_per_second: 10, concurrency: 4}}

# Delivery is at least once. Where the API takes such a header, a batch that is sent again is not done twice.
idempotency_header: Idempotency-Key

# A request that changes nothing and proves the credential.
check: {{path: /me}}

objects:
  contacts:
    description: People.
    # `row` is one row, `body` the request around all of them. New and changed rows take the same call.
    add:
      path: /contacts/batch
      row: {{id: "{{match.email}}", properties: "{{record}}"}}
      body: {{inputs: "{{rows}}"}}
      # Where an answer tells which rows were refused: items of `errors`, each with the row's number.
      errors: {{path: errors, by: index, at: index, code: code, message: message}}
    remove: {{method: DELETE, path: "/contacts/{{match.email}}", missing_ok: [404]}}
"""

_PYTHON = '''\
"""The {name} connector."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import orjson
from pydantic import Field, SecretStr

from connectors.batch import Batch
from connectors.destination import Destination, DestinationSettings, Limits
from connectors.http import HttpAddress, HttpClient, HttpSettings
from connectors.operation import Kind, Operation, Rejection
from connectors.values import on_wire


class {title}Settings(HttpSettings):
    """What a user sets in destinations/*.yml."""

    base_url: HttpAddress = Field(default="https://api.example.com", description="Where the API is.")
    api_key: SecretStr = Field(description="Where the user finds the key.")


class {title}(Destination):
    """Contacts of the {name} API."""

    Settings: ClassVar[type[DestinationSettings]] = {title}Settings
    limits = Limits(batch_size=100, requests_per_second=10, concurrency=4)

    settings: {title}Settings

    def _client(self) -> HttpClient:
        key = self.settings.api_key.get_secret_value()
        return HttpClient(
            self.settings, base_url=self.settings.base_url, headers={{"Authorization": f"Bearer {{key}}"}}
        )

    async def start(self) -> None:
        """Open the client."""
        self._http = self._client()

    async def check(self) -> None:
        """Ask who we are."""
        client = self._client()
        try:
            answer = await client.request("GET", "/me")
            if not answer.ok:
                raise client.error(answer)
        finally:
            await client.close()

    async def write(self, batch: Sequence[Operation]) -> list[Rejection]:
        """Write a batch: raise about the batch, return about the row."""
        if not len(batch):
            return []
        rows = batch if isinstance(batch, Batch) else Batch.of(batch, sync=self.target.sync)
        body = orjson.dumps({{"inputs": [self._item(operation) for operation in rows]}})
        headers = {{"Idempotency-Key": rows.idempotency_key}}
        answer = await self._http.request("POST", "/contacts/batch", content=body, headers=headers)
        if not answer.ok:
            raise self._http.error(answer)
        errors = orjson.loads(answer.body).get("errors", [])
        return [Rejection(rows[error["index"]], error["code"], error["message"]) for error in errors]

    def _item(self, operation: Operation) -> dict[str, Any]:
        (identifier,) = operation.match.values()
        if operation.kind is Kind.REMOVE:
            return {{"id": on_wire(identifier), "delete": True}}
        return {{"id": on_wire(identifier), "properties": on_wire(operation.record)}}

    async def close(self) -> None:
        """Close the client."""
        if hasattr(self, "_http"):
            await self._http.close()
'''

_TEST = '''\
"""The {name} connector against an API on this machine: `headrace connector test {name}`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from connectors.destination import Destination, Target
from connectors.registry import load_registry
from connectors.testing import DestinationSuite, Received, Reply, Sink, serve

PROJECT = Path(__file__).parents[2]
KEY = "a-key-for-tests"


class Api:
    """A stand-in of the API that keeps contacts by their identifier."""

    def __init__(self) -> None:
        self.contacts: dict[str, Any] = {{}}

    def __call__(self, request: Received) -> Reply:
        """Answer as the API would."""
        if request.headers.get("authorization") != f"Bearer {{KEY}}":
            return Reply(401, json={{"message": "unknown key"}})
        if request.method == "GET":
            return Reply(json={{"account": "test"}})
        if request.method == "DELETE":
            gone = self.contacts.pop(unquote(request.path.rpartition("/")[2]), None)
            return Reply(204 if gone is not None else 404)
        errors = [
            {{"index": index, "code": "bad_address", "message": "no @ in it"}}
            for index, item in enumerate(request.json()["inputs"])
            if not self.keep(item)
        ]
        return Reply(207 if errors else 200, json={{"errors": errors}})

    def keep(self, item: dict[str, Any]) -> bool:
        """Keep or delete one contact; whether it is taken."""
        if item.get("delete"):
            self.contacts.pop(item["id"], None)
        elif "@" in item["id"]:
            self.contacts[item["id"]] = item["properties"]
        return "@" in item["id"]


class Test{title}(DestinationSuite):
    """The conformance suite. Each hook below lets more of it run."""

    object = "contacts"
    secrets = (KEY,)
    sink: Sink
    api: Api

    @pytest.fixture(autouse=True)
    def _server(self) -> Iterator[None]:
        self.api = Api()
        with serve(answer=self.api) as self.sink:
            yield

    def made(self, target: Target | None, **settings: Any) -> Destination:
        """The connector with some settings."""
        connector = load_registry(PROJECT).get("{name}")
        given = {{"base_url": self.sink.url, "api_key": KEY, **settings}}
        return connector(connector.Settings.model_validate(given), target)

    def destination(self, target: Target) -> Destination:
        """The connector with settings that work."""
        return self.made(target)

    def written(self) -> Mapping[str, Mapping[str, Any]]:
        """What the API keeps."""
        return self.api.contacts

    def bad_record(self) -> dict[str, Any]:
        """A row that the API refuses."""
        return {{**self.record(0), "email": "nowhere"}}

    def wrong_credential(self) -> Destination:
        """A key that the API does not know."""
        return self.made(None, api_key="another-key")

    def unreachable(self, target: Target) -> Destination:
        """An address where nobody answers."""
        return self.made(target, base_url="http://127.0.0.1:1")

    def requests(self) -> int:
        """Requests that arrived."""
        return len(self.sink.received)

    def idempotency_keys(self) -> Sequence[str]:
        """Keys of the requests that arrived."""
        return [request.headers["idempotency-key"] for request in self.sink.received]
'''


def scaffold(folder: Path, name: str, *, in_python: bool) -> list[Path]:
    """Write `connectors/NAME.yml` (or `.py`) and its test into a project; the files written.

    Raises:
        ConfigError: the name cannot be one, is taken, or the folder is no project.
    """
    if not is_name(name):
        raise ConfigError(f"'{name}' cannot name a connector: {NAME_RULE}")
    if not (folder / "headrace.yml").is_file():
        raise ConfigError(f"{folder} is no project: it holds no headrace.yml; `headrace init DIR` makes one")
    title = "".join(part.capitalize() for part in name.split("_"))
    connectors = folder / "connectors"
    wanted = {
        connectors / f"{name}.{'py' if in_python else 'yml'}": _PYTHON if in_python else _DECLARED,
        connectors / "tests" / f"test_{name}.py": _TEST,
    }
    standing = [
        path for path in (*wanted, connectors / f"{name}.py", connectors / f"{name}.yml") if path.exists()
    ]
    if standing:
        raise ConfigError(f"{standing[0]} is there already; choose another name")
    for path, text in wanted.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.format(name=name, title=title), encoding="utf-8")
    return list(wanted)
