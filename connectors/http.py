"""The one HTTP client of all destinations: httpx's requests and answers over aiohttp's connections.

What the other side did with a request decides the error:

    never sent (no connection, no name, no trust)      Unavailable
    sent, and no whole answer came back                OutcomeUnknown
    answered with a status that is no success          `Answer.error`
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Container, Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr

from connectors.answer import Answer
from connectors.connections import failure, open_transport
from connectors.destination import DestinationSettings
from connectors.errors import DestinationError, OutcomeUnknown
from connectors.pacing import pause_seconds

if TYPE_CHECKING:
    import httpx

__all__ = ["HttpAddress", "HttpClient", "HttpSettings", "RequestSettings", "http_address"]

ANSWER_BYTES = 8 * 1024 * 1024
"""More of an answer is not read."""
_CONNECT_SECONDS = 10.0
_LONGEST_PAUSE = 60.0
_URLS_KEPT = 64
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, section 5.6.2: token
_CREDENTIAL = re.compile(r"auth|key|token|secret|cookie|password|signature", re.IGNORECASE)


def http_address(value: str) -> str:
    """An absolute http or https URL without a user or password in it.

    Raises:
        ValueError: it is none.
    """
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError as error:
        raise ValueError(f"is no URL: {error}") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("is no URL of the form https://host/path")
    if parts.username is not None or parts.password is not None:
        raise ValueError("holds a user or password; put the credential into a header or setting of its own")
    if re.search(r"[\s\x00-\x1f]", value):
        raise ValueError("holds white space")
    return value


def _header_names(value: dict[str, SecretStr]) -> dict[str, SecretStr]:
    for name, secret in value.items():
        if not _HEADER_NAME.fullmatch(name):
            raise ValueError(f"'{name}' is no header name")
        if name.lower() in {"content-length", "host", "transfer-encoding", "connection"}:
            raise ValueError(f"'{name}' is set by the client itself")
        text = secret.get_secret_value()
        if not text.isprintable() or not text.isascii():
            raise ValueError(f"the value of '{name}' holds characters that no header can carry")
    return value


HttpAddress = Annotated[str, AfterValidator(http_address)]
"""An absolute http or https URL without a user or password in it."""


class RequestSettings(DestinationSettings):
    """What every connector that speaks HTTP lets a user set of its requests."""

    timeout_seconds: float = Field(
        default=30.0,
        gt=0,
        le=3600,
        description="Seconds from sending a request to the end of its answer at most.",
    )
    headers: Annotated[dict[str, SecretStr], AfterValidator(_header_names)] = Field(
        default_factory=dict, description="Headers to send with each request, beside the connector's own."
    )


class HttpSettings(RequestSettings):
    """Settings of a connector for one API. The connector gives `base_url` its default."""

    base_url: HttpAddress = Field(
        description="Where the API is; another address points at a sandbox or a proxy."
    )


class HttpClient:
    """Sends requests and turns what comes back into an `Answer` or a `DestinationError`.

    Made in a destination's `start`, closed in its `close`. Redirects are not followed and cookies are not
    kept. Where the last answer said that no request is left (`RateLimit-Remaining: 0`), the next `request`
    first waits until there is one, a minute at most.

    Args:
        settings: timeouts and the user's own headers, which win over `headers`.
        base_url: what paths given to `request` are relative to.
        headers: the connector's headers, credentials among them.
        concurrency: how many connections to keep.
        forbidden_is_unauthorized: whether a 403 is about the credential and ends the run.
        transport: another way to send, for tests.
    """

    def __init__(
        self,
        settings: RequestSettings,
        *,
        base_url: str = "",
        headers: Mapping[str, str] | None = None,
        concurrency: int = 4,
        forbidden_is_unauthorized: bool = True,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        own = {name: value.get_secret_value() for name, value in settings.headers.items()}
        self._headers = _lower({**_DEFAULT_HEADERS, "user-agent": _user_agent()}, headers or {}, own)
        _register_credentials(self._headers)
        self._base = base_url.rstrip("/")
        self._timeout = settings.timeout_seconds
        connect = min(_CONNECT_SECONDS, settings.timeout_seconds / 2)
        self._extensions = {"timeout": {"connect": connect, "read": settings.timeout_seconds}}
        self._forbidden_is_unauthorized = forbidden_is_unauthorized
        self._concurrency = concurrency
        self._transport = transport
        self._urls: dict[str, httpx.URL] = {}
        self._resume_at = 0.0
        self._closed = False

    async def request(
        self,
        method: str,
        url: str,
        *,
        content: bytes = b"",
        headers: Mapping[str, str] | None = None,
        returns: Container[int] = (),
    ) -> Answer:
        """Send one request and read its answer.

        Args:
            method: `GET`, `POST`, …
            url: absolute, or a path below the base URL. Values in it must be percent-encoded already.
            content: the body.
            headers: headers of this request alone.
            returns: statuses that are no success and yet returned, not raised.

        Returns:
            An answer whose status is a 2xx or one of `returns`.

        Raises:
            DestinationError: see the module's words and `Answer.error`.
        """
        import httpx

        if self._closed:
            raise RuntimeError("this client is closed")
        if self._resume_at and (wait := self.pause_seconds):
            await asyncio.sleep(wait)
        address = self._url(url)
        merged = _lower(self._headers, headers) if headers else self._headers
        request = httpx.Request(method, address, headers=merged, content=content, extensions=self._extensions)
        answer = await self._exchange(request)
        wait = pause_seconds(answer.headers)
        if wait:
            self._resume_at = time.monotonic() + min(wait, _LONGEST_PAUSE)
        if answer.ok or answer.status in returns:
            return answer
        raise self.error(answer)

    def error(self, answer: Answer) -> DestinationError:
        """What an answer that was returned for its status means after all."""
        return answer.error(forbidden_is_unauthorized=self._forbidden_is_unauthorized)

    async def close(self) -> None:
        """Close every connection. Nothing can be sent afterwards."""
        self._closed = True
        if self._transport is not None:
            await self._transport.aclose()

    @property
    def pause_seconds(self) -> float:
        """How long the next request will wait because the last answer left none."""
        return max(0.0, self._resume_at - time.monotonic())

    def _url(self, url: str) -> httpx.URL:
        import httpx

        # A connector has a handful of addresses, or one a row: only so many are worth keeping.
        if len(self._urls) > _URLS_KEPT:
            self._urls.clear()
        if url not in self._urls:
            absolute = url if url.startswith(("http://", "https://")) else f"{self._base}/{url.lstrip('/')}"
            self._urls[url] = httpx.URL(absolute)
        return self._urls[url]

    async def _exchange(self, request: httpx.Request) -> Answer:
        import aiohttp
        import httpx

        place = f"{request.url.scheme}://{request.url.netloc.decode()}"
        if self._transport is None:
            self._transport = open_transport(request.url, self._concurrency)
        response: httpx.Response | None = None
        try:
            async with asyncio.timeout(self._timeout):
                response = await self._transport.handle_async_request(request)
                body = await _read(response)
        except (httpx.HTTPError, aiohttp.ClientError, OSError, TimeoutError) as error:
            if response is not None and not response.is_success:
                body = b""  # the status says enough
            else:
                raise failure(error, place, self._timeout) from None
        finally:
            if response is not None:
                await _close(response)
        return Answer(response.status_code, response.headers, body, place)


_DEFAULT_HEADERS = {
    "accept": "application/json",
    "accept-encoding": "gzip, deflate",  # what httpx can always undo
    "content-type": "application/json",
}


@cache
def _user_agent() -> str:
    try:
        return f"headrace/{version('headrace')}"
    except PackageNotFoundError:  # a checkout that nobody installed
        return "headrace"


def _lower(base: dict[str, str], *more: Mapping[str, str]) -> dict[str, str]:
    """Headers of which later ones win, names in lower case."""
    merged = dict(base)
    for headers in more:
        for name, value in headers.items():
            merged[name.lower()] = value
    return merged


def _register_credentials(headers: Mapping[str, str]) -> None:
    from connectors.redaction import redactor

    for name, value in headers.items():
        if _CREDENTIAL.search(name):
            redactor.register(value)
            scheme, _, credential = value.partition(" ")
            redactor.register(credential or scheme)


async def _read(response: httpx.Response) -> bytes:
    chunks: list[bytes] = []
    size = 0
    async for chunk in response.aiter_bytes():
        chunks.append(chunk)
        size += len(chunk)
        if size > ANSWER_BYTES:
            if response.is_success:
                raise OutcomeUnknown(f"{response.url.host} answered with more than {ANSWER_BYTES} bytes")
            break
    return b"".join(chunks)


async def _close(response: httpx.Response) -> None:
    import httpx

    try:
        await response.aclose()
    except httpx.HTTPError:
        return  # the connection is gone, which is all that was wanted
