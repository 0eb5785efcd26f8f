"""The sandbox CRM, over real HTTP on this machine."""

from __future__ import annotations

import datetime as dt
import io
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from itertools import islice
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st

from connectors.errors import ConfigError
from connectors.sandboxes import serve
from connectors.sandboxes.faults import FAULTS, Faults
from connectors.sandboxes.server import Sandbox
from connectors.sandboxes.state import masked
from connectors.sandboxes.traffic import RateLimit, Request, Traffic

TOKEN = "let-me-in"
UPSERT, ARCHIVE = "/v1/contacts/batch/upsert", "/v1/contacts/batch/archive"


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A sandbox without faults."""
    with Sandbox(token=TOKEN, requests_per_second=1_000) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="function")
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    """An HTTP client with the right token."""
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {TOKEN}"}) as session:
        yield session


def row(name: str, **properties: Any) -> dict[str, Any]:
    """A row of an upsert."""
    return {"id": name, "properties": properties}


async def post(
    client: aiohttp.ClientSession, sandbox: Sandbox, path: str, *rows: Any, key: str | None = None
) -> tuple[int, Any]:
    """Status and JSON of a batch."""
    headers = {"Idempotency-Key": key} if key else {}
    async with client.post(sandbox.url + path, json={"inputs": list(rows)}, headers=headers) as answer:
        return answer.status, await answer.json()


async def test_the_token_is_wanted(sandbox: Sandbox, client: aiohttp.ClientSession) -> None:
    """The check passes with the token alone."""
    async with client.get(f"{sandbox.url}/v1/me") as answer:
        assert answer.status == 200
    for wrong in ("Bearer other", "Bearer ", "Basic let-me-in", ""):
        async with client.get(f"{sandbox.url}/v1/me", headers={"Authorization": wrong}) as answer:
            assert answer.status == 401
            assert (await answer.json())["error"]["code"] == "unauthorized"


async def test_a_sandbox_without_a_token_takes_any(client: aiohttp.ClientSession) -> None:
    """Where no token was set, any will do, but there must be one."""
    with Sandbox() as sandbox:
        async with client.get(f"{sandbox.url}/v1/me") as answer:
            assert answer.status == 200
        async with client.get(f"{sandbox.url}/v1/me", headers={"Authorization": ""}) as answer:
            assert answer.status == 401


async def test_contacts_are_created_updated_and_archived(
    sandbox: Sandbox, client: aiohttp.ClientSession
) -> None:
    """Given properties are set, null empties one, others stay; writing brings an archived one back."""
    assert await post(client, sandbox, UPSERT, row("1", email="zoë@example.com", tier="a")) == (
        200,
        {"results": [{"index": 0, "id": "1", "status": "created"}]},
    )
    _, answer = await post(client, sandbox, UPSERT, row("1", tier=None, risk=0.5))
    assert answer["results"][0]["status"] == "updated"
    assert sandbox.crm.contacts["1"].properties == {"email": "zoë@example.com", "risk": 0.5}
    for expected in ("archived", "absent"):
        _, answer = await post(client, sandbox, ARCHIVE, {"id": "1"})
        assert answer["results"][0]["status"] == expected
    assert sandbox.crm.contacts["1"].archived
    await post(client, sandbox, UPSERT, row("1", risk=0.6))
    async with client.get(f"{sandbox.url}/v1/contacts/1") as found:
        assert await found.json() == {
            "id": "1",
            "archived": False,
            "properties": {"email": "zoë@example.com", "risk": 0.6},
        }
    async with client.get(f"{sandbox.url}/v1/contacts/2") as missing:
        assert missing.status == 404


async def test_bad_rows_are_refused_alone(sandbox: Sandbox, client: aiohttp.ClientSession) -> None:
    """A 207 names each bad row by its index; the good ones are written."""
    status, answer = await post(
        client,
        sandbox,
        UPSERT,
        row("1", email="a@example.com"),
        row("2", email="a@@example.com"),
        {"id": 3, "properties": {}},
        {"id": "4"},
        row("1", email="b@example.com"),
        "no object",
        row("5", email=None),
    )
    assert status == 207
    assert [(error["index"], error["code"]) for error in answer["errors"]] == [
        (1, "invalid_email"),
        (2, "invalid_id"),
        (3, "missing_properties"),
        (4, "duplicate_id"),
        (5, "invalid_id"),
    ]
    assert set(sandbox.crm.contacts) == {"1", "5"}
    assert sandbox.state()["counts"]["rows_rejected"] == 5


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, "invalid_json"),
        (b"[]", 400, "missing_inputs"),
        (b'{"inputs": []}', 400, "missing_inputs"),
        (b'{"inputs": [%s]}' % b",".join([b"{}"] * 101), 400, "too_many_rows"),
        (b" " * 1_048_577, 413, "request_entity_too_large"),
    ],
)
async def test_bad_requests_are_refused_whole(
    sandbox: Sandbox, client: aiohttp.ClientSession, body: bytes, status: int, code: str
) -> None:
    """What is no batch of a hundred rows in a mebibyte is refused, and nothing of it is written."""
    async with client.post(sandbox.url + UPSERT, data=io.BytesIO(body)) as answer:
        assert answer.status == status
        assert (await answer.json())["error"]["code"] == code
    assert not sandbox.crm.contacts


async def test_unknown_calls_are_answered_in_json(sandbox: Sandbox, client: aiohttp.ClientSession) -> None:
    """A wrong path or method is told in the API's own form."""
    for method, path, status in (("GET", "/v1/nothing", 404), ("GET", UPSERT, 405), ("PUT", UPSERT, 405)):
        async with client.request(method, sandbox.url + path) as answer:
            assert answer.status == status
            assert "error" in await answer.json()


