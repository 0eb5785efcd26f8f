"""How each fault looks on the wire."""

from __future__ import annotations

from aiohttp import web

from connectors.sandboxes.faults import Fault

__all__ = ["broken", "cut_short", "refusal"]

_GATEWAY_PAGE = (
    "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>502 Bad Gateway</body>\r\n</html>"
)


def refusal(status: int, code: str, message: str, headers: dict[str, str] | None = None) -> web.Response:
    """An error in the sandboxes' form: `{"error": {"code", "message"}}`."""
    return web.json_response({"error": {"code": code, "message": message}}, status=status, headers=headers)


def broken(request: web.Request, fault: Fault) -> web.Response:
    """The answer to a request that is not looked at: an error, or a connection closed without a word."""
    if fault == "429":
        return refusal(429, "rate_limited", "slow down, says the sandbox", {"Retry-After": "1"})
    if fault == "html502":
        return web.Response(text=_GATEWAY_PAGE, status=502, content_type="text/html")
    if fault == "drop_before":
        _hang_up(request)
    return refusal(500, "internal", "the sandbox fails, as it was asked to")


async def cut_short(request: web.Request, answer: web.Response, fault: Fault) -> web.StreamResponse:
    """The loss of an answer to a request whose work is done: all of it, or its second half."""
    if fault == "drop_after":
        _hang_up(request)
        return answer
    body = (answer.text or "").encode()
    stream = web.StreamResponse(status=answer.status, headers={"Content-Type": "application/json"})
    stream.content_length = len(body)
    await stream.prepare(request)
    await stream.write(body[: len(body) // 2])
    if request.transport is not None:
        request.transport.close()
    return stream


def _hang_up(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()
