"""An HTTP answer, and what its status means for a batch. Nothing else turns status codes into errors."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import orjson

from connectors.errors import (
    BatchRefused,
    DestinationError,
    OutcomeUnknown,
    Throttled,
    Unauthorized,
    Unavailable,
)
from connectors.pacing import pause_seconds, retry_after_seconds

__all__ = ["Answer", "clip"]

_SUCCESS, _REDIRECTS, _SERVER_ERRORS = 2, 3, 5  # the classes of RFC 9110, section 15
_TOO_FAST = frozenset({HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS})
_WORDS = 300
_TAG = re.compile(r"<[^>]*>")
_TITLE = re.compile(r"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)
_MESSAGE_KEYS = (
    "message",
    "error_description",
    "detail",
    "title",
    "reason",
    "description",
    "error",
    "errors",
)


def clip(text: object, length: int = _WORDS) -> str:
    """A text on one line, without secrets, of `length` characters at most."""
    from connectors.redaction import redactor

    line = " ".join(redactor.redact(str(text)).split())
    return line if len(line) <= length else line[: length - 1] + "…"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back for one request. `place` is the scheme and host that answered, fit for a log."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    place: str

    @property
    def ok(self) -> bool:
        """Whether the status is a 2xx."""
        return self.status // 100 == _SUCCESS

    def json(self) -> Any:
        """The body as JSON.

        Raises:
            OutcomeUnknown: it is none; what the other side did with the request is then anybody's guess.
        """
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError:
            kind = "HTML" if self.is_html else "something else"
            raise OutcomeUnknown(
                f"{self.place} answered {self.status} with {kind} where JSON was due: {self.words()}"
            ) from None

    @property
    def is_html(self) -> bool:
        """Whether the body is a web page."""
        return self.body[:64].lstrip().lower().startswith((b"<!doctype html", b"<html"))

    def words(self) -> str:
        """The answer's own words on what is wrong, on one line of at most 300 characters."""
        try:
            found = _message(orjson.loads(self.body))
        except orjson.JSONDecodeError:
            found = self.body[:20_000].decode("utf-8", "replace")
            title = _TITLE.search(found)
            found = title[1] if title else _TAG.sub(" ", found)
        return clip(found or "no words")

    def error(self, *, forbidden_is_unauthorized: bool = True) -> DestinationError:
        """What this answer means for the batch, for a status that is no success.

        Args:
            forbidden_is_unauthorized: whether 403 is about the credential (and ends the run) or about rows.
        """
        said = f"{self.place} answered {self.status}: {self.words()}"
        status = self.status
        if status // 100 == _REDIRECTS:
            return Unauthorized(
                f"{self.place} answered {status}, a redirect{self._whither()}. Redirects are not followed, "
                "because credentials would travel along: put the final address in the destination's file"
            )
        if status == HTTPStatus.UNAUTHORIZED or (
            status == HTTPStatus.FORBIDDEN and forbidden_is_unauthorized
        ):
            return Unauthorized(said)
        wait = retry_after_seconds(self.headers)
        if status in _TOO_FAST or (status == HTTPStatus.SERVICE_UNAVAILABLE and wait is not None):
            return Throttled(said, (pause_seconds(self.headers) or None) if wait is None else wait)
        if status == HTTPStatus.REQUEST_TIMEOUT or status // 100 == _SERVER_ERRORS:
            return Unavailable(said, wait)
        return BatchRefused(said, code=str(status))

    def _whither(self) -> str:
        from urllib.parse import urlsplit

        try:
            host = urlsplit(self.headers.get("location", "")).netloc.rpartition("@")[2]
        except ValueError:
            return ""
        return f" to {clip(host, 100)}" if host else ""


def _message(document: Any, depth: int = 3) -> str:
    """The first text under a key that usually holds an error's words."""
    if isinstance(document, str):
        return document
    if depth == 0:
        return ""
    if isinstance(document, list):
        return "; ".join(filter(None, (_message(inner, depth - 1) for inner in document[:3])))
    if isinstance(document, dict):
        found = (_message(document[key], depth - 1) for key in _MESSAGE_KEYS if key in document)
        return next(filter(None, found), "")
    return ""