async def test_a_repeated_key_does_no_second_work(sandbox: Sandbox, client: aiohttp.ClientSession) -> None:
    """The same key gets the same answer, is counted as a repeat, and does not fit another request."""
    first = await post(client, sandbox, UPSERT, row("1", n=1), key="k")
    await post(client, sandbox, UPSERT, row("1", n=2), key="other")
    assert await post(client, sandbox, UPSERT, row("1", n=1), key="k") == first
    assert sandbox.crm.contacts["1"].properties == {"n": 2}
    assert sandbox.state()["requests"]["repeats"] == 1
    status, answer = await post(client, sandbox, UPSERT, row("1", n=3), key="k")
    assert (status, answer["error"]["code"]) == (422, "idempotency_key_reused")


async def test_too_fast_is_told_with_the_time_to_wait(client: aiohttp.ClientSession) -> None:
    """Beyond the limit comes a 429 with Retry-After; each answer says how many requests are left."""
    with Sandbox(requests_per_second=3) as sandbox:
        statuses = []
        for _ in range(9):
            async with client.get(f"{sandbox.url}/v1/me") as answer:
                statuses.append(answer.status)
                assert answer.headers["RateLimit-Limit"] == "3"
                assert ("Retry-After" in answer.headers) == (answer.status == 429)
    assert statuses[:3] == [200] * 3
    assert 429 in statuses


def test_the_rate_is_counted_by_the_second() -> None:
    """A new second lets requests in again."""
    now = 10.2
    limit = RateLimit(2, clock=lambda: now)
    assert [limit.admit()[0] for _ in range(3)] == [True, True, False]
    assert limit.admit()[1]["RateLimit-Remaining"] == "0"
    now = 11.0
    assert limit.admit()[0]


@pytest.mark.parametrize(
    ("fault", "written"),
    [
        ("429", False),
        ("500", False),
        ("html502", False),
        ("drop_before", False),
        ("drop_after", True),
        ("truncate", True),
        ("slow", True),
    ],
)
async def test_faults_strike_before_or_after_the_work(
    client: aiohttp.ClientSession, fault: str, *, written: bool
) -> None:
    """Each fault looks on the wire as its name says, and the state tells whether the work was done."""
    with Sandbox(faults=f"{fault}:1", slow_seconds=0.01) as sandbox:
        try:
            async with client.post(sandbox.url + UPSERT, json={"inputs": [row("1", n=1)]}) as answer:
                seen: object = answer.status
                await answer.read()
        except aiohttp.ClientError as error:
            seen = type(error)
        state = sandbox.state()
    expected = {
        "429": 429,
        "500": 500,
        "html502": 502,
        "drop_before": aiohttp.ServerDisconnectedError,
        "drop_after": aiohttp.ServerDisconnectedError,
        "truncate": aiohttp.ClientPayloadError,
        "slow": 200,
    }
    assert seen == expected[fault] or (isinstance(seen, type) and issubclass(seen, aiohttp.ClientOSError))
    assert ("1" in sandbox.crm.contacts) == written
    assert state["requests"]["faults"] == {fault: 1}


async def test_what_was_lost_on_the_way_back_is_not_done_twice(client: aiohttp.ClientSession) -> None:
    """An answer that was dropped or cut is given again under the same key, without the work."""
    with Sandbox(faults="drop_after:0.5,truncate:0.5", seed=3) as sandbox:
        for _ in range(4):
            with pytest.raises(aiohttp.ClientError):
                await post(client, sandbox, UPSERT, row("1", n=1), key="k")
    assert sandbox.state()["counts"]["rows_created"] == 1
    assert sandbox.state()["counts"]["rows_updated"] == 0


