"""The simplest destination: rows as JSON to one URL, in a format that receivers can rely on.

A request is `POST` with the body

    {"sync": name, "run": id, "rows": [{"operation", "key", "record", "previous"}, …]}

with `operation` one of add, change, remove; the header `Idempotency-Key`, the same when the same rows are
sent again; and, where a secret is set, `X-Headrace-Signature: sha256=<hex HMAC of the body>`.
Any 2xx accepts the rows. A 2xx or a 422 whose body is
`{"rejected": [{"index": 3, "code": "…", "message": "…", "retryable": false}]}` refuses just those.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import orjson
from pydantic import Field, SecretStr

from connectors.answer import Answer, clip
from connectors.batch import Batch
from connectors.connections import reach
from connectors.destination import Destination, DestinationSettings, Limits
from connectors.errors import BatchRefused, DestinationError, OutcomeUnknown
from connectors.http import HttpAddress, HttpClient, RequestSettings
from connectors.operation import Operation, Rejection

__all__ = ["Webhook", "WebhookSettings"]

_log = logging.getLogger(__name__)
_UNPROCESSABLE = 422


class WebhookSettings(RequestSettings):
    """Where a webhook is and how it is signed."""

    url: HttpAddress = Field(description="Where rows are posted to.")
    batch_size: int = Field(default=100, ge=1, le=100_000, description="Rows in one request at most.")
    batch_bytes: int | None = Field(
        default=None, ge=1_000, description="Bytes in one request's body at most."
    )
    single: bool = Field(default=False, description="Send one row a request, in the same format.")
    secret: SecretStr | None = Field(
        default=None, min_length=1, description="Signs each body: X-Headrace-Signature: sha256=…"
    )


class Webhook(Destination):
    """Posts rows as JSON to any URL."""

    Settings: ClassVar[type[DestinationSettings]] = WebhookSettings
    limits = Limits(batch_size=100, concurrency=4)
    removals = frozenset({"delete", "clear", "archive"})
    json_rows = True

    settings: WebhookSettings

    @classmethod
    def limits_for(cls, settings: WebhookSettings) -> Limits:
        """The batch size is `limits.batch_size`, or `batch_size`, or one where `single` is set."""
        base = Limits(settings.batch_size, None, cls.limits.concurrency, settings.batch_bytes)
        limits = settings.limits.over(base)
        if not settings.single:
            return limits
        return Limits(1, limits.requests_per_second, limits.concurrency, limits.batch_bytes)

    async def start(self) -> None:
        """Open the client and write the parts of the body that are the same in each request."""
        from connectors.redaction import redactor

        self._secret = b""
        if self.settings.secret is not None:
            redactor.register(self.settings.secret.get_secret_value())
            self._secret = self.settings.secret.get_secret_value().encode()
        self._client = HttpClient(self.settings, concurrency=self.limits_for(self.settings).concurrency)
        self._head = b'{"sync":%b,"run":%b,"rows":[' % (
            orjson.dumps(self.target.sync),
            orjson.dumps(self.target.run_id),
        )

    async def check(self) -> None:
        """Connect to the host, with TLS where the URL says so. No request is made: it would be a delivery."""
        await reach(self.settings.url, self.settings.timeout_seconds)
        _log.info("the webhook's host takes connections; whether it takes rows shows with the first ones")

    async def write(self, batch: Sequence[Operation]) -> list[Rejection]:
        """Post the rows as one request and read which of them were refused."""
        rows = batch if isinstance(batch, Batch) else Batch.of(batch, sync=self.target.sync)
        if not len(rows):
            return []
        body = b"%b%b]}" % (self._head, b",".join(rows.json_rows))
        most = self.settings.batch_bytes
        if most is not None and len(body) > most:
            raise BatchRefused(f"{len(rows)} rows make {len(body)} bytes, more than {most}", code="too_large")
        headers = {"Idempotency-Key": rows.idempotency_key}
        if self._secret:
            headers["X-Headrace-Signature"] = (
                "sha256=" + hmac.new(self._secret, body, hashlib.sha256).hexdigest()
            )
        answer = await self._client.request(
            "POST", self.settings.url, content=body, headers=headers, returns={_UNPROCESSABLE}
        )
        return _rejections(answer, rows, self._client)

    async def close(self) -> None:
        """Close the connections."""
        if hasattr(self, "_client"):
            await self._client.close()


def _rejections(answer: Answer, batch: Batch, client: HttpClient) -> list[Rejection]:
    """The rows that an answer refuses. An answer that cannot be understood is never taken for a yes."""
    refused = _refused(answer)
    if refused is None:
        if answer.ok:
            return []
        raise client.error(answer)
    if not isinstance(refused, list):
        raise _misread(answer, "`rejected` is no list")
    if not refused and not answer.ok:
        raise client.error(answer)
    found: dict[int, Rejection] = {}
    for item in refused:
        index = item.get("index") if isinstance(item, dict) else None
        if not isinstance(index, int) or isinstance(index, bool) or not 0 <= index < len(batch):
            raise _misread(
                answer, f"`rejected` names no row of the {len(batch)} sent: index {clip(index, 40)}"
            )
        found.setdefault(index, _rejection(batch[index], item))
    return list(found.values())


def _refused(answer: Answer) -> Any:
    """What stands under `rejected`, None where there is nothing."""
    if not answer.body.lstrip().startswith(b"{"):
        if answer.ok and answer.is_html:
            _log.warning("%s answers with web pages; is the webhook's URL the right one?", answer.place)
        return None
    try:
        document = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        raise _misread(answer, "the body starts like JSON and is none") from None
    return document.get("rejected")


def _rejection(operation: Operation, item: Mapping[str, Any]) -> Rejection:
    code, message = item.get("code"), item.get("message")
    return Rejection(
        operation,
        code="rejected" if code is None else clip(code, 100),
        message="" if message is None else clip(message, 500),
        retryable=item.get("retryable") is True,
    )


def _misread(answer: Answer, what: str) -> DestinationError:
    words = f"{answer.place} answered {answer.status} in a way that cannot be understood: {what}"
    return OutcomeUnknown(words) if answer.ok else BatchRefused(words, code=str(answer.status))
