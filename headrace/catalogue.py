"""What is known of connectors, as plain values and as words: for `headrace destinations` and the docs."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from connectors.destination import Replaces
from connectors.operation import Mode
from headrace.schema_keys import keys_of

if TYPE_CHECKING:
    from connectors.destination import Destination
    from connectors.registry import Entry

__all__ = ["connector_json", "entry_json", "in_full", "modes_of", "overview"]


def entry_json(entry: Entry) -> dict[str, Any]:
    """A connector in short, or what is wrong with it."""
    made = entry.connector
    return {
        "type": entry.name,
        "origin": entry.origin,
        "source": entry.source,
        "description": _first_line(made) if made else None,
        "modes": modes_of(made) if made else [],
        "error": str(entry.error) if entry.error else None,
    }


def connector_json(name: str, made: type[Destination]) -> dict[str, Any]:
    """Everything that a connector says of itself."""
    limits = made.limits
    return {
        "type": name,
        "description": _first_line(made),
        "settings": keys_of(made.Settings.model_json_schema()),
        "objects": [
            {
                "name": known.name,
                "description": known.description,
                "fields": [
                    {
                        "name": field.name,
                        "type": field.type,
                        "required": field.required,
                        "description": field.description,
                    }
                    for field in known.fields
                ],
            }
            for known in made.objects
        ],
        "limits": {
            "batch_size": limits.batch_size,
            "batch_bytes": limits.batch_bytes,
            "requests_per_second": limits.requests_per_second,
            "concurrency": limits.concurrency,
        },
        "modes": modes_of(made),
        "on_removed": sorted(made.removals),
        "repeats_are_harmless": made.repeats_are_harmless,
    }


def modes_of(made: type[Destination]) -> list[str]:
    """The modes that a connector has, in the order of the contract."""
    can_replace = issubclass(made, Replaces)
    return [mode.value for mode in Mode if mode in made.modes and (mode is not Mode.REPLACE or can_replace)]


def overview(listed: list[dict[str, Any]]) -> str:
    """All connectors as a table, the broken ones with their error."""
    from headrace.cli.output import table

    rows = [
        (one["type"], one["origin"], ", ".join(one["modes"]), one["description"])
        for one in listed
        if not one["error"]
    ]
    lines = [table(("type", "from", "modes", ""), rows)]
    broken = [f"  {one['error']}" for one in listed if one["error"]]
    if broken:
        lines += ["", "cannot be loaded:", *broken]
    return "\n".join([*lines, "", "one in full: headrace destinations TYPE"])


def in_full(found: dict[str, Any]) -> str:
    """One connector in words."""
    from headrace.cli.output import table

    limits = ", ".join(f"{name} {value:g}" for name, value in found["limits"].items() if value is not None)
    settings = [
        (
            one["name"],
            one["type"],
            "needed" if one["required"] else _default(one["default"]),
            one["description"],
        )
        for one in found["settings"]
    ]
    lines = [
        f"{found['type']}: {found['description']}",
        "",
        table(("setting", "type", "default", ""), settings),
        "",
    ]
    for known in found["objects"]:
        lines.append(f"object {known['name']}: {known['description']}".rstrip(": "))
        lines += [f"  {field['name']} ({field['type']}) {field['description']}" for field in known["fields"]]
    lines += [
        f"modes: {', '.join(found['modes'])}",
        f"on_removed: {', '.join(found['on_removed']) or 'nothing'}",
    ]
    return "\n".join([*lines, f"limits: {limits}"])


def _default(value: object) -> str:
    return (
        "" if value is None or value == {} else str(value).lower() if isinstance(value, bool) else str(value)
    )


def _first_line(made: type[Destination]) -> str:
    return (inspect.getdoc(made) or "").partition("\n")[0]
