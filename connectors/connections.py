"""Connections to HTTP hosts: how they are opened, whom they trust, and what it means when they fail."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from connectors.answer import clip
from connectors.errors import DestinationError, OutcomeUnknown, Unavailable

if TYPE_CHECKING:
    import ssl

    import aiohttp
    import httpx

__all__ = ["failure", "open_transport", "reach"]

# httpx imports its own command line where that can be imported, and with it click, rich and pygments: as much
# time again as for all the rest of it. None is Python's way to say that a module cannot be imported.
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]  # typeshed knows modules only

_PORTS = {"http": 80, "https": 443}


def open_transport(url: httpx.URL, concurrency: int) -> httpx.AsyncBaseTransport:
    """Connections for httpx, made by aiohttp: as many as `concurrency`, through the environment's proxy.

    httpx's own client is left out on purpose: it logs URLs, keeps cookies and can follow redirects.
    """
    import aiohttp
    import httpx
    from httpx_aiohttp import AiohttpTransport

    proxy = _proxy(url.scheme, url.host)

    def session() -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(limit=concurrency, ssl=_trust())
        return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())

    transport: httpx.AsyncBaseTransport = AiohttpTransport(
        verify=_trust(), client=session, proxy=httpx.Proxy(proxy) if proxy else None
    )
    return transport


async def reach(url: str, timeout_seconds: float) -> None:
    """Connect to a URL's host (or its proxy), with TLS where the URL says so, and hang up.

    Raises:
        Unavailable: nobody answers there, or the certificate is not to be trusted.
    """
    parts = urlsplit(url)
    through = urlsplit(_proxy(parts.scheme, parts.hostname or "") or url)
    port = through.port or _PORTS[through.scheme]
    place = f"{through.scheme}://{through.hostname}:{port}"
    tls: dict[str, Any] = {"ssl": _trust(), "ssl_shutdown_timeout": 1.0} if through.scheme == "https" else {}
    try:
        async with asyncio.timeout(timeout_seconds):
            _, writer = await asyncio.open_connection(through.hostname, port, **tls)
            writer.close()
            with contextlib.suppress(OSError):  # it was there, and how it hangs up is its own affair
                await writer.wait_closed()
    except TimeoutError:
        raise Unavailable(f"{place} does not answer within {timeout_seconds:g} s") from None
    except OSError as error:
        raise Unavailable(f"{place} cannot be reached: {clip(error)}") from None


def failure(error: BaseException, place: str, timeout_seconds: float) -> DestinationError:
    """Tell a request that was never sent from one whose answer is missing.

    httpx-aiohttp's names do not: it calls a server that hangs up after reading a request a connect timeout.
    """
    import aiohttp
    import httpx

    cause: Any = (error.__cause__ or error) if isinstance(error, httpx.HTTPError) else error
    never_sent = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL)
    if isinstance(cause, never_sent):
        words = getattr(cause, "os_error", None) or cause
        return Unavailable(f"{place} cannot be reached, nothing was sent: {clip(words)}")
    if isinstance(cause, TimeoutError):
        return OutcomeUnknown(
            f"{place} did not answer within {timeout_seconds:g} s; the request may have worked"
        )
    return OutcomeUnknown(
        f"the connection to {place} broke before a whole answer came ({type(cause).__name__}); "
        "the request may have worked"
    )


@cache
def _trust() -> ssl.SSLContext:
    import httpx

    return httpx.create_ssl_context()


def _proxy(scheme: str, host: str) -> str | None:
    """The proxy that the environment names for a host."""
    from urllib.request import getproxies, proxy_bypass

    proxies = getproxies()
    if not proxies or proxy_bypass(host):
        return None
    return proxies.get(scheme) or proxies.get("all")
