"""A real HTTP server on loopback that records what it is sent and answers as told, faults included."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any, Literal

import orjson

if TYPE_CHECKING:
    from aiohttp import web

__all__ = ["Received", "Reply", "Sink", "serve"]


@dataclass(frozen=True, slots=True)
class Received:
    """A request as it arrived. Header names are in lower case; `path` is still percent-encoded."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON."""
        return orjson.loads(self.body)


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, or a fault in its place.

    `drop` hangs up: `unread` without reading the body, `read` after reading it, `truncated` in the middle of
    the answer's body.
    """

    status: int = 200
    json: Any = None
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    delay_seconds: float = 0.0
    drop: Literal["unread", "read", "truncated"] | None = None


class Sink:
    """The server's address and what it has received, in order of arrival."""

    def __init__(self, answer: Callable[[Received], Reply]) -> None:
        self.url = ""
        self.received: list[Received] = []
        self._answer = answer
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Take connections on a free port."""
        from aiohttp import web

        application = web.Application(client_max_size=1 << 30)
        application.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        """Close every connection, those included that were made and dropped a moment ago."""
        if self._runner is not None:
            await asyncio.sleep(0.01)
            await self._runner.cleanup()
            await asyncio.sleep(0)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        if isinstance(self._answer, _Script) and self._answer.next_drops_unread:
            self._answer.take()
            return _hang_up(request)
        headers = {name.lower(): value for name, value in request.headers.items()}
        received = Received(
            request.method, request.rel_url.raw_path, dict(request.query), headers, await request.read()
        )
        self.received.append(received)
        return await _respond(request, self._answer(received))


async def _respond(request: web.Request, reply: Reply) -> web.StreamResponse:
    from aiohttp import web

    await asyncio.sleep(reply.delay_seconds)
    if reply.drop in {"unread", "read"}:
        return _hang_up(request)
    body = reply.body if reply.json is None else orjson.dumps(reply.json)
    headers = dict(reply.headers)
    if reply.json is not None:
        headers.setdefault("Content-Type", "application/json")
    if reply.drop is None:
        return web.Response(status=reply.status, body=body, headers=headers)
    cut = web.StreamResponse(status=reply.status, headers={**headers, "Content-Length": str(len(body) + 100)})
    await cut.prepare(request)
    await cut.write(body)
    _hang_up(request)
    return cut


def _hang_up(request: web.Request) -> web.StreamResponse:
    from aiohttp import web

    if request.transport is not None:
        request.transport.close()
    return web.Response()


class _Script:
    """Replies in turn; the last one again and again."""

    def __init__(self, replies: Sequence[Reply]) -> None:
        self._replies = list(replies) or [Reply()]
        self._lock = Lock()

    @property
    def next_drops_unread(self) -> bool:
        return self._replies[0].drop == "unread"

    def take(self) -> Reply:
        with self._lock:
            return self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]

    def __call__(self, _: Received) -> Reply:
        return self.take()


@contextlib.contextmanager
def serve(*replies: Reply, answer: Callable[[Received], Reply] | None = None) -> Iterator[Sink]:
    """Run a server in a thread of its own.

    Args:
        *replies: answers in turn, the last one again and again; 200 with nothing where none is given.
        answer: makes the answer of each request instead. Called in the server's thread.
    """
    sink = Sink(answer or _Script(replies))
    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever, daemon=True, name="headrace-sink")
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(sink.start(), loop).result(timeout=30)
        yield sink
    finally:
        asyncio.run_coroutine_threadsafe(sink.stop(), loop).result(timeout=30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(timeout=30)
        loop.close()
