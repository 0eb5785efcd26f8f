"""The webhook's wire format, to the byte, and the reading of its answers."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.answer import Answer
from connectors.batch import Batch
from connectors.destination import Limits, LimitSettings, Target
from connectors.destinations.webhook import Webhook, WebhookSettings, _rejections
from connectors.errors import BatchRefused, DestinationError, OutcomeUnknown, Throttled
from connectors.http import HttpClient
from connectors.operation import Kind, Mode, Operation, Rejection
from connectors.testing import Received, Reply, serve

TARGET = Target("crm", "run-7", None, Mode.UPSERT, ("id",), (), ("name",))


def operations(count: int) -> list[Operation]:
    """Some adds."""
    return [Operation(n, Kind.ADD, {"id": n}, {"id": n}, {"name": f"n{n}"}) for n in range(count)]


async def post(reply: Reply, rows: int = 3, **options: Any) -> tuple[list[Rejection], list[Received]]:
    """Write some rows to a server that answers so."""
    with serve(reply) as sink:
        hook = Webhook(WebhookSettings(url=f"{sink.url}/in?a=b", **options), TARGET)
        await hook.start()
        try:
            return await hook.write(Batch.of(operations(rows), sync="crm", run_id="run-7")), sink.received
        finally:
            await hook.close()


async def test_the_body_is_the_format_others_rely_on() -> None:
    """One envelope with sync, run and rows; each row with its four members."""
    _, [received] = await post(Reply(), rows=1)
    assert (received.method, received.path, received.query) == ("POST", "/in", {"a": "b"})
    assert received.headers["content-type"] == "application/json"
    assert received.json() == {
        "sync": "crm",
        "run": "run-7",
        "rows": [{"operation": "add", "key": {"id": 0}, "record": {"name": "n0"}, "previous": None}],
    }
    assert "x-headrace-signature" not in received.headers


async def test_the_signature_is_the_hmac_of_the_body() -> None:
    """A receiver can prove who sent the rows."""
    _, [received] = await post(Reply(), secret="very-secret")
    digest = hmac.new(b"very-secret", received.body, hashlib.sha256).hexdigest()
    assert received.headers["x-headrace-signature"] == f"sha256={digest}"


@pytest.mark.parametrize("status", [200, 201, 202, 204, 207])
@pytest.mark.parametrize(
    "body", [b"", b"ok", b"[]", b"{}", b'{"rejected":[]}', b'{"rejected":null}', b"<html>"]
)
async def test_any_2xx_accepts(status: int, body: bytes) -> None:
    """A receiver need not answer more than a status."""
    assert (await post(Reply(status, body=b"" if status == 204 else body)))[0] == []


@pytest.mark.parametrize("status", [200, 207, 422])
async def test_named_rows_are_rejected_alone(status: int) -> None:
    """The rows that are named were refused, the others accepted."""
    item = {"index": 1, "code": 17, "message": "no\nsuch  thing", "retryable": True}
    found, _ = await post(Reply(status, json={"rejected": [item, {"index": 2}, {"index": 1}]}))
    assert [(r.operation.seq, r.code, r.message, r.retryable) for r in found] == [
        (1, "17", "no such thing", True),
        (2, "rejected", "", False),
    ]


WRONG = [
    b'{"rejected": 3}',
    b'{"rejected": {"0": "bad"}}',
    b'{"rejected": [{"index": 3}]}',
    b'{"rejected": [{"index": -1}]}',
    b'{"rejected": [{"index": true}]}',
    b'{"rejected": [{"index": "1"}]}',
    b'{"rejected": [{"index": 1.0}]}',
    b'{"rejected": [{"code": "x"}]}',
    b'{"rejected": [0]}',
    b'{"rejected": [{"index": 0}',
]


@pytest.mark.parametrize("body", WRONG)
async def test_an_answer_that_names_no_row_of_ours_is_no_yes(body: bytes) -> None:
    """Some row was refused, nobody knows which: the batch was neither accepted nor refused."""
    with pytest.raises(OutcomeUnknown, match="cannot be understood"):
        await post(Reply(200, body=body))


@pytest.mark.parametrize("body", [*WRONG, b"", b"{}", b'{"rejected": []}', b'{"error": "all wrong"}'])
async def test_a_422_that_names_no_row_refuses_the_batch(body: bytes) -> None:
    """The whole batch was refused: it is halved."""
    with pytest.raises(BatchRefused):
        await post(Reply(422, body=body))


async def test_rows_named_by_another_status_do_not_count() -> None:
    """Only 2xx and 422 speak of rows."""
    with pytest.raises(Throttled):
        await post(Reply(429, json={"rejected": [{"index": 0}]}))


async def test_a_body_beyond_its_limit_is_halved_not_sent() -> None:
    """`batch_bytes` is kept without splitting a batch in two requests under one key."""
    with pytest.raises(BatchRefused) as caught:
        await post(Reply(), rows=50, batch_bytes=1000)
    assert caught.value.code == "too_large"


@pytest.mark.parametrize(
    ("given_settings", "limits"),
    [
        ({}, Limits(100, None, 4, None)),
        ({"batch_size": 7, "batch_bytes": 5000}, Limits(7, None, 4, 5000)),
        ({"batch_size": 7, "limits": LimitSettings(batch_size=9, concurrency=2)}, Limits(9, None, 2, None)),
        ({"single": True, "limits": LimitSettings(batch_size=9)}, Limits(1, None, 4, None)),
    ],
)
def test_limits_come_from_the_settings(given_settings: dict[str, Any], limits: Limits) -> None:
    """`limits.batch_size` wins over `batch_size`, `single` over both."""
    assert Webhook.limits_for(WebhookSettings(url="http://a.example", **given_settings)) == limits


async def test_the_check_makes_no_request() -> None:
    """A receiver that only knows POST is not sent something to trip over."""
    with serve() as sink:
        await Webhook(WebhookSettings(url=sink.url)).check()
        assert sink.received == []


@given(
    body=st.binary(max_size=60)
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(["rejected", "index", "code", "message", "x"]), inner, max_size=4
            )
        ),
        max_leaves=12,
    ).map(lambda value: json.dumps(value).encode())
    | st.lists(
        st.fixed_dictionaries(
            {"index": st.integers(-2, 5) | st.text() | st.none(), "code": st.text() | st.none()}
        )
    ).map(lambda items: json.dumps({"rejected": items}).encode()),
    status=st.sampled_from([200, 202, 207, 422]),
)
@settings(max_examples=80, deadline=None)
def test_whatever_is_answered_is_understood_or_an_error_of_the_batch(body: bytes, status: int) -> None:
    """Any body gives rejections of this batch or a DestinationError, and a 422 is never a yes."""
    batch = Batch.of(operations(3))
    client = HttpClient(WebhookSettings(url="http://a.example"))
    try:
        found = _rejections(Answer(status, {}, body, "http://a.example"), batch, client)
    except DestinationError:
        return
    assert all(rejection.operation in batch.operations for rejection in found)
    assert len({rejection.operation.seq for rejection in found}) == len(found)
    assert found or status != 422
