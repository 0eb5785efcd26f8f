"""The recording sink: an HTTP server in a process of its own that takes bodies and reads them afterwards.

`python -m benchmarks.sink --latency 0.05 --bad-id 7` prints its port and serves until ended. A `POST` is
a delivery; one that holds the bad row is answered 422 and not taken. `GET /` gives the `Receipt` as JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import orjson

__all__ = ["Receipt", "RunningSink", "running_sink"]

_REASONS = {200: "OK", 422: "Unprocessable Content"}


@dataclass(frozen=True, slots=True)
class Receipt:
    """What arrived: requests and rows, how many different keys, how many rows more than once, removals."""

    requests: int
    rows: int
    keys: int
    doubled: int
    removed: int


@dataclass(frozen=True, slots=True)
class RunningSink:
    """Where a sink is."""

    url: str

    def receipt(self) -> Receipt:
        """Read all that it has taken so far."""
        return Receipt(**_get(self.url))

    def requests(self) -> int:
        """How many requests it has taken so far, without reading them."""
        return int(_get(f"{self.url}count")["requests"])


@contextmanager
def running_sink(
    *, latency: float = 0.0, bad_id: int | None = None, forget: bool = False
) -> Iterator[RunningSink]:
    """Start a sink. `latency` is in seconds; with `forget` it counts requests and keeps nothing."""
    options = ["--latency", str(latency)]
    options += [] if bad_id is None else ["--bad-id", str(bad_id)]
    options += ["--forget"] if forget else []
    command = [sys.executable, "-m", "benchmarks.sink", *options]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None  # noqa: S101  a pipe was asked for
            yield RunningSink(f"http://127.0.0.1:{int(process.stdout.readline())}/")
        finally:
            process.terminate()


def _get(url: str) -> dict[str, Any]:
    with urllib.request.urlopen(url, timeout=120) as answer:  # noqa: S310  the sink's own address
        read: dict[str, Any] = orjson.loads(answer.read())
        return read


class _Taken:
    """Bodies as they came."""

    def __init__(self, latency: float, bad_id: int | None, *, forget: bool) -> None:
        self.latency = latency
        self._bad_id = bad_id
        self._forget = forget
        self._bodies: list[bytes] = []
        self._requests = 0

    def take(self, body: bytes) -> int:
        """The status of the answer."""
        self._requests += 1
        if self._bad_id is not None and any(key == self._bad_id for key, _ in _rows(body)):
            return 422
        if not self._forget:
            self._bodies.append(body)
        return 200

    def count(self) -> bytes:
        return orjson.dumps({"requests": self._requests})

    def receipt(self) -> bytes:
        rows = [row for body in self._bodies for row in _rows(body)]
        sent = [key for key, operation in rows if operation != "remove"]
        keys = set(sent)
        removed = len(rows) - len(sent)
        return orjson.dumps(
            asdict(Receipt(self._requests, len(rows), len(keys), len(sent) - len(keys), removed))
        )


def _rows(body: bytes) -> list[tuple[Any, str]]:
    """Each row's key and operation, in the format of the webhook or as a bare list of records."""
    document = orjson.loads(body)
    rows = document if isinstance(document, list) else document.get("rows", [document])
    return [(row["key"]["id"], row["operation"]) if "key" in row else (row["id"], "") for row in rows]


class _Connection(asyncio.Protocol):
    """HTTP/1.1 with Content-Length, kept alive: no more than the benchmarks' clients need."""

    def __init__(self, taken: _Taken) -> None:
        self._taken = taken
        self._buffer = bytearray()
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)  # noqa: S101  of a TCP server
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = bytes(self._buffer[:end])
            length = _content_length(head)
            if len(self._buffer) < end + 4 + length:
                return
            body = bytes(self._buffer[end + 4 : end + 4 + length])
            del self._buffer[: end + 4 + length]
            self._request(head, body)

    def _request(self, head: bytes, body: bytes) -> None:
        if head.startswith(b"GET /count"):
            self._answer(200, self._taken.count())
        elif head.startswith(b"GET"):
            self._answer(200, self._taken.receipt())
        elif self._taken.latency:
            status = self._taken.take(body)
            asyncio.get_running_loop().call_later(self._taken.latency, self._answer, status)
        else:
            self._answer(self._taken.take(body))

    def _answer(self, status: int, body: bytes = b"{}") -> None:
        if self._transport is not None and not self._transport.is_closing():
            head = (
                f"HTTP/1.1 {status} {_REASONS[status]}\r\nContent-Type: application/json\r\n"
                f"Content-Length: {len(body)}\r\n\r\n"
            )
            self._transport.write(head.encode() + body)


def _content_length(head: bytes) -> int:
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


async def _serve(taken: _Taken) -> None:
    server = await asyncio.get_running_loop().create_server(lambda: _Connection(taken), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def main() -> None:
    """Serve until ended."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--latency", type=float, default=0.0)
    parser.add_argument("--bad-id", type=int)
    parser.add_argument("--forget", action="store_true")
    wanted = parser.parse_args()
    asyncio.run(_serve(_Taken(wanted.latency, wanted.bad_id, forget=wanted.forget)))


if __name__ == "__main__":
    main()
