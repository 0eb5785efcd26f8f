"""What went wrong inside dlt, in words that say what to do."""

from __future__ import annotations

from collections.abc import Iterator

from connectors.errors import HubError, SourceError
from connectors.redaction import redactor
from connectors.sources.api import ATTEMPTS

__all__ = ["causes", "first_line", "in_words"]

_REFUSED = {401, 403}
_TOO_MANY = 429
_SERVER = 500


def in_words(error: BaseException, place: str) -> HubError:
    """An error of dlt or of what it calls as one of ours; `place` names source and table."""
    import requests
    import sqlalchemy as sa

    from connectors.sources.target import is_of_warehouse, warehouse_error

    words = None
    for cause in causes(error):
        if isinstance(cause, HubError) and not isinstance(cause, SourceError):
            return cause
        if is_of_warehouse(cause):
            return warehouse_error(cause)
        if isinstance(cause, SourceError):
            words = str(cause)
        elif isinstance(cause, requests.RequestException):
            words = _request(cause)
        elif isinstance(cause, sa.exc.SQLAlchemyError):
            words = f"the database says: {first_line(getattr(cause, 'orig', None) or cause)}"
        else:
            words = _own(cause)
        if words:
            break
    else:
        words = f"{type(cause).__name__}: {first_line(cause)}"
    return SourceError(f"{place}: {redactor.redact(words)}")


def first_line(error: BaseException) -> str:
    """The first line of an error's words, without secrets."""
    return redactor.redact((str(error).strip().splitlines() or [type(error).__name__])[0])


def causes(error: BaseException) -> Iterator[BaseException]:
    """An error and what led to it, outermost first."""
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        cause = cause.__cause__ or cause.__context__


def _own(error: BaseException) -> str | None:
    from dlt.common.libs.pyarrow import PyToArrowConversionException
    from dlt.extract.incremental.exceptions import (
        IncrementalCursorInvalidCoercion,
        IncrementalCursorPathHasValueNone,
        IncrementalCursorPathMissing,
    )

    if isinstance(error, IncrementalCursorPathHasValueNone):
        return (
            f"the cursor {error.json_path!r} is null in some rows, so they would not be read again once they "
            "change. Give the table a primary_key (rows are then merged), or another cursor."
        )
    if isinstance(error, IncrementalCursorPathMissing):
        return f"the cursor {error.json_path!r} is no field of the rows. Name another in incremental.cursor."
    if isinstance(error, IncrementalCursorInvalidCoercion):
        return (
            f"the cursor {error.cursor_path!r} cannot be compared with the watermark or the initial value: "
            "they are of different types."
        )
    if isinstance(error, PyToArrowConversionException):
        return (
            f"column {error.field_name!r} holds values that are not of its declared type. "
            f"Read it as text with types: {{{error.field_name}: text}}, or mend the rows."
        )
    if isinstance(error, TypeError | ValueError) and _raised_in(error).startswith("sqlalchemy"):
        return (
            f"a column holds values that are not of its declared type ({first_line(error)}). "
            "Read it as text with types: {name: text}, or mend the rows."
        )
    return None


def _raised_in(error: BaseException) -> str:
    """The module that raised an error."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return str(trace.tb_frame.f_globals.get("__name__", "")) if trace else ""


def _request(error: Exception) -> str:
    import requests

    response = getattr(error, "response", None)
    if isinstance(error, requests.JSONDecodeError):
        return "the API's answer is no JSON. Does the path name a JSON resource?"
    if response is None:
        return f"the API cannot be reached (tried {ATTEMPTS} times): {first_line(error)}"
    status = response.status_code
    if status in _REFUSED:
        return f"the API refuses the credentials ({status}). Renew them in auth."
    if status == _TOO_MANY:
        return f"the API asks to slow down (429), {ATTEMPTS} times in a row. Ingest less often."
    if status >= _SERVER:
        return f"the API fails ({status}), {ATTEMPTS} times in a row. Try again later."
    path = redactor.redact(response.url.split("?")[0])
    return f"the API answers {status} to {path}. Check path and params."
