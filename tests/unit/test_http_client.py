"""The HTTP client against a real server with real faults."""

from __future__ import annotations

import gzip
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from pydantic import ValidationError

from connectors.answer import Answer
from connectors.errors import (
    BatchRefused,
    DestinationError,
    OutcomeUnknown,
    Throttled,
    Unauthorized,
    Unavailable,
)
from connectors.http import ANSWER_BYTES, HttpClient, HttpSettings, RequestSettings
from connectors.redaction import redactor
from connectors.testing import Reply, serve

HTML = b"<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head><body><h1>nginx</h1></body></html>"


async def ask(*replies: Reply, times: int = 1, timeout_seconds: float = 10, **options: Any) -> Answer:
    """Post to a server that answers as told; the last answer."""
    with serve(*replies) as sink:
        client = HttpClient(RequestSettings(timeout_seconds=timeout_seconds), base_url=sink.url, **options)
        try:
            for _ in range(times - 1):
                await client.request("POST", "/rows", content=b"[]")
            return await client.request("POST", "/rows", content=b"[]")
        finally:
            await client.close()


async def error_of(reply: Reply, **options: Any) -> DestinationError:
    """The error that a reply becomes."""
    with pytest.raises(DestinationError) as caught:
        await ask(reply, **options)
    return caught.value


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (302, Unauthorized),
        (400, BatchRefused),
        (401, Unauthorized),
        (403, Unauthorized),
        (404, BatchRefused),
        (408, Unavailable),
        (409, BatchRefused),
        (413, BatchRefused),
        (418, BatchRefused),
        (422, BatchRefused),
        (425, Throttled),
        (429, Throttled),
        (500, Unavailable),
        (502, Unavailable),
        (503, Unavailable),
        (504, Unavailable),
        (529, Unavailable),
    ],
)
async def test_a_status_becomes_the_error_that_says_what_to_do(
    status: int, kind: type[DestinationError]
) -> None:
    """Each status that is no success has one meaning for the batch."""
    error = await error_of(Reply(status, json={"error": {"message": "because of it"}}))
    assert type(error) is kind
    assert str(status) in str(error)


async def test_a_refusal_carries_status_and_words() -> None:
    """The destination's own code and words reach the person."""
    error = await error_of(Reply(422, json={"errors": [{"detail": "no such field"}]}))
    assert isinstance(error, BatchRefused)
    assert error.code == "422"
    assert "no such field" in str(error)


async def test_403_can_be_about_rows() -> None:
    """Where an API answers 403 to rows, it does not end the run."""
    assert type(await error_of(Reply(403), forbidden_is_unauthorized=False)) is BatchRefused


async def test_429_with_retry_after_says_how_long() -> None:
    """The destination's wish is read; without one there is none."""
    told = await error_of(Reply(429, headers={"Retry-After": "7"}))
    untold = await error_of(Reply(429))
    assert isinstance(told, Throttled)
    assert isinstance(untold, Throttled)
    assert (told.retry_after_seconds, untold.retry_after_seconds) == (7, None)


async def test_503_with_retry_after_is_throttling() -> None:
    """A server that names a time is not down, it is busy."""
    error = await error_of(Reply(503, headers={"Retry-After": "3"}))
    assert isinstance(error, Throttled)
    assert error.retry_after_seconds == 3


async def test_an_html_error_page_gives_its_title() -> None:
    """A proxy's page does not flood the log."""
    error = await error_of(Reply(502, body=HTML))
    assert "502 Bad Gateway" in str(error)
    assert "nginx" not in str(error)


async def test_html_where_json_was_due_is_an_unknown_outcome() -> None:
    """A login page with status 200 is no answer of the API."""
    answer = await ask(Reply(200, body=HTML))
    with pytest.raises(OutcomeUnknown, match="HTML where JSON was due"):
        answer.json()


async def test_a_redirect_is_refused_and_names_the_host_only() -> None:
    """Credentials do not travel along, and the address's secrets do not reach the log."""
    error = await error_of(Reply(307, headers={"Location": "https://u:p@else.example/x?token=t0p"}))
    assert "else.example" in str(error)
    assert "t0p" not in str(error)


@pytest.mark.parametrize("drop", ["unread", "read", "truncated"])
async def test_a_broken_answer_is_an_unknown_outcome(drop: Any) -> None:
    """The request was sent: whether it worked is not known."""
    error = await error_of(Reply(200, body=b'{"ok": tru', drop=drop))
    assert type(error) is OutcomeUnknown


async def test_a_truncated_error_page_keeps_its_status() -> None:
    """A status says enough, even when its page breaks off."""
    assert type(await error_of(Reply(500, body=b"x", drop="truncated"))) is Unavailable


async def test_a_slow_answer_is_an_unknown_outcome() -> None:
    """The request was sent, so it may have worked."""
    error = await error_of(Reply(delay_seconds=3), timeout_seconds=0.3)
    assert type(error) is OutcomeUnknown
    assert "0.3 s" in str(error)


async def test_nobody_there_is_unavailable() -> None:
    """Nothing was sent, so nothing is unknown."""
    client = HttpClient(RequestSettings(), base_url="http://127.0.0.1:1")
    with pytest.raises(Unavailable, match="nothing was sent"):
        await client.request("GET", "/")
    await client.close()


async def test_no_such_host_is_unavailable() -> None:
    """A name that does not resolve is told apart from a lost answer."""
    client = HttpClient(RequestSettings(), base_url="http://headrace.invalid")
    with pytest.raises(Unavailable, match="nothing was sent"):
        await client.request("GET", "/")
    await client.close()


async def test_a_huge_answer_is_not_read_to_the_end() -> None:
    """Memory is bounded whatever the other side sends."""
    assert type(await error_of(Reply(200, body=b" " * (ANSWER_BYTES + 1)))) is OutcomeUnknown