def test_faults_come_the_same_way_from_the_same_seed() -> None:
    """A seed fixes which request is struck by what, at about the asked shares."""
    faults = Faults.parse("429:0.1, slow:0.2")
    drawn = [list(islice(faults.strikes(5), 2_000)) for _ in range(2)]
    assert drawn[0] == drawn[1]
    assert 120 < drawn[0].count("429") < 280 < drawn[0].count("slow") < 520
    assert next(Faults.parse("").strikes(5)) is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("505:0.1", "no fault is called '505'; there are 429, 500"),
        ("slow", "the share of fault 'slow' is ''"),
        ("slow:2", "is '2'; it is a number from 0 to 1"),
        ("slow:nan", "is 'nan'"),
        ("slow:0.6,429:0.6", "add up to 1.2"),
    ],
)
def test_wrong_faults_are_told(text: str, words: str) -> None:
    """The error says what was found and what is allowed."""
    with pytest.raises(ConfigError, match=words):
        Faults.parse(text)


@given(st.text(max_size=30) | st.from_regex(rf"({'|'.join(FAULTS)}):[0-9.e-]{{1,5}}", fullmatch=True))
def test_any_text_is_read_or_refused(text: str) -> None:
    """Whatever stands after --faults, the answer is faults or an error in words."""
    try:
        faults = Faults.parse(text)
    except ConfigError:
        return
    assert 0 <= sum(faults.shares.values()) <= 1


async def test_the_page_escapes_and_masks(sandbox: Sandbox, client: aiohttp.ClientSession) -> None:
    """Values of contacts are escaped, and what names a person is cut, on the page and in the JSON."""
    await post(
        client,
        sandbox,
        UPSERT,
        row("<script>1", email="zoe.moreau@example.com", first_name="Zoé", note="<img src=x>", risk=0.9),
    )
    async with client.get(sandbox.page_url) as answer:
        page = await answer.text()
        assert answer.content_type == "text/html"
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert "&lt;script&gt;1" in page
    assert "&lt;img src=x&gt;" in page
    assert "<img" not in page
    assert "<script" not in page
    async with client.get(sandbox.page_url, params={"format": "json"}) as answer:
        shown = await answer.json()
    assert shown == sandbox.state()
    assert shown["sample"][0]["properties"]["email"] == "z…@example.com"
    assert shown["last_requests"][0]["request"] == f"POST {UPSERT}"
    for text in (page, str(shown)):
        assert "moreau" not in text
        assert "Zoé" not in text
        assert TOKEN not in text


def test_masks_reach_into_nested_values() -> None:
    """Lists and objects are masked as their innermost values."""
    nested = {
        "emails": ["ann@example.org"],
        "address": {"city": "Köln", "mail": "bo@example.org"},
        "risk": 0.5,
    }
    assert masked(nested) == {
        "emails": ["a…@example.org"],
        "address": {"city": "Köln", "mail": "b…@example.org"},
        "risk": 0.5,
    }


async def test_only_names_of_this_machine_are_answered(
    sandbox: Sandbox, client: aiohttp.ClientSession
) -> None:
    """A page of another site that resolves its own name to this machine reads nothing."""
    async with client.get(sandbox.page_url, headers={"Host": "evil.example"}) as answer:
        assert answer.status == 421
    async with client.get(sandbox.page_url, headers={"Host": f"localhost:{sandbox.port}"}) as answer:
        assert answer.status == 200


def test_the_log_of_requests_is_bounded() -> None:
    """All are counted, a hundred are kept."""
    traffic = Traffic()
    for number in range(250):
        traffic.record(Request(dt.datetime.now(dt.UTC), "GET", f"/v1/{number}", 200, 0.1))
    assert traffic.total == 250
    assert len(traffic.last) == 100
    assert traffic.last[0].path == "/v1/249"


def test_a_taken_port_is_told(sandbox: Sandbox) -> None:
    """The error names the port and the way out."""
    with pytest.raises(ConfigError, match=f"port {sandbox.port}: .*choose another with --port"):
        Sandbox(sandbox.port).start()


def test_only_known_sandboxes_are_served() -> None:
    """An unknown type is told with the known ones."""
    with pytest.raises(ConfigError, match="no sandbox of 'erp'; there are: crm"):
        serve("erp", 0)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serving_ends_with_a_signal(number: signal.Signals) -> None:
    """Ctrl-C and SIGTERM end `serve` in order."""
    program = (
        "from connectors.sandboxes import serve\n"
        "print(serve('crm', 0, on_ready=lambda s: print(s.url, flush=True)).state()['counts']['contacts'])"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("http://127.0.0.1:")
        process.send_signal(number)
        assert process.stdout.read() == "0\n"
    assert process.returncode == 0
