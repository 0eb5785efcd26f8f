"""What every request to a sandbox passes: address, credential, pace, faults, idempotency, in this order."""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
import hmac
import time
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Middleware

from connectors.sandboxes.breakage import broken, cut_short, refusal
from connectors.sandboxes.faults import Faults
from connectors.sandboxes.repeats import Kept, Repeats
from connectors.sandboxes.traffic import RateLimit, Request, Traffic

__all__ = ["API_PREFIX", "Gate"]

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

API_PREFIX = "/v1/"
"""Only what is below it passes the gate's credential, pace and faults."""
_LOCAL_NAMES = {"127.0.0.1", "localhost", "::1"}
_NOTE = web.RequestKey("note", str)


class Gate:
    """The way in. `middleware` is what an application puts in front of its handlers.

    Args:
        token: the one bearer token that is accepted; None accepts any.
        rate: how many requests a second are let in.
        faults: what goes wrong, and how often.
        seed: the same seed brings the same faults in the same order.
        slow_seconds: how late a slow answer is.
    """

    def __init__(
        self, *, token: str | None, rate: RateLimit, faults: Faults, seed: int, slow_seconds: float
    ) -> None:
        self.traffic = Traffic()
        self._token, self._rate, self._slow = token, rate, slow_seconds
        self._strikes = faults.strikes(seed)
        self._repeats = Repeats()

    def middleware(self) -> Middleware:
        """The gate in the form that aiohttp takes."""

        @web.middleware
        async def gate(request: web.Request, handler: Handler) -> web.StreamResponse:
            # A page of some site could have its own name resolve to this machine and read the answers.
            if urlsplit(f"//{request.host}").hostname not in _LOCAL_NAMES:
                return refusal(421, "misdirected", "this sandbox answers to names of this machine only")
            if not request.path.startswith(API_PREFIX):
                return await handler(request)
            return await self._recorded(request, handler)

        return gate

    async def _recorded(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """The answer, with the request remembered."""
        began = time.perf_counter()
        answer = await self._admitted(request, handler)
        unanswered = request.transport is None or request.transport.is_closing()
        self.traffic.record(
            Request(
                at=dt.datetime.now(dt.UTC),
                method=request.method,
                path=request.path,
                status=0 if unanswered else answer.status,
                milliseconds=round(1000 * (time.perf_counter() - began), 1),
                note=request.get(_NOTE, ""),
            )
        )
        return answer

    async def _admitted(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Credential and pace."""
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        wanted = given if self._token is None else self._token
        if (
            scheme.lower() != "bearer"
            or not given
            or not hmac.compare_digest(given.encode(), wanted.encode())
        ):
            return refusal(401, "unauthorized", "the bearer token is missing or wrong")
        admitted, headers = self._rate.admit()
        if not admitted:
            return refusal(429, "rate_limited", "too many requests this second", headers)
        answer = await self._struck(request, handler)
        if not answer.prepared:
            answer.headers.update(headers)
        return answer

    async def _struck(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """A fault, where one is due: before the work or after it, as the fault is."""
        fault = next(self._strikes)
        if fault is None:
            return await self._once(request, handler)
        request[_NOTE] = f"fault {fault}"
        if fault == "slow":
            await asyncio.sleep(self._slow)
            return await self._once(request, handler)
        if fault in {"drop_after", "truncate"}:
            return await cut_short(request, await self._once(request, handler), fault)
        return broken(request, fault)

    async def _once(self, request: web.Request, handler: Handler) -> web.Response:
        """The handler's answer; the kept one where this idempotency key was answered before."""
        key = request.headers.get("Idempotency-Key") if request.method == "POST" else None
        try:
            digest = hashlib.sha256(request.path.encode() + b"\n" + await request.read()).digest()
            kept = self._repeats.get(key) if key else None
            if kept is None:
                answer = await handler(request)
        except web.HTTPException as error:
            return refusal(error.status, error.reason.lower().replace(" ", "_"), error.text or error.reason)
        if kept is None:
            text = (answer.text if isinstance(answer, web.Response) else None) or ""
            kept = Kept(digest, answer.status, text)
            if key:
                self._repeats.keep(key, kept)
        elif kept.digest != digest:
            return refusal(
                422, "idempotency_key_reused", "this idempotency key came with another request before"
            )
        else:
            request[_NOTE] = "repeat"
        return web.Response(text=kept.text, status=kept.status, content_type="application/json")
