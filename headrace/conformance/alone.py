"""The conformance suite on a connector that has no tests of its own, against a server that takes everything.

pytest runs this file; `headrace connector test` tells it by environment variables which connector to try.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from connectors.destination import Destination, Target
from connectors.registry import load_registry
from connectors.testing import DestinationSuite, Reply, Sink, serve
from headrace.conformance import PROJECT_VARIABLE, TYPE_VARIABLE

_PROJECT = Path(os.environ[PROJECT_VARIABLE])
_CONNECTOR = load_registry(_PROJECT).get(os.environ[TYPE_VARIABLE])
_SECRET = "made-up-for-the-test"  # noqa: S105 - no secret of anybody's
_IDENTIFIER = re.compile(r"\{(?:match|record)\.([A-Za-z0-9_]+)")


def _identifiers() -> tuple[str, ...]:
    """The identifiers that a declared connector names; the suite's own elsewhere."""
    file = _PROJECT / "connectors" / f"{os.environ[TYPE_VARIABLE]}.yml"
    found = _IDENTIFIER.findall(file.read_text(encoding="utf-8")) if file.is_file() else []
    return tuple(dict.fromkeys(found)) or ("email",)


def _made_up(name: str, field: FieldInfo, url: str) -> Any:
    """A value for a setting that has no default."""
    if name.endswith("url"):
        return url
    if field.annotation in (int, float):
        return 1
    return _SECRET if field.annotation is SecretStr else "test"


class TestAlone(DestinationSuite):
    """What can be told of a connector without knowing its API."""

    object = _CONNECTOR.objects[0].name if _CONNECTOR.objects else None
    match_on = _identifiers()
    secrets: ClassVar[tuple[str, ...]] = (_SECRET,)
    sink: Sink

    @pytest.fixture(autouse=True)
    def _server(self) -> Iterator[None]:
        with serve(Reply(json={})) as self.sink:
            yield

    def record(self, number: int) -> dict[str, Any]:
        """The suite's row, with the connector's identifiers."""
        return {**{name: f"{name}{number}" for name in self.match_on}, **super().record(number)}

    def destination(self, target: Target) -> Destination:
        """The connector with made-up settings, pointed at the server."""
        return self._at(self.sink.url, target)

    def unreachable(self, target: Target) -> Destination:
        """The connector pointed at a port that nobody listens on."""
        return self._at("http://127.0.0.1:1", target)

    def requests(self) -> int:
        """Requests that arrived."""
        return len(self.sink.received)

    def idempotency_keys(self) -> Sequence[str]:
        """Keys of the requests that arrived, where the connector sends one."""
        keys = [request.headers.get("idempotency-key", "") for request in self.sink.received]
        return pytest.skip("the connector sends no idempotency key") if keys and not any(keys) else keys

    def _at(self, url: str, target: Target) -> Destination:
        fields = _CONNECTOR.Settings.model_fields
        given = {
            name: _made_up(name, field, url)
            for name, field in fields.items()
            if field.is_required() or name == "base_url"
        }
        return _CONNECTOR(_CONNECTOR.Settings.model_validate(given), target)
