"""Turns what pydantic found into problems: the place, what was found, what is allowed, the nearest name."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from connectors.errors import Problem
from connectors.redaction import redactor
from models.nearest import guess, nearest
from models.yaml_file import Document, KeyPath

__all__ = ["problems_of", "shown"]

_QUOTED = re.compile(r"'([^']*)'")
_SENSITIVE = re.compile(r"pass|secret|token|key$|credential|auth|url|header|warehouse|state", re.IGNORECASE)
_LONGEST_SHOWN = 60


def problems_of(error: ValidationError, document: Document, declared: Any) -> list[Problem]:
    """A problem for each of pydantic's errors, at its place in the document.

    `declared` is the model (or union of models) that the document was checked against.
    """
    return [_problem(details, document, declared) for details in error.errors(include_url=False)]


def shown(value: Any, path: KeyPath = ()) -> str:
    """A value from a file as an error may show it: short, and never where it may be a secret."""
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    if any(isinstance(part, str) and _SENSITIVE.search(part) for part in path):
        return f"a {type(value).__name__} (not shown)"
    text = redactor.redact(value if isinstance(value, str) else repr(value))
    text = text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"
    return "nothing" if value is None else repr(text) if isinstance(value, str) else text


def _problem(details: ErrorDetails, document: Document, declared: Any) -> Problem:
    path = _key_path(details, document.data)
    kind, context = details["type"], details.get("ctx", {})
    if kind == "extra_forbidden":
        allowed = _keys_at(declared, path[:-1])
        return document.problem(path, f"unknown key '{path[-1]}'{guess(str(path[-1]), allowed)}")
    if kind == "missing":
        return document.problem(path, f"the key '{path[-1] if path else ''}' is needed")
    if kind in ("union_tag_not_found", "union_tag_invalid"):
        return _wrong_tag(context, document, path, declared)
    message = _plain(details["msg"])
    found = _at(document.data, path)
    if kind in ("literal_error", "enum") and isinstance(found, str):
        match = nearest(found, _QUOTED.findall(context.get("expected", "")))
        return document.problem(
            path, f"{message}, found {shown(found, path)}" + (f"; did you mean '{match}'?" if match else "")
        )
    # A whole mapping's rule says itself what is wrong; a single value's is told what was found.
    suffix = (
        "" if isinstance(found, Mapping | list) and kind == "value_error" else f", found {shown(found, path)}"
    )
    return document.problem(path, message + suffix)


def _wrong_tag(context: Mapping[str, Any], document: Document, path: KeyPath, declared: Any) -> Problem:
    name = str(context.get("discriminator", "")).strip("'")
    path = (*path, name)
    fields = [model.model_fields.get(name) for model in _models_at(declared, path[:-1])]
    known = [str(tag) for field in fields if field for tag in get_args(field.annotation)]
    if "tag" not in context:
        return document.problem(path, f"the key '{name}' is needed; one of: {', '.join(known)}")
    return document.problem(
        path, f"unknown {name} {shown(context['tag'])}{guess(str(context['tag']), known)}"
    )


def _plain(message: str) -> str:
    for start in ("Value error, ", "Assertion failed, "):
        message = message.removeprefix(start)
    message = message.replace("Input should be", "should be").replace("valid string", "text")
    return message.replace("valid dictionary", "mapping").replace("valid tuple", "list").rstrip(".")


def _key_path(details: ErrorDetails, data: Any) -> KeyPath:
    """Where in the data it is: pydantic's location without the names of union members."""
    location, path = details["loc"], []
    at = data
    for number, part in enumerate(location):
        last = number == len(location) - 1
        known = range(len(at)) if isinstance(at, list) else at if isinstance(at, Mapping) else ()
        if part in known:
            at = at[part]
            path.append(part)
        elif last and details["type"] == "missing":
            path.append(part)
    return tuple(path)


def _at(data: Any, path: KeyPath) -> Any:
    for part in path:
        data = data[part]
    return data


def _keys_at(declared: Any, path: KeyPath) -> set[str]:
    """The keys that may stand at a path below a declaration's type."""
    return {key for model in _models_at(declared, path) for key in _keys(model)}


def _models_at(declared: Any, path: KeyPath) -> list[type[BaseModel]]:
    types = [declared]
    for part in path:
        types = [inner for outer in types for member in _members(outer) for inner in _inside(member, part)]
    return [member for outer in types for member in _members(outer) if _is_model(member)]


def _keys(model: type[BaseModel]) -> Iterator[str]:
    for name, field in model.model_fields.items():
        if name != "name" or not _is_declared(model):
            yield field.alias or name


def _is_declared(model: type[BaseModel]) -> bool:
    from models.declarations.base import Declared

    return issubclass(model, Declared)


def _is_model(declared: Any) -> bool:
    return isinstance(declared, type) and issubclass(declared, BaseModel)


def _members(declared: Any) -> Iterator[Any]:
    """The types that a type is made of, where it is a union."""
    origin = get_origin(declared)
    if origin is Annotated:
        yield from _members(get_args(declared)[0])
    elif origin is Union or isinstance(declared, type(int | str)):
        for member in get_args(declared):
            yield from _members(member)
    else:
        yield declared


def _inside(declared: Any, part: str | int) -> list[Any]:
    if _is_model(declared):
        return [
            field.annotation for name, field in declared.model_fields.items() if part in (name, field.alias)
        ]
    return list(get_args(declared))[-1:] if get_origin(declared) is dict else list(get_args(declared))[:1]
