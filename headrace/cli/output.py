"""What goes to stdout: words for people or one JSON document, and no secret in either."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any

__all__ = ["count", "show", "table", "write", "write_json"]

_GAP = "  "


def show(document: Any, words: Callable[[], str], *, as_json: bool) -> None:
    """Print a result, as its JSON document or in words."""
    if as_json:
        write_json(document)
    else:
        write(words())


def write_json(document: Any) -> None:
    """Print one JSON document."""
    import orjson

    options = orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS
    write(orjson.dumps(document, default=str, option=options).decode())


def write(text: str) -> None:
    """Print a text, secrets masked."""
    from connectors.redaction import redactor

    if text:
        sys.stdout.write(redactor.redact(text.rstrip("\n")) + "\n")
        sys.stdout.flush()


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Aligned columns under their names; numbers to the right, nothing for None."""
    body = [[_cell(value) for value in row] for row in rows]
    values = [head, *body]
    widths = [max(len(line[i]) for line in values) for i in range(len(head))]
    right = [bool(body) and all(_is_number(line[i]) for line in body) for i in range(len(head))]
    return "\n".join(
        _GAP.join(
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(line, widths, right, strict=True)
        ).rstrip()
        for line in values
    )


def count(number: int, what: str) -> str:
    """A number with its noun: `1 row`, `2,000 rows`."""
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.1f}"
    return " ".join(str(value).split())


def _is_number(text: str) -> bool:
    return not text or text.replace(",", "").replace(".", "", 1).lstrip("-").isdigit()
