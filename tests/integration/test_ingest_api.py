"""A local JSON API, read page by page."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from aiohttp import web

from connectors.errors import SourceError
from connectors.sources import api
from connectors.sources.ingest import ingest
from connectors.sources.report import TableLoad
from connectors.sources.settings import RestApiSettings


class _Shop:
    """An API with 250 records and every kind of pagination; it remembers what it was asked."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = [
            {"id": n, "at": f"2024-01-01T00:00:{n % 60:02d}Z", "v": n if n % 2 else n + 0.5, "in": {"n": n}}
            for n in range(250)
        ]
        self.asked: list[dict[str, str]] = []
        self.url = ""

    def _part(self, start: int, size: int) -> list[dict[str, Any]]:
        return self.rows[start : start + size]

    async def pages(self, request: web.Request) -> web.Response:
        size = int(request.query["per_page"])
        return web.json_response(
            {"data": {"items": self._part((int(request.query["page"]) - 1) * size, size)}}
        )

    async def offset(self, request: web.Request) -> web.Response:
        return web.json_response(
            self._part(int(request.query["offset"]), min(40, int(request.query["limit"])))
        )

    async def cursor(self, request: web.Request) -> web.Response:
        start = int(request.query.get("cursor") or 0)
        after = start + 100 if start + 100 < len(self.rows) else None
        return web.json_response({"items": self._part(start, 100), "meta": {"next": after}})

    async def link(self, request: web.Request) -> web.Response:
        start = int(request.query.get("from") or 0)
        after = str(request.url.with_query({"from": start + 100})) if start + 100 < len(self.rows) else None
        headers = {"Link": f'<{after}>; rel="next"'} if after else {}
        return web.json_response({"items": self._part(start, 100), "next": after}, headers=headers)

    async def since(self, request: web.Request) -> web.Response:
        self.asked.append(dict(request.query))
        return web.json_response([row for row in self.rows if row["at"] >= request.query.get("since", "")])

    async def hasty(self, _request: web.Request) -> web.Response:
        self.asked.append({})
        if len(self.asked) == 1:
            return web.Response(status=429, headers={"Retry-After": "1"})
        return web.json_response(self._part(0, 3))

    async def broken(self, _request: web.Request) -> web.Response:
        self.asked.append({})
        return web.Response(status=500)

    async def guarded(self, request: web.Request) -> web.Response:
        given = (request.headers.get("Authorization"), request.headers.get("X-Key"), request.query.get("key"))
        right = {"Bearer sesame-secret", "Basic YW5uOnNlc2FtZS1zZWNyZXQ=", "sesame-secret"}
        return web.json_response(self._part(0, 2)) if right & set(given) else web.Response(status=401)

    async def away(self, _request: web.Request) -> web.Response:
        return web.json_response({"items": [{"id": 1}], "next": "http://127.0.0.2:9/elsewhere"})

    async def page(self, _request: web.Request) -> web.Response:
        return web.Response(text="<html>", content_type="text/html")


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> Iterator[_Shop]:
    """The API, served from a thread of its own."""
    monkeypatch.setattr(api, "_BACKOFF_SECONDS", 0.01)
    shop = _Shop()
    loop = asyncio.new_event_loop()
    started = threading.Event()

    def serve() -> None:
        app = web.Application()
        for name in (
            "pages",
            "offset",
            "cursor",
            "link",
            "since",
            "hasty",
            "broken",
            "guarded",
            "away",
            "page",
        ):
            app.router.add_get(f"/v1/{name}", getattr(shop, name))
        runner = web.AppRunner(app)
        loop.run_until_complete(runner.setup())
        loop.run_until_complete(web.TCPSite(runner, "127.0.0.1", 0).start())
        shop.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        started.set()
        loop.run_forever()
        loop.run_until_complete(runner.cleanup())
        loop.close()

    thread = threading.Thread(target=serve)
    thread.start()
    started.wait()
    yield shop
    loop.call_soon_threadsafe(loop.stop)
    thread.join()


def _ingest(tmp_path: Path, shop: _Shop, resource: dict[str, Any], **more: Any) -> TableLoad:
    settings = RestApiSettings.model_validate(
        {"type": "rest_api", "base_url": shop.url, "resources": {"things": resource}, **more}
    )
    url = f"duckdb:///{tmp_path}/w.duckdb"
    return ingest("api", settings, warehouse_url=url, home=tmp_path / ".headrace").tables["things"]


def _rows(tmp_path: Path, sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(tmp_path / "w.duckdb"), read_only=True) as connection:
        return list(connection.execute(sql).fetchall())


