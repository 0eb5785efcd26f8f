"""Templates of declared connectors: what a placeholder stands for, and where it can do no harm."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.destinations.declared.calls import PreparedCall
from connectors.destinations.declared.format import Call
from connectors.destinations.declared.template import (
    MISSING,
    Template,
    UnsendableError,
    compile_body,
    header_text,
    path_text,
)

VALUES: dict[str, Any] = {
    "record": {
        "name": "Zoë",
        "tier": {"now": "gold"},
        "n": 3,
        "yes": True,
        "no": None,
        "big": 2**60,
        "price": Decimal("1.50"),
        "at": dt.datetime(2026, 1, 2, tzinfo=dt.UTC),
        "list": [{"a": 1}],
    },
    "match": {"email": "a/b@c.example", "deep.id": 7},
    "sync": "crm",
    "settings": {"key": "k"},
}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("plain", "plain"),
        ("{{x}}", "{x}"),
        ("{record.name}", "Zoë"),
        ("{record.tier.now}", "gold"),
        ("{record.tier}", {"now": "gold"}),
        ("{record.n}", 3),
        ("{record.yes}", True),
        ("{record.no}", None),
        ("{record.big}", str(2**60)),
        ("{record.price}", 1.5),
        ("{record.at}", "2026-01-02T00:00:00Z"),
        ("{record.list.0.a}", 1),
        ("{record.list.1.a}", MISSING),
        ("{record.nothing}", MISSING),
        ("{match.deep.id}", 7),
        ("{sync}: {record.n}/{record.yes}/{record.no}/{record.nothing}", "crm: 3/true//"),
    ],
)
def test_a_placeholder_stands_for_the_typed_value(text: str, value: Any) -> None:
    """Alone it keeps its type, within a text it becomes one."""
    assert Template.parse(text).typed(VALUES) == value


@pytest.mark.parametrize(
    "text", ["{", "}", "{}", "{ a}", "{a b}", "{a..b}", "{1}", "{sync.x}", "{settings}", "{{a}"]
)
def test_what_is_no_placeholder_is_an_error(text: str) -> None:
    """A slip in a template is told when the file is read."""
    with pytest.raises(ValueError, match=r"brace|placeholder|nothing stands|setting"):
        Template.parse(text)


def test_a_list_within_a_text_is_refused() -> None:
    """No representation of Python's reaches the other side."""
    with pytest.raises(UnsendableError, match="tier"):
        Template.parse("tier {record.tier}").typed(VALUES)


def test_a_body_keeps_its_shape() -> None:
    """Static parts stay; what a row does not have is left out of mappings and null in lists."""
    body = {
        "a": ["{record.n}", "{record.nothing}", 1],
        "b": {"c": "{record.nothing}", "d": None},
        "e": dt.date(2026, 1, 2),
    }
    assert compile_body(body)(VALUES) == {"a": [3, None, 1], "b": {"d": None}, "e": "2026-01-02"}


@pytest.mark.parametrize("value", ["", None, ".", "..", "./.."])
def test_an_identifier_that_leads_elsewhere_is_refused(value: str | None) -> None:
    """DELETE /contacts/ is not DELETE /contacts/x."""
    template = Template.parse("/contacts/{match.id}")
    if value == "./..":
        assert path_text(template, {"match": {"id": value}}) == "/contacts/.%2F.."
        return
    with pytest.raises(UnsendableError):
        path_text(template, {"match": {"id": value}})


@given(st.text(min_size=1).filter(lambda text: text not in {".", ".."}))
def test_a_value_never_leaves_its_segment(value: str) -> None:
    """Whatever an identifier holds, the path has the segments that the file wrote."""
    path = path_text(Template.parse("/contacts/{match.id}/tags"), {"match": {"id": value}})
    assert path.isascii()
    assert [unquote(segment) for segment in path.split("/")] == ["", "contacts", value, "tags"]
    assert not set("?# \r\n") & set(path)


@given(st.text())
def test_a_header_never_holds_a_line_break(value: str) -> None:
    """A value makes a header's text, or the row is refused."""
    try:
        text = header_text(Template.parse("v {match.id}"), {"match": {"id": value}})
    except UnsendableError:
        return
    assert text == f"v {value}"
    assert text.isascii()
    assert text.isprintable()


def test_query_parameters_are_encoded_beside_the_paths_own() -> None:
    """A path may hold a query already; credentials come last."""
    call = Call.model_validate({"path": "/x?a=1", "query": {"e mail": "{match.email}"}, "body": "{record.n}"})
    request = PreparedCall(call, {"key": "s&t"}).request(VALUES)
    assert (request.method, request.path) == ("POST", "/x?a=1&e%20mail=a%2Fb%40c.example&key=s%26t")
    assert request.content == b"3"
