"""The webhook is a connector like any other: the suite holds for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest

from connectors.destination import Destination, Target
from connectors.destinations.webhook import Webhook
from connectors.testing import DestinationSuite, Received, Reply, Sink, serve

NOBODY = "http://127.0.0.1:1/rows"


class Receiver:
    """A receiver of the webhook format that keeps rows by e-mail address."""

    def __init__(self) -> None:
        self.rows: dict[str, Mapping[str, Any]] = {}

    def __call__(self, request: Received) -> Reply:
        """Store the good rows, name the bad ones."""
        rejected = []
        for index, row in enumerate(request.json()["rows"]):
            record = row["record"] or row["previous"]
            if row["operation"] == "remove":
                self.rows.pop(record["email"], None)
            elif "@" not in record["email"]:
                rejected.append({"index": index, "code": "bad_email", "message": "no address"})
            else:
                self.rows[record["email"]] = record
        return Reply(json={"rejected": rejected}, status=207 if rejected else 200)


class TestWebhook(DestinationSuite):
    """The suite against a receiver on loopback."""

    secrets = ("webhook-secret-1", "header-secret-2")
    sink: Sink
    receiver: Receiver

    @pytest.fixture(autouse=True)
    def server(self) -> Iterator[None]:
        """A receiver of its own for each test."""
        self.receiver = Receiver()
        with serve(answer=self.receiver) as self.sink:
            yield

    def destination(self, target: Target) -> Destination:
        """A webhook that signs and sends a header."""
        return self.at(f"{self.sink.url}/rows", target)

    def at(self, url: str, target: Target) -> Destination:
        """A webhook for a URL."""
        settings = {"url": url, "secret": self.secrets[0], "headers": {"X-Api-Key": self.secrets[1]}}
        return Webhook(Webhook.Settings.model_validate(settings), target)

    def written(self) -> Mapping[str, Mapping[str, Any]]:
        """What the receiver keeps."""
        return self.receiver.rows

    def bad_record(self) -> dict[str, Any]:
        """A row whose address the receiver refuses."""
        return {**self.record(0), "email": "nowhere"}

    def unreachable(self, target: Target) -> Destination:
        """A port that nobody listens on."""
        return self.at(NOBODY, target)

    def requests(self) -> int:
        """Requests that arrived."""
        return len(self.sink.received)

    def idempotency_keys(self) -> Sequence[str]:
        """Keys of the requests that arrived."""
        return [request.headers["idempotency-key"] for request in self.sink.received]