@pytest.mark.parametrize(
    "resource",
    [
        {
            "path": "/pages",
            "data_path": "data.items",
            "pagination": {"type": "page", "size_param": "per_page", "size": 60},
        },
        {"path": "offset", "pagination": {"type": "offset"}},
        {
            "path": "cursor",
            "data_path": "items",
            "pagination": {"type": "cursor", "cursor_path": "meta.next"},
        },
        {"path": "link", "data_path": "items", "pagination": {"type": "link", "next_path": "next"}},
        {"path": "link", "data_path": "items", "pagination": {"type": "link"}},
    ],
    ids=["page", "offset", "cursor", "link", "link-header"],
)
def test_every_page_arrives(tmp_path: Path, shop: _Shop, resource: dict[str, Any]) -> None:
    """All records come, once, whatever the pagination, even where a server sends fewer than asked for."""
    assert _ingest(tmp_path, shop, resource).rows == 250
    found = _rows(tmp_path, 'SELECT count(DISTINCT id), sum(v), typeof(any_value("in")) FROM api.things')
    assert found == [(250, sum(row["v"] for row in shop.rows), "JSON")]


def test_incremental_asks_for_what_is_new(tmp_path: Path, shop: _Shop) -> None:
    """The watermark goes into the parameter; records at it are neither lost nor doubled."""
    resource = {"path": "since", "primary_key": "id", "incremental": {"cursor": "at", "param": "since"}}
    assert _ingest(tmp_path, shop, resource).rows == 250
    assert _ingest(tmp_path, shop, resource).rows == 0
    shop.rows.append({"id": 900, "at": "2024-01-01T00:00:59Z", "v": 1, "in": None})
    shop.rows[59]["v"] = 77
    assert _ingest(tmp_path, shop, resource).rows == 2
    assert shop.asked == [{}, {"since": "2024-01-01T00:00:59Z"}, {"since": "2024-01-01T00:00:59Z"}]
    assert _rows(tmp_path, "SELECT count(*), max(v) FILTER (id = 59) FROM api.things") == [(251, 77.0)]


def test_an_api_that_asks_to_wait_is_waited_for(tmp_path: Path, shop: _Shop) -> None:
    """429 with Retry-After is no failure."""
    assert _ingest(tmp_path, shop, {"path": "hasty"}).rows == 3
    assert len(shop.asked) == 2


@pytest.mark.parametrize(
    "auth",
    [
        {"type": "bearer", "token": "sesame-secret"},
        {"type": "basic", "username": "ann", "password": "sesame-secret"},
        {"type": "api_key", "name": "X-Key", "value": "sesame-secret"},
        {"type": "api_key", "name": "key", "value": "sesame-secret", "location": "query"},
    ],
    ids=["bearer", "basic", "header", "query"],
)
def test_credentials_are_sent_as_declared(tmp_path: Path, shop: _Shop, auth: dict[str, str]) -> None:
    """Each kind of credential opens the API."""
    assert _ingest(tmp_path, shop, {"path": "guarded"}, auth=auth).rows == 2


@pytest.mark.parametrize(
    ("resource", "words"),
    [
        ({"path": "guarded"}, r"api\.things: the API refuses the credentials \(401\)"),
        ({"path": "broken"}, r"the API fails \(500\), 5 times in a row"),
        ({"path": "nowhere"}, r"answers 404 to http://.*/v1/nowhere"),
        ({"path": "page"}, "answer is no JSON"),
        ({"path": "cursor", "data_path": "rows"}, "data_path 'rows' is not in the API's answer.*'items'"),
        (
            {"path": "away", "data_path": "items", "pagination": {"type": "link", "next_path": "next"}},
            "sends us to http://127.0.0.2:9",
        ),
        (
            {"path": "link", "data_path": "items", "pagination": {"type": "page", "param": "p"}},
            "same page again. Does it know the parameter 'p'",
        ),
        ({"path": "link", "data_path": "items", "primary_key": "key"}, "primary key 'key' is no column"),
    ],
)
def test_failures_are_told_in_words(
    tmp_path: Path, shop: _Shop, resource: dict[str, Any], words: str
) -> None:
    """What the API does wrong is said with what to do, and without the credential."""
    auth = {"type": "api_key", "name": "key", "value": "wrong-secret", "location": "query"}
    with pytest.raises(SourceError, match=words) as caught:
        _ingest(tmp_path, shop, resource, auth=auth)
    assert "wrong-secret" not in str(caught.value)


def test_an_api_that_is_not_there(tmp_path: Path, shop: _Shop) -> None:
    """A refused connection is tried again and then told."""
    shop.url = "http://127.0.0.1:1"
    with pytest.raises(SourceError, match="cannot be reached"):
        _ingest(tmp_path, shop, {"path": "x"})
