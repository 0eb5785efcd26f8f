"""The templates of declared connectors: texts with placeholders, and nothing else.

`{record.lifecycle.tier}` stands for a value; `{{` and `}}` for a brace. A text that is one placeholder alone
keeps the value's type in a JSON body; anything around it makes a text. There are no expressions, no filters
and no conditions: what a record holds is the mapping's business.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast
from urllib.parse import quote

from connectors.values import on_wire

__all__ = [
    "MISSING",
    "REQUEST",
    "ROW",
    "Reference",
    "Template",
    "UnsendableError",
    "Values",
    "compile_body",
    "dig",
    "header_text",
    "path_text",
    "templates_in",
]

Values = Mapping[str, Any]
"""What the roots of placeholders stand for."""

REQUEST: Final = frozenset({"settings", "sync", "run", "object", "idempotency_key"})
"""Roots that every call of a write knows."""
ROW: Final = frozenset({"record", "previous", "match", "previous_match", "key", "operation"})
"""Roots that a single row knows."""

_WITHOUT_PATH = frozenset({"sync", "run", "object", "idempotency_key", "operation", "rows"})
_TOKEN = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_REFERENCE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[^.\s{}]+)*")


class UnsendableError(ValueError):
    """A row cannot be put into a template; the words name the placeholder, never a value."""


class _Missing:
    """Says that a row holds nothing under a name, not even null."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = _Missing()


@dataclass(frozen=True, slots=True)
class Reference:
    """A placeholder: the root and the names below it."""

    root: str
    path: tuple[str, ...]

    def __str__(self) -> str:
        return "{" + ".".join((self.root, *self.path)) + "}"

    def value(self, values: Values) -> Any:
        """What it stands for, MISSING where nothing does."""
        return dig(values.get(self.root, MISSING), self.path)


@dataclass(frozen=True, slots=True)
class Template:
    """A text with placeholders."""

    parts: tuple[str | Reference, ...]

    @classmethod
    def parse(cls, text: str) -> Template:
        """Read a template.

        Raises:
            ValueError: a brace stands alone, or a placeholder is no dotted name.
        """
        parts: list[str | Reference] = []
        end = 0
        for token in _TOKEN.finditer(text):
            parts.append(text[end : token.start()])
            parts.append(_part(token))
            end = token.end()
        parts.append(text[end:])
        return cls(tuple(part for part in parts if part != ""))

    @property
    def references(self) -> Iterator[Reference]:
        """Its placeholders."""
        return (part for part in self.parts if isinstance(part, Reference))

    def typed(self, values: Values) -> Any:
        """The JSON value: with its own type where the template is one placeholder alone, else a text."""
        if len(self.parts) == 1 and isinstance(self.parts[0], Reference):
            value = self.parts[0].value(values)
            return value if value is MISSING else on_wire(value)
        return self.text(values, lambda text: text)

    def text(self, values: Values, encode: Callable[[str], str]) -> str:
        """The text, each placeholder's value encoded.

        Raises:
            UnsendableError: a placeholder stands for a list or a mapping, or `encode` refuses a value.
        """
        return "".join(
            part if isinstance(part, str) else encode(_plain(part, part.value(values))) for part in self.parts
        )


def _part(token: re.Match[str]) -> str | Reference:
    if token[0] in {"{{", "}}"}:
        return token[0][0]
    inner = token[1]
    if inner is None:
        raise ValueError(f"a lone '{token[0]}'; write '{token[0] * 2}' for a brace")
    if not _REFERENCE.fullmatch(inner):
        raise ValueError(f"'{{{inner}}}' is no placeholder; one is a dotted name like {{record.email}}")
    root, *path = inner.split(".")
    if path and root in _WITHOUT_PATH:
        raise ValueError(f"'{{{inner}}}': nothing stands below {{{root}}}")
    if root == "settings" and len(path) != 1:
        raise ValueError(f"'{{{inner}}}': one setting is meant, like {{settings.api_key}}")
    return Reference(root, tuple(path))


def _plain(reference: Reference, value: Any) -> str:
    form = "" if value is MISSING else on_wire(value)
    if isinstance(form, dict | list):
        raise UnsendableError(f"{reference} is a {type(form).__name__}, which cannot stand within a text")
    if isinstance(form, bool):
        return "true" if form else "false"
    return "" if form is None else str(form)


def dig(value: Any, path: tuple[str, ...]) -> Any:
    """What stands under a path of names and list positions, MISSING where nothing does.

    A name with dots in it is found as one too: identifiers keep the names that the sync gave them.
    """
    if not path:
        return value
    if isinstance(value, Mapping):
        whole = ".".join(path)
        if whole in value:
            return value[whole]
        return dig(value[path[0]], path[1:]) if path[0] in value else MISSING
    if isinstance(value, list) and path[0].isdecimal() and int(path[0]) < len(value):
        return dig(value[int(path[0])], path[1:])
    return MISSING


def path_text(template: Template, values: Values) -> str:
    """A URL path, values percent-encoded (RFC 3986, section 2.1): a value never leaves its segment.

    Raises:
        UnsendableError: a value is empty or makes a dot segment; the request would go to another resource.
    """

    def encode(text: str) -> str:
        if not text:
            raise UnsendableError("a value of the address is empty")
        return quote(text, safe="", errors="strict")

    path = template.text(values, encode)
    if any(segment in {".", ".."} for segment in path.partition("?")[0].split("/")):
        raise UnsendableError("a value of the address is a dot segment")
    return path


def header_text(template: Template, values: Values) -> str:
    """A header's value.

    Raises:
        UnsendableError: it holds a line break or another character that no header can carry.
    """

    def refuse(text: str) -> str:
        if not (text.isascii() and text.isprintable()):
            raise UnsendableError("a header's value holds characters that no header can carry")
        return text

    return template.text(values, refuse)


def compile_body(node: Any) -> Callable[[Values], Any]:
    """A function that makes a JSON value of a body with templates in it.

    A member whose value is MISSING is left out of its mapping; in a list it becomes null.
    """
    if isinstance(node, str):
        template = Template.parse(node)
        if any(True for _ in template.references):
            return template.typed
        constant = "".join(cast("tuple[str, ...]", template.parts))
        return lambda _: constant
    if isinstance(node, Mapping):
        members = [(str(name), compile_body(inner)) for name, inner in node.items()]
        return lambda values: {
            name: value for name, make in members if (value := make(values)) is not MISSING
        }
    if isinstance(node, list):
        items = [compile_body(inner) for inner in node]
        return lambda values: [None if (value := make(values)) is MISSING else value for make in items]
    fixed = on_wire(node)
    return lambda _: fixed


def templates_in(node: Any, key: str) -> Iterator[tuple[str, str]]:
    """Every text in a body with its dotted key."""
    if isinstance(node, str):
        yield key, node
    elif isinstance(node, Mapping):
        for name, inner in node.items():
            yield from templates_in(inner, f"{key}.{name}")
    elif isinstance(node, list):
        for position, inner in enumerate(node):
            yield from templates_in(inner, f"{key}.{position}")
