"""A sandbox that runs: an HTTP server in a thread of its own, on this machine only."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from connectors.errors import ConfigError
from connectors.sandboxes.crm import MAX_BODY_BYTES, Crm
from connectors.sandboxes.faults import Faults
from connectors.sandboxes.gate import Gate
from connectors.sandboxes.page import PAGE_HEADERS, html_page
from connectors.sandboxes.state import state
from connectors.sandboxes.traffic import RateLimit

__all__ = ["STATE_PATH", "Sandbox"]

STATE_PATH = "/_sandbox"
_HOST = "127.0.0.1"  # a sandbox is for this machine alone
_SECONDS_FOR_OPEN_REQUESTS = 1.0


class Sandbox:
    """A local CRM, started by `start` or `with`.

    Args:
        port: where to listen; 0 takes a free one.
        token: the bearer token that is accepted; None accepts any.
        requests_per_second: how many requests are let in.
        faults: `name:share,…`, see `connectors.sandboxes.faults`.
        seed: the same seed brings the same faults in the same order.
        slow_seconds: how late an answer is that fault `slow` strikes.

    Raises:
        ConfigError: the faults cannot be read.
    """

    def __init__(
        self,
        port: int = 0,
        *,
        token: str | None = None,
        requests_per_second: int = 50,
        faults: str = "",
        seed: int = 0,
        slow_seconds: float = 1.0,
    ) -> None:
        self.crm = Crm()
        self.gate = Gate(
            token=token,
            rate=RateLimit(requests_per_second),
            faults=Faults.parse(faults),
            seed=seed,
            slow_seconds=slow_seconds,
        )
        self.port = port
        self._running: tuple[asyncio.AbstractEventLoop, asyncio.Event] | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """Where the API is, without a slash at the end."""
        return f"http://{_HOST}:{self.port}"

    @property
    def page_url(self) -> str:
        """Where a browser shows what the sandbox holds."""
        return f"{self.url}{STATE_PATH}"

    def start(self) -> None:
        """Listen, and return when requests are answered.

        Raises:
            ConfigError: the port is taken.
        """
        started: Future[None] = Future()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._serve(started)), name="sandbox", daemon=True
        )
        self._thread.start()
        try:
            started.result()
        except OSError as error:
            self._thread.join()
            raise ConfigError(
                f"the sandbox cannot listen on port {self.port}: {error.strerror}; choose another with --port"
            ) from None

    def stop(self) -> None:
        """Stop listening; requests under way get a second to end. What the sandbox held stays readable."""
        if self._running is not None and self._thread is not None:
            loop, ended = self._running
            self._running = None
            loop.call_soon_threadsafe(ended.set)
            self._thread.join()

    def state(self) -> dict[str, Any]:
        """What the sandbox shows of itself; see `connectors.sandboxes.state`."""

        async def look() -> dict[str, Any]:
            return state(self.crm, self.gate.traffic)

        if self._running is None:
            return state(self.crm, self.gate.traffic)
        return asyncio.run_coroutine_threadsafe(look(), self._running[0]).result()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.stop()

    async def _serve(self, started: Future[None]) -> None:
        """Answer requests until `stop`."""
        app = web.Application(middlewares=[self.gate.middleware()], client_max_size=MAX_BODY_BYTES)
        app.add_routes([*self.crm.routes(), web.get(STATE_PATH, self._show)])
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=_SECONDS_FOR_OPEN_REQUESTS)
        await runner.setup()
        try:
            await web.TCPSite(runner, _HOST, self.port).start()
        except OSError as error:
            await runner.cleanup()
            started.set_exception(error)
            return
        self.port = runner.addresses[0][1]
        self._running = (asyncio.get_running_loop(), asyncio.Event())
        ended = self._running[1]
        started.set_result(None)
        await ended.wait()
        await runner.cleanup()

    async def _show(self, request: web.Request) -> web.Response:
        shown = state(self.crm, self.gate.traffic)
        if request.query.get("format") == "json" or "json" in request.headers.get("Accept", ""):
            return web.json_response(shown, headers=PAGE_HEADERS)
        return web.Response(text=html_page(shown), content_type="text/html", headers=PAGE_HEADERS)
