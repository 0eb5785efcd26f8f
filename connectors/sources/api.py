"""Resources of a JSON API as dlt resources, read page by page."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pydantic import SecretStr

from connectors.errors import SourceError
from connectors.redaction import redactor
from connectors.sources.settings import (
    ApiKeyAuth,
    BearerAuth,
    CursorPagination,
    LinkPagination,
    NoPagination,
    OffsetPagination,
    PagePagination,
    Pagination,
    Resource,
    RestApiSettings,
)

if TYPE_CHECKING:
    from dlt.extract import DltResource

__all__ = ["ATTEMPTS", "pages"]

ATTEMPTS = 5
"""How often a request is tried that fails with 429, 5xx or no answer at all; `Retry-After` is waited for."""

_BACKOFF_SECONDS = 1.0
_TIMEOUT_SECONDS = 60.0


def pages(name: str, settings: RestApiSettings, resource: Resource) -> DltResource:
    """The records of a resource, as they come, those that were read before left out."""
    from dlt.sources.rest_api import rest_api_resources

    endpoint: dict[str, Any] = {
        "path": resource.path.lstrip("/"),
        "response_actions": [_checked(resource.data_path, resource.pagination)],
        "params": {**_size(resource.pagination), **resource.params},
        "paginator": _paginator(resource.pagination),
    }
    if resource.data_path:
        endpoint["data_selector"] = resource.data_path
    if resource.incremental:
        endpoint["incremental"] = {
            "cursor_path": resource.incremental.cursor,
            "start_param": resource.incremental.param,
            "initial_value": resource.incremental.initial,
            "on_cursor_value_missing": "include",
        }
    client: Any = {
        "base_url": settings.base_url.rstrip("/") + "/",
        "headers": {header: _known(value) for header, value in settings.headers.items()},
        "auth": _auth(settings),
        "session": _session(settings.base_url),
    }
    key = list(resource.primary_key or ()) if resource.disposition == "append" else []
    declared: Any = {"name": name, "endpoint": endpoint, **({"primary_key": key} if key else {})}
    return rest_api_resources({"client": client, "resources": [declared]})[0]


def _checked(data_path: str | None, pagination: Pagination | None) -> Callable[..., None]:
    """Looks at each answer: errors, a data_path that leads nowhere, and the same page twice are raised."""
    last: list[tuple[str, bytes]] = []

    def check(response: Any, *_args: Any, **_options: Any) -> None:
        from dlt.common.jsonpath import find_values

        response.raise_for_status()
        body = response.json()
        if data_path and not find_values(data_path, body):
            keys = ", ".join(map(repr, body)) if isinstance(body, dict) else type(body).__name__
            raise SourceError(f"data_path {data_path!r} is not in the API's answer, which has: {keys}.")
        again = bool(last) and last[0][0] != response.url and last[0][1] == response.content
        if (
            again
            and isinstance(pagination, PagePagination | OffsetPagination)
            and _holds_records(body, data_path)
        ):
            raise SourceError(
                f"the API sends the same page again. Does it know the parameter {pagination.param!r}?"
            )
        last[:] = [(response.url, response.content)]

    return check


def _holds_records(body: Any, data_path: str | None) -> bool:
    from dlt.common.jsonpath import find_values

    found = find_values(data_path, body) if data_path else [body]
    return any(value not in ([], {}, None) for value in found)


def _size(pagination: Pagination | None) -> dict[str, Any]:
    if isinstance(pagination, PagePagination) and pagination.size_param:
        return {pagination.size_param: pagination.size}
    return {}


def _paginator(pagination: Pagination | None) -> Any:
    from dlt.sources.helpers.rest_client import paginators

    if isinstance(pagination, PagePagination):
        return paginators.PageNumberPaginator(
            base_page=pagination.first,
            page_param=pagination.param,
            total_path=None,
            stop_after_empty_page=True,
        )
    if isinstance(pagination, OffsetPagination):
        return _offset_paginator(pagination)
    if isinstance(pagination, CursorPagination):
        return paginators.JSONResponseCursorPaginator(pagination.cursor_path, pagination.param)
    if isinstance(pagination, LinkPagination):
        if pagination.next_path:
            return paginators.JSONLinkPaginator(pagination.next_path)
        return paginators.HeaderLinkPaginator()
    assert pagination is None or isinstance(pagination, NoPagination)  # noqa: S101 the union has no other member
    return paginators.SinglePagePaginator()


def _offset_paginator(pagination: OffsetPagination) -> Any:
    """Steps by the records received, not by those asked for: a server may send fewer than the limit."""
    from dlt.sources.helpers.rest_client.paginators import OffsetPaginator

    class ByRecords(OffsetPaginator):
        def update_state(self, response: Any, data: list[Any] | None = None) -> None:
            self.value_step = len(data or ())
            super().update_state(response, data)

    return ByRecords(
        pagination.limit,
        offset_param=pagination.param,
        limit_param=pagination.limit_param,
        total_path=None,
        stop_after_empty_page=True,
    )


def _auth(settings: RestApiSettings) -> Any:
    from dlt.sources.helpers.rest_client import auth as dlt_auth

    auth = settings.auth
    if auth is None:
        return None
    if isinstance(auth, BearerAuth):
        return dlt_auth.BearerTokenAuth(_known(auth.token))
    if isinstance(auth, ApiKeyAuth):
        return dlt_auth.APIKeyAuth(name=auth.name, api_key=_known(auth.value), location=auth.location)
    return dlt_auth.HttpBasicAuth(auth.username, _known(auth.password))


def _known(secret: SecretStr) -> str:
    """A secret's text, which the redactor knows from now on."""
    plain = secret.get_secret_value()
    redactor.register(plain)
    return plain


def _session(base_url: str) -> Any:
    """A session that retries, and speaks to no other host than the API's: it carries secrets."""
    from dlt.sources.helpers.requests import Client
    from requests.adapters import HTTPAdapter

    parts = urlsplit(base_url)

    class Elsewhere(HTTPAdapter):
        def send(self, request: Any, *_args: Any, **_options: Any) -> Any:
            there = urlsplit(request.url)
            raise SourceError(
                f"the API sends us to {there.scheme}://{there.netloc}, which is not its base_url "
                f"({parts.scheme}://{parts.netloc}). Change base_url if that is right."
            )

    session = Client(
        request_timeout=_TIMEOUT_SECONDS,
        raise_for_status=False,
        request_max_attempts=ATTEMPTS,
        request_backoff_factor=_BACKOFF_SECONDS,
    ).session
    session.mount("http://", Elsewhere())
    session.mount("https://", Elsewhere())
    session.mount(f"{parts.scheme}://{parts.netloc}/", HTTPAdapter())
    return session
