"""Reads YAML into plain data that remembers where each key stands.

Scalars follow the core schema of YAML 1.2 (https://yaml.org/spec/1.2.2/#103-core-schema), so `on`, `no` and
`12:30` are texts. Anchors, aliases, tags and several documents in one file are not taken.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NoReturn

import yaml

from connectors.errors import ConfigError, Problem

__all__ = ["Document", "KeyPath", "Place", "parse_yaml"]

KeyPath = tuple[str | int, ...]
Place = tuple[int, int]

_DEEPEST = 30
_LONGEST = 2_000_000
_LONGEST_NUMBER = 400
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INTEGER = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_SPECIAL_FLOAT = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


@dataclass(frozen=True)
class Document:
    """What a file says, and where. `file` is relative to the project; places are (line, column) from 1."""

    file: str
    data: dict[str, Any]
    places: dict[KeyPath, Place] = field(default_factory=dict, repr=False)

    def problem(self, path: KeyPath, message: str) -> Problem:
        """A problem at a key, or at its nearest parent that is there."""
        key = ".".join(map(str, path)) or None
        while path and path not in self.places:
            path = path[:-1]
        line, column = self.places.get(path, (1, 1))
        return Problem(message, file=self.file, line=line, column=column, key=key)


def parse_yaml(content: bytes, file: str, *, may_be_empty: bool = False) -> Document:
    """The mapping that a file holds; an empty one where the file is empty and may be.

    Raises:
        ConfigError: it holds no mapping, is no YAML, repeats keys or uses what is not taken.
    """
    if len(content) > _LONGEST:
        raise ConfigError(Problem(f"the file is larger than {_LONGEST:,} bytes", file=file))
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(Problem("the file is not UTF-8 text", file=file, line=line, column=1)) from None
    return _Reader(file).read(text, {} if may_be_empty else None)


class _Reader:
    """Builds one document from the parser's events, without recursion."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.places: dict[KeyPath, Place] = {}
        self.problems: list[Problem] = []
        self.open: list[_Container] = []
        self.documents = 0

    def read(self, text: str, empty: dict[str, Any] | None) -> Document:
        data: Any = None
        try:
            data = self._value(yaml.parse(text, Loader=_LOADER))
        except yaml.MarkedYAMLError as error:
            self._add(f"not valid YAML: {_words(error, text)}", error.problem_mark)
        except yaml.reader.ReaderError as error:
            code = error.character if isinstance(error.character, int) else ord(error.character)
            line = text.count("\n", 0, error.position) + 1
            self.problems.append(Problem(f"not valid YAML: the character U+{code:04X}", self.file, line, 1))
        data = empty if data is None else data
        if not self.problems and not isinstance(data, dict):
            found = "is empty" if data is None else f"holds a {_kind(data)}"
            self.problems.append(Problem(f"the file {found}; a mapping of keys is needed", self.file, 1, 1))
        if self.problems:
            raise ConfigError(*self.problems)
        return Document(self.file, data, self.places)

    def _value(self, events: Iterator[Any]) -> Any:
        root: Any = None
        for event in events:
            kind = type(event).__name__
            if kind == "DocumentStartEvent":
                self._count_document(event)
            elif kind in _ENDS:
                self.open.pop()
            elif kind in _BEGINNINGS:
                self._refuse_extras(event)
                value = _BEGINNINGS[kind](event)
                if not self.open:
                    root = value
                path = self._put(self.open[-1], value, event) if self.open else ()
                if isinstance(value, dict | list):
                    self.open.append(_Container(value, path))
                    if len(self.open) > _DEEPEST:
                        self._stop(f"nested deeper than {_DEEPEST} levels", event.start_mark)
        return root

    def _count_document(self, event: Any) -> None:
        self.documents += 1
        if self.documents > 1:
            self._stop("a second document; one declaration a file", event.start_mark)

    def _refuse_extras(self, event: Any) -> None:
        if event.anchor is not None:
            what = "an alias (*)" if isinstance(event, yaml.AliasEvent) else "an anchor (&)"
            self._add(f"{what} is not taken; write the value out", event.start_mark)
        elif getattr(event, "tag", None) is not None:
            self._add("a tag (!) is not taken", event.start_mark)

    def _put(self, container: _Container, value: Any, event: Any) -> KeyPath:
        """Put a value (or a key) into its container; the value's path."""
        if isinstance(container.value, list):
            path = (*container.path, len(container.value))
            container.value.append(value)
            self._remember(path, event)
            return path
        if container.key is None:
            container.key = self._key(container, event)
            return container.path
        path = (*container.path, container.key)
        container.value[container.key] = value
        container.key = None
        return path

    def _key(self, container: _Container, event: Any) -> str:
        if not isinstance(event, yaml.ScalarEvent):
            self._stop("a key must be a text", event.start_mark)
        # As it is written: a key `1` or `null` is a text, too, since every key of ours is one.
        key = str(event.value)
        path = (*container.path, key)
        if key in container.value:
            first = self.places[path][0]
            self._add(f"the key is given twice, first in line {first}", event.start_mark, path)
        elif key == "<<" and event.implicit[0]:
            self._add("a merge (<<) is not taken; write the keys out", event.start_mark)
        self._remember(path, event)
        return key

    def _remember(self, path: KeyPath, event: Any) -> None:
        self.places.setdefault(path, (event.start_mark.line + 1, event.start_mark.column + 1))

    def _add(self, message: str, mark: Any, path: KeyPath = ()) -> None:
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        key = ".".join(map(str, path)) or None
        self.problems.append(Problem(message, self.file, line, column, key))

    def _stop(self, message: str, mark: Any) -> NoReturn:
        self._add(message, mark)
        raise ConfigError(*self.problems)


@dataclass
class _Container:
    value: dict[str, Any] | list[Any]
    path: KeyPath = ()
    key: str | None = None


def _scalar(event: Any) -> Any:
    text = event.value
    if not event.implicit[0]:
        return text
    if text in _WORDS:
        return _WORDS[text]
    if len(text) > _LONGEST_NUMBER:
        return text
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    return float(text.replace(".", "")) if _SPECIAL_FLOAT.fullmatch(text) else text


_BEGINNINGS: dict[str, Callable[[Any], Any]] = {
    "AliasEvent": lambda _: None,
    "ScalarEvent": _scalar,
    "MappingStartEvent": lambda _: {},
    "SequenceStartEvent": lambda _: [],
}
_ENDS = frozenset({"MappingEndEvent", "SequenceEndEvent"})


def _words(error: yaml.MarkedYAMLError, text: str) -> str:
    words = " ".join(part for part in (error.context, error.problem) if part)
    lines = text.splitlines()
    line = error.problem_mark.line if error.problem_mark else 0
    tabbed = line < len(lines) and "\t" in lines[line][: len(lines[line]) - len(lines[line].lstrip())]
    return f"{words}; indent with spaces, not tabs" if tabbed else words


def _kind(value: Any) -> str:
    return "list" if isinstance(value, list) else "text" if isinstance(value, str) else "single value"
