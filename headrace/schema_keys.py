"""The keys of a JSON Schema as a flat list, for people: nested ones with dots."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

__all__ = ["keys_of", "variants_of"]

_DEEPEST = 5
_WORDS = {"string": "text", "null": "nothing"}


def keys_of(schema: dict[str, Any]) -> list[dict[str, Any]]:
    """Each key with its type, whether it is required, its default and its description.

    `tables.NAME.key` is a key of each value of a mapping, `list[].key` one of each item of a list.
    """
    return list(_keys(schema, schema.get("$defs", {}), depth=0))


def variants_of(schema: dict[str, Any]) -> list[dict[str, Any]]:
    """The objects that a schema allows: itself, or each that it is a choice of."""
    definitions = schema.get("$defs", {})
    parts = schema.get("oneOf") or schema.get("anyOf") or [schema]
    return [{**_resolved(part, definitions), "$defs": definitions} for part in parts]


def _keys(schema: dict[str, Any], definitions: dict[str, Any], depth: int) -> Iterator[dict[str, Any]]:
    for name, part in schema.get("properties", {}).items():
        kind = _type(part, definitions)
        yield {
            "name": name,
            "type": kind,
            "required": name in schema.get("required", []),
            "default": None if kind == "secret" else part.get("default"),
            "description": part.get("description") or _resolved(part, definitions).get("description", ""),
        }
        inner = list(_objects(part, definitions)) if depth < _DEEPEST else []
        for path, found in inner:
            tag = found.get("properties", {}).get("type", {}).get("const")
            for key in _keys(found, definitions, depth + 1):
                words = f"({tag}) {key['description']}" if tag and len(inner) > 1 else key["description"]
                yield {**key, "name": f"{name}{path}.{key['name']}", "required": False, "description": words}


def _resolved(part: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in part:
        part = definitions[part["$ref"].rpartition("/")[2]]
    return part


def _objects(
    part: dict[str, Any], definitions: dict[str, Any], path: str = ""
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The objects with keys of their own inside of a part, and how to get to them."""
    part = _resolved(part, definitions)
    for each in part.get("anyOf", part.get("oneOf", [])):
        yield from _objects(each, definitions, path)
    if part.get("properties"):
        yield path, part
    elif isinstance(part.get("additionalProperties"), dict):
        yield from _objects(part["additionalProperties"], definitions, f"{path}.NAME")
    elif isinstance(part.get("items"), dict):
        yield from _objects(part["items"], definitions, f"{path}[]")


def _type(part: dict[str, Any], definitions: dict[str, Any]) -> str:
    part = _resolved(part, definitions)
    choices = part.get("anyOf", part.get("oneOf"))
    if choices:
        kinds = dict.fromkeys(_type(each, definitions) for each in choices)
        return " or ".join(kind for kind in kinds if kind != "nothing")
    if part.get("type") == "array":
        return f"list of {_type(part.get('items', {}), definitions)}"
    if part.get("type") == "object":
        return "mapping"
    return _scalar(part)


def _scalar(part: dict[str, Any]) -> str:
    if "enum" in part or "const" in part:
        return " | ".join(str(value) for value in part.get("enum", [part.get("const")]))
    if part.get("format") == "password" or part.get("writeOnly"):
        return "secret"
    kind = str(part.get("type", "any"))
    return _WORDS.get(kind, kind)
