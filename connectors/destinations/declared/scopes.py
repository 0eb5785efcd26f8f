"""Which placeholders may stand where in a declared connector, and whether its calls make sense."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from connectors.destinations.declared.format import Call, ConnectorFile, ObjectFile, Setting
from connectors.destinations.declared.template import REQUEST, ROW, Template, templates_in
from connectors.http import RequestSettings

__all__ = ["problems"]

_SETTINGS = frozenset({"settings"})
_CALLS = ("add", "change", "remove", "archive", "clear")


def problems(file: ConnectorFile) -> Iterator[tuple[str, str]]:
    """Everything wrong in a file that is well-formed: (dotted key, words)."""
    for name, setting in file.settings.items():
        yield from ((f"settings.{name}", words) for words in _setting_problems(name, setting))
    for key, text, allowed in _texts(file):
        for words in _wrong(text, allowed, set(file.settings)):
            yield key, words
    for name, made in file.objects.items():
        yield from _object_problems(f"objects.{name}", made)


def _setting_problems(name: str, setting: Setting) -> Iterator[str]:
    if name in RequestSettings.model_fields or name == "base_url":
        yield "every HTTP connector has this setting already; leave it out"
    elif hasattr(RequestSettings, name) or name.startswith("model_"):
        yield "this name means something to pydantic; choose another"
    if setting.choices and (setting.secret or setting.type != "text"):
        yield "only a text that is no secret can have `choices`"


def _texts(file: ConnectorFile) -> Iterator[tuple[str, str, frozenset[str]]]:
    """Every text that may hold placeholders: (dotted key, text, roots allowed)."""
    if file.base_url is not None:
        yield "base_url", file.base_url, _SETTINGS
    for name in sorted(type(file.auth).model_fields.keys() - {"type", "name"}):
        yield f"auth.{name}", getattr(file.auth, name), _SETTINGS
    yield from _scoped("headers", file.headers, _SETTINGS)
    if file.check is not None:
        for part in ("path", "query", "headers", "body"):
            yield from _scoped(f"check.{part}", getattr(file.check, part), _SETTINGS)
    for name, made in file.objects.items():
        for call_name in _CALLS:
            call = getattr(made, call_name)
            if call is not None:
                yield from _call_texts(f"objects.{name}.{call_name}", call)


def _call_texts(key: str, call: Call) -> Iterator[tuple[str, str, frozenset[str]]]:
    many = call.row is not None
    for part in ("path", "query", "headers"):
        yield from _scoped(f"{key}.{part}", getattr(call, part), REQUEST if many else REQUEST | ROW)
    yield from _scoped(f"{key}.body", call.body, REQUEST | ({"rows"} if many else ROW))
    yield from _scoped(f"{key}.row", call.row, REQUEST | ROW)
    if call.errors is not None and call.errors.row_id is not None:
        yield f"{key}.errors.row_id", call.errors.row_id, ROW


def _scoped(key: str, node: Any, allowed: frozenset[str]) -> Iterator[tuple[str, str, frozenset[str]]]:
    for place, text in templates_in(node, key):
        yield place, text, allowed


def _wrong(text: str, allowed: frozenset[str], settings: set[str]) -> Iterator[str]:
    try:
        template = Template.parse(text)
    except ValueError as error:
        yield str(error)
        return
    for reference in template.references:
        if reference.root not in allowed:
            known = ", ".join(sorted(allowed))
            yield f"{reference} cannot be used here; what can: {known}"
        elif reference.root == "settings" and reference.path[0] not in settings:
            declared = ", ".join(sorted(settings)) or "none"
            yield f"{reference} is no setting of this file; declared: {declared}"


def _object_problems(key: str, made: ObjectFile) -> Iterator[tuple[str, str]]:
    if made.add is None and made.change is None:
        yield key, "has neither `add` nor `change`: nothing could be written"
    for name in _CALLS:
        call = getattr(made, name)
        if call is not None:
            yield from _call_problems(f"{key}.{name}", call)


def _call_problems(key: str, call: Call) -> Iterator[tuple[str, str]]:
    many = call.row is not None
    if many and call.body is not None and "{rows}" not in (text for _, text in templates_in(call.body, "")):
        yield f"{key}.body", "holds no '{rows}', so the rows would not be sent"
    if many and call.missing_ok:
        yield f"{key}.missing_ok", "is for calls about one row; this one has `row` and is about many"
    if call.errors is not None and call.errors.by == "id" and call.errors.row_id is None:
        yield f"{key}.errors.row_id", "is needed where `by` is id, like '{match.email}'"
