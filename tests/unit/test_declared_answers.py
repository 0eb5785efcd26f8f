"""What answers to declared calls say about rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.answer import Answer
from connectors.batch import Batch
from connectors.destination import OnRemoved, Target
from connectors.destinations.declared import load
from connectors.destinations.declared.answers import read_answer
from connectors.destinations.declared.format import Call
from connectors.errors import BatchRefused, DestinationError, OutcomeUnknown, Unavailable
from connectors.operation import Kind, Mode, Operation, Rejection
from connectors.testing import Received, Reply, Sink, serve

DELETE: OnRemoved = "delete"


def operation(number: int, kind: Kind = Kind.ADD, email: str | None = None) -> Operation:
    """A row."""
    record = {"email": email or f"Row{number}@example.com"}
    gone = kind is Kind.REMOVE
    return Operation(number, kind, {"id": number}, record, None if gone else record, record if gone else None)


ROWS = [operation(number) for number in range(3)]


def call(**members: Any) -> Call:
    """A call for many."""
    return Call.model_validate({"path": "/x", "row": "{record}", **members})


def read(
    made: Call, status: int, document: Any, rows: list[Operation] = ROWS
) -> list[tuple[int, str, str, bool]]:
    """The rejections of an answer."""
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    found = read_answer(Answer(status, {}, body, "http://a.example"), made, rows, Answer.error)
    return [(r.operation.seq, r.code, r.message, r.retryable) for r in found]


def test_errors_by_index() -> None:
    """Items name rows by number, as a number or as text; a row named twice is refused once."""
    made = call(errors={"path": "errors", "at": "i", "retryable_codes": ["LOCKED"]})
    items = [{"i": 1, "code": "LOCKED", "message": "busy"}, {"i": "2"}, {"i": 1}]
    assert read(made, 207, {"errors": items}) == [(1, "LOCKED", "busy", True), (2, "rejected", "", False)]


def test_errors_by_identifier_whatever_its_case() -> None:
    """Items name rows by an identifier that the API may have lower-cased."""
    made = call(errors={"path": "a.b", "by": "id", "at": "who.mail", "row_id": "{match.email}"})
    assert read(made, 200, {"a": {"b": [{"who": {"mail": "row2@example.com"}}]}})[0][0] == 2


def test_results_by_position() -> None:
    """A list of all rows' results, of which some are refusals."""
    made = call(errors={"path": "results", "by": "position", "only": {"success": False},
                        "code": "errors.0.statusCode", "message": "errors.0.message"})  # fmt: skip
    results = [{"success": True}, {"success": False, "errors": [{"statusCode": "DUP", "message": "twice"}]},
               {"success": True}]  # fmt: skip
    assert read(made, 200, {"results": results}) == [(1, "DUP", "twice", False)]
    with pytest.raises(OutcomeUnknown, match="2 items for 3 rows"):
        read(made, 200, {"results": results[:2]})


@pytest.mark.parametrize("document", [{}, {"errors": None}, {"errors": []}, [], 3, b""])
def test_no_list_of_errors_means_none(document: Any) -> None:
    """A 2xx without errors accepts the rows."""
    assert read(call(errors={"path": "errors"}), 200, document) == []


@pytest.mark.parametrize(
    "document",
    [{"errors": {}}, {"errors": 1}, {"errors": [{}]}, {"errors": [{"index": 3}]},
     {"errors": [{"index": True}]}, {"errors": [{"index": "²"}]}, {"errors": ["x"]}, b"<html>",
     b'{"errors": ['],
)  # fmt: skip
def test_errors_that_cannot_be_understood_are_no_yes(document: Any) -> None:
    """Some row was refused and nobody knows which."""
    with pytest.raises(OutcomeUnknown):
        read(call(errors={"path": "errors"}), 200, document)


def test_a_status_that_tells_rows_is_read_or_refuses_the_batch() -> None:
    """A 422 with row errors refuses those, one without refuses all."""
    made = call(errors={"path": "errors", "statuses": [422]})
    assert [found[0] for found in read(made, 422, {"errors": [{"index": 0}]})] == [0]
    documents: list[Any] = [{}, {"errors": []}, {"errors": [{"index": 9}]}]
    for document in documents:
        with pytest.raises(BatchRefused):
            read(made, 422, document)


def test_200_is_not_always_success() -> None:
    """Where the body carries the verdict, the status does not."""
    made = call(accepted_when={"ok": True})
    assert read(made, 200, {"ok": True}) == []
    for document in ({"ok": False, "error": "not_in_channel"}, {"ok": 1}, {}, b""):
        with pytest.raises(BatchRefused) as caught:
            read(made, 200, document)
        assert caught.value.code == "not_accepted"


