"""A declared call, ready to make requests of rows."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import orjson

from connectors.destinations.declared.format import (
    BasicAuth,
    BearerAuth,
    Call,
    ConnectorFile,
    HeaderAuth,
    Probe,
    QueryAuth,
)
from connectors.destinations.declared.template import (
    Template,
    Values,
    compile_body,
    header_text,
    path_text,
)
from connectors.operation import Operation

__all__ = ["PreparedCall", "Request", "credentials", "row_values"]


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent: the path with its query, the headers of this request alone, the body."""

    method: str
    path: str
    headers: dict[str, str]
    content: bytes


def row_values(operation: Operation) -> dict[str, Any]:
    """What a row's placeholders stand for."""
    return {
        "record": operation.record,
        "previous": operation.previous,
        "match": operation.match,
        "previous_match": operation.previous_match or operation.match,
        "key": operation.key,
        "operation": operation.kind.value,
    }


class PreparedCall:
    """A call whose templates are parsed once for all its requests.

    Args:
        call: what the file says.
        query: query parameters that every request carries, credentials among them.
    """

    def __init__(self, call: Probe, query: dict[str, str]) -> None:
        self.call = call
        self.many = isinstance(call, Call) and call.row is not None
        self._path = Template.parse(call.path)
        texts = {name: Template.parse(text) for name, text in call.query.items()}
        self._query = texts
        self._fixed = [f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in query.items()]
        self._headers = {name: Template.parse(text) for name, text in call.headers.items()}
        body = "{rows}" if self.many and call.body is None else call.body
        self._body = None if body is None else compile_body(body)
        self._row = compile_body(call.row) if isinstance(call, Call) else compile_body(None)

    def row(self, values: Values) -> Any:
        """The JSON of one row in a request for many.

        Raises:
            UnsendableError: the row cannot be put into the template.
        """
        return self._row(values)

    def request(self, values: Values) -> Request:
        """The request for some values.

        Raises:
            UnsendableError: the values cannot be put into the templates.
        """
        path = path_text(self._path, values)
        own = (f"{quote(name, safe='')}={_quoted(text, values)}" for name, text in self._query.items())
        query = "&".join([*own, *self._fixed])
        headers = {name: header_text(text, values) for name, text in self._headers.items()}
        content = b"" if self._body is None else orjson.dumps(self._body(values))
        if query:
            path += ("&" if "?" in path else "?") + query
        return Request(self.call.method, path, headers, content)


def _quoted(text: Template, values: Values) -> str:
    return quote(text.text(values, str), safe="")


def credentials(file: ConnectorFile, settings: Values) -> tuple[dict[str, str], dict[str, str]]:
    """The headers and the query parameters that every request of a connector carries.

    Raises:
        UnsendableError: a value cannot stand in a header.
    """
    values = {"settings": settings}

    def header(text: str) -> str:
        return header_text(Template.parse(text), values)

    headers = {name: header(text) for name, text in file.headers.items()}
    match file.auth:
        case BearerAuth(token=token):
            headers["Authorization"] = f"Bearer {header(token)}"
        case HeaderAuth(name=name, value=value):
            headers[name] = header(value)
        case BasicAuth(user=user, password=password):
            pair = ":".join(Template.parse(part).text(values, str) for part in (user, password))
            headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        case QueryAuth(name=name, value=value):
            return headers, {name: Template.parse(value).text(values, str)}
    return headers, {}