async def test_a_compressed_bomb_is_not_unpacked_to_the_end() -> None:
    """The bound holds for the unpacked answer."""
    bomb = gzip.compress(b" " * (ANSWER_BYTES * 2))
    assert type(await error_of(Reply(200, body=bomb, headers={"Content-Encoding": "gzip"}))) is OutcomeUnknown


async def test_a_broken_compression_is_an_unknown_outcome() -> None:
    """A body that cannot be unpacked is no answer."""
    reply = Reply(200, body=b"no gzip at all", headers={"Content-Encoding": "gzip"})
    assert type(await error_of(reply)) is OutcomeUnknown


async def test_an_answer_that_is_no_http_is_an_unknown_outcome(unused_tcp_port: int) -> None:
    """Something else listens on that port, and nobody knows what it did."""
    import asyncio

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"220 smtp.example ESMTP\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(speak, "127.0.0.1", unused_tcp_port)
    client = HttpClient(RequestSettings(), base_url=f"http://127.0.0.1:{unused_tcp_port}")
    with pytest.raises(OutcomeUnknown):
        await client.request("POST", "/", content=b"x")
    await client.close()
    server.close()
    await server.wait_closed()


async def pause_after(*replies: Reply) -> float:
    """How long a client waits after these replies."""
    with serve(*replies) as sink:
        client = HttpClient(RequestSettings(), base_url=sink.url)
        for _ in replies:
            await client.request("GET", "/")
        await client.close()
        return client.pause_seconds


async def test_no_request_left_makes_the_next_one_wait() -> None:
    """`RateLimit-Remaining: 0` is heeded before the 429 that would follow."""
    assert 4 < await pause_after(Reply(headers={"RateLimit-Remaining": "0", "RateLimit-Reset": "5"})) <= 5


async def test_a_client_does_not_wait_for_hours() -> None:
    """A window that opens tomorrow ends in a 429, which the engine knows how to tell."""
    assert (
        59 < await pause_after(Reply(headers={"RateLimit-Remaining": "0", "RateLimit-Reset": "80000"})) <= 60
    )


async def test_some_requests_left_make_nobody_wait() -> None:
    """A window that has room is no reason to wait."""
    assert await pause_after(Reply(headers={"RateLimit-Remaining": "1", "RateLimit-Reset": "5"})) == 0


async def test_a_pause_is_waited_for() -> None:
    """The second request leaves only when the window has opened."""
    spent = Reply(headers={"RateLimit-Remaining": "0", "RateLimit-Reset": "0.2"})
    assert await pause_after(spent, Reply()) == 0


async def test_headers_of_user_connector_and_request_are_sent() -> None:
    """The user's headers win over the connector's, a request's own over both."""
    with serve() as sink:
        settings = RequestSettings.model_validate({"headers": {"X-One": "user", "X-Two": "user"}})
        client = HttpClient(settings, base_url=sink.url, headers={"x-one": "connector", "Accept": "a/b"})
        await client.request("POST", "a/b%2Fc?d=e", content=b"{}", headers={"x-two": "request"})
        await client.close()
        [received] = sink.received
    assert received.headers["x-one"] == "user"
    assert received.headers["x-two"] == "request"
    assert received.headers["accept"] == "a/b"
    assert received.headers["user-agent"].startswith("headrace")
    assert (received.path, received.query, received.body) == ("/a/b%2Fc", {"d": "e"}, b"{}")


async def test_cookies_are_not_kept() -> None:
    """One request's answer does not change the next request."""
    with serve(Reply(headers={"Set-Cookie": "session=1; Path=/"})) as sink:
        client = HttpClient(RequestSettings(), base_url=sink.url)
        await client.request("GET", "/")
        await client.request("GET", "/")
        await client.close()
        assert "cookie" not in sink.received[1].headers


async def test_a_closed_client_sends_nothing() -> None:
    """Use after close is a mistake in a connector, and says so."""
    client = HttpClient(RequestSettings(), base_url="http://127.0.0.1:1")
    await client.close()
    with pytest.raises(RuntimeError, match="closed"):
        await client.request("GET", "/")


async def test_credentials_are_masked_even_where_the_server_repeats_them(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """An API that echoes the token does not put it into our log."""
    with caplog.at_level(logging.DEBUG), forgotten_secrets():
        error = await error_of(
            Reply(401, json={"message": "token tok-9876 expired"}),
            headers={"Authorization": "Bearer tok-9876"},
        )
    assert "tok-9876" not in str(error) + caplog.text
    assert "expired" in str(error)


@pytest.mark.parametrize(
    "url",
    ["", "crm.example", "ftp://a.example", "https://", "https://u:p@a.example", "https://a b", "http://[::1"],
)
def test_a_base_url_that_is_none_is_refused(url: str) -> None:
    """Only absolute http and https addresses without credentials in them are taken."""
    with pytest.raises(ValidationError):
        HttpSettings(base_url=url)


@pytest.mark.parametrize(
    ("name", "value"), [("a b", "x"), ("Host", "x"), ("X-A", "a\r\nB: c"), ("X-A", "é"), ("", "x")]
)
def test_a_header_that_is_none_is_refused(name: str, value: str) -> None:
    """No header can smuggle in another, or break the request."""
    with pytest.raises(ValidationError) as caught:
        RequestSettings.model_validate({"headers": {name: value}})
    assert value not in str(caught.value) or len(value) == 1


@contextmanager
def forgotten_secrets() -> Iterator[None]:
    """Leave the process's redactor as it was."""
    forms, pattern = set(redactor._forms), redactor._pattern
    yield
    redactor._forms, redactor._pattern = forms, pattern