def test_only_the_statuses_given_are_success() -> None:
    """A 2xx that nobody expected is not taken for a yes."""
    assert read(call(statuses=[200]), 200, {}) == []
    with pytest.raises(OutcomeUnknown):
        read(call(statuses=[200]), 202, {})


@given(
    document=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(["errors", "index", "code", "message", "ok"]), inner, max_size=4
            )
        ),
        max_leaves=12,
    ),
    errors=st.fixed_dictionaries(
        {
            "path": st.sampled_from(["errors", "errors.errors", "0"]),
            "by": st.sampled_from(["index", "id", "position"]),
        },
        optional={"only": st.just({"code": "x"}), "code": st.just("code.code"), "statuses": st.just([422])},
    ),
    status=st.sampled_from([200, 207, 422, 500]),
)
@settings(max_examples=80, deadline=None)
def test_any_answer_is_rejections_of_this_batch_or_an_error(
    document: Any, errors: dict[str, Any], status: int
) -> None:
    """No JSON body breaks the reading."""
    made = call(errors={**errors, "row_id": "{match.email}"})
    try:
        found = read(made, status, document)
    except DestinationError:
        return
    assert status != 500
    assert found or status != 422
    assert {row[0] for row in found} <= {0, 1, 2}


MIXED = {
    "description": "An API.",
    "idempotency_header": "Idempotency-Key",
    "limits": {"batch_size": 10},
    "objects": {
        "people": {
            "add": {"path": "/add", "row": "{record}"},
            "change": {"path": "/change", "row": "{record}"},
            "remove": {"method": "DELETE", "path": "/people/{match.email}", "missing_ok": [404]},
        }
    },
}


async def write(folder: Path, sink: Sink, rows: list[Operation], mode: Mode = Mode.MIRROR) -> list[Rejection]:
    """Write rows with the connector above."""
    path = folder / "people.yml"
    path.write_text(yaml.safe_dump(MIXED), encoding="utf-8")
    connector = load(path)
    target = Target("s", "r", None, mode, ("id",), ("email",), ("email",), DELETE)
    made = connector(connector.Settings.model_validate({"base_url": sink.url}), target)
    await made.start()
    try:
        return await made.write(Batch.of(rows))
    finally:
        await made.close()


async def test_each_kind_of_row_goes_to_its_call(tmp_path: Path) -> None:
    """A batch of removes, changes and adds makes requests in that order, each under a key of its own."""
    rows = [
        operation(0, Kind.REMOVE),
        operation(1, Kind.REMOVE),
        operation(2, Kind.CHANGE),
        operation(3),
        operation(4),
    ]
    with serve() as sink:
        assert await write(tmp_path, sink, rows) == []
    seen = [(received.method, unquote(received.path)) for received in sink.received]
    assert seen == [("DELETE", "/people/Row0@example.com"), ("DELETE", "/people/Row1@example.com"),
                    ("POST", "/change"), ("POST", "/add")]  # fmt: skip
    assert len(sink.received[3].json()) == 2
    assert len({received.headers["idempotency-key"] for received in sink.received}) == 4


async def test_update_sends_new_rows_as_changes(tmp_path: Path) -> None:
    """In mode update no row is created: new rows of the model are updates too."""
    with serve() as sink:
        await write(tmp_path, sink, [operation(0), operation(1, Kind.CHANGE)], Mode.UPDATE)
    assert [received.path for received in sink.received] == ["/change"]


async def test_a_row_without_its_identifier_is_refused_before_it_is_sent(tmp_path: Path) -> None:
    """DELETE of an empty identifier would reach the whole collection."""
    with serve() as sink:
        found = await write(
            tmp_path, sink, [operation(0, Kind.REMOVE, email=".."), operation(1, Kind.REMOVE)]
        )
    assert [(rejection.operation.seq, rejection.code) for rejection in found] == [(0, "not_sendable")]
    assert len(sink.received) == 1


async def test_a_refused_single_row_is_a_rejection_and_a_failure_is_not(tmp_path: Path) -> None:
    """A 400 about one row is that row's; a 500 is the batch's."""

    def answer(received: Received) -> Reply:
        return Reply(400, json={"message": "odd"}) if "Row0" in received.path else Reply(404)

    rows = [operation(0, Kind.REMOVE), operation(1, Kind.REMOVE)]
    with serve(answer=answer) as sink:
        [rejection] = await write(tmp_path, sink, rows)
    assert (rejection.operation.seq, rejection.code) == (0, "400")
    with serve(Reply(500)) as sink, pytest.raises(Unavailable):
        await write(tmp_path, sink, rows)
