"""The spelling of literals and identifiers that every SQL engine here shares (standard SQL)."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from connectors.errors import ConfigError

__all__ = ["decimal_text", "quoted", "text_literal", "without_values"]


def quoted(identifier: str) -> str:
    """An identifier in double quotes.

    Raises:
        ConfigError: it is empty or holds a null character, which no engine takes.
    """
    if not identifier or "\x00" in identifier:
        raise ConfigError(f"{identifier!r} cannot be the name of a column or table")
    return '"' + identifier.replace('"', '""') + '"'


def text_literal(text: str) -> str:
    """A string in single quotes.

    Raises:
        ConfigError: it holds a null character, which no engine takes in text.
    """
    if "\x00" in text:
        raise ConfigError("a text holds a null character, which the warehouse cannot store")
    return "'" + text.replace("'", "''") + "'"


def decimal_text(value: Any) -> str | None:
    """An integer or a finite decimal as a number literal; None for anything else."""
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Decimal) and value.is_finite():
        return format(value, "f")
    return None


def without_values(words: str) -> str:
    """An engine's words about data with what they quote left out: a value may be personal."""
    return re.sub(r"""(["']).*\1""", r"\1…\1", words, flags=re.DOTALL)
