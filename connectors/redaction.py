"""Keeps secrets out of everything that is written down: logs, errors, state, console."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import quote, quote_plus, unquote

import orjson

__all__ = ["MASK", "Redactor", "redactor"]

MASK = "***"
_SHORTEST = 4
_URL_PASSWORD = re.compile(r"(?P<before>[A-Za-z][A-Za-z0-9+.-]*://[^\s/:@?#]*:)(?P<password>[^\s/?#]+)(?=@)")


class Redactor:
    """Knows the secrets of this process and masks them in texts.

    A secret is found as it is, URL-encoded and JSON-escaped. Secrets shorter than four characters are not
    looked for: masking them would make every text unreadable. Passwords in URLs are masked even when nobody
    registered them.
    """

    def __init__(self) -> None:
        self._forms: set[str] = set()
        self._pattern: re.Pattern[str] | None = None

    def register(self, *secrets: str) -> None:
        """Remember secrets, and the passwords of those that are URLs."""
        forms = {form for secret in secrets for form in _forms_of(secret)} - self._forms
        if forms:
            self._forms |= forms
            longest_first = sorted(self._forms, key=len, reverse=True)
            self._pattern = re.compile("|".join(map(re.escape, longest_first)))

    def redact(self, text: str) -> str:
        """The text with every secret replaced by `***`."""
        if self._pattern is not None:
            text = self._pattern.sub(MASK, text)
        return _URL_PASSWORD.sub(rf"\g<before>{MASK}", text) if "://" in text else text


def _forms_of(secret: str) -> Iterable[str]:
    found = _URL_PASSWORD.search(secret)
    whole = [] if found else [secret]
    for value in [*whole, *([found["password"], unquote(found["password"])] if found else [])]:
        escaped = orjson.dumps(value.encode("utf-8", "replace").decode()).decode()[1:-1]
        lines = [line for line in (part.strip() for part in value.splitlines()) if len(line) > 2 * _SHORTEST]
        forms = {
            value,
            value.strip(),
            quote(value, safe="", errors="replace"),
            quote_plus(value, errors="replace"),
            escaped,
            *lines,
        }
        yield from (form for form in forms if len(form) >= _SHORTEST)


redactor = Redactor()
"""This process's redactor."""
