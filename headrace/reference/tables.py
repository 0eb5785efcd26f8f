"""Keys of files and settings as Markdown."""

from __future__ import annotations

from typing import Any

from headrace.schema_keys import keys_of

__all__ = ["key_table"]


def key_table(schema: dict[str, Any]) -> list[str]:
    """A table of the keys that a schema has, each with type, default and meaning."""
    lines = ["| key | type | default | |", "| --- | --- | --- | --- |"]
    lines += [
        f"| `{key['name']}` | {_cell(key['type'])} | {_default(key)} | {_cell(key['description'])} |"
        for key in keys_of(schema)
    ]
    return [*lines, ""]


def _default(key: dict[str, Any]) -> str:
    value = key["default"]
    if key["required"]:
        return "*needed*"
    if value is None or value in ({}, [], ""):
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
