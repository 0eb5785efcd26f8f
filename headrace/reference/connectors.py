"""docs/connectors/: one page a built-in connector, and one for the files that declare others."""

from __future__ import annotations

import inspect
from typing import Any

from connectors.destination import Destination
from headrace.catalogue import connector_json
from headrace.reference.tables import key_table

__all__ = ["connector_pages"]

_HARMLESS = "leaves the same as one sent once"
_HARMFUL = "may be done twice: where no answer came, it is not simply sent again"


def connector_pages() -> dict[str, str]:
    """Each page by its file's name."""
    from connectors.destinations.declared.format import ConnectorFile
    from connectors.registry import BUILT_IN, load_registry

    registry = load_registry(None)
    made = {f"{name}.md": _page(name, registry.get(name)) for name in BUILT_IN}
    lines = [
        "# A connector without Python",
        "",
        "A file `connectors/NAME.yml` of a project declares a connector of the type `NAME`.",
        "`headrace connector new` makes one to begin with, `headrace connector test` tries it.",
        "",
        *key_table(ConnectorFile.model_json_schema()),
    ]
    return {**made, "declared.md": "\n".join(lines)}


def _page(name: str, made: type[Destination]) -> str:
    known = connector_json(name, made)
    about = inspect.cleandoc(made.__doc__ or "").partition("\n")[2].strip()
    lines = [
        f"# {name}",
        "",
        known["description"],
        "",
        *([about, ""] if about else []),
        "## Settings",
        "",
        *key_table(made.Settings.model_json_schema()),
        *_objects(known["objects"]),
        "## Modes and limits",
        "",
        f"- modes: {', '.join(known['modes'])}",
        f"- `on_removed` of a mirror: {', '.join(known['on_removed']) or 'nothing'}",
        *(f"- {words}" for words in _limits(known["limits"])),
        f"- a batch sent twice {_HARMLESS if known['repeats_are_harmless'] else _HARMFUL}",
        "",
    ]
    return "\n".join(lines)


def _objects(objects: list[dict[str, Any]]) -> list[str]:
    lines = ["## Objects", ""] if objects else []
    for known in objects:
        lines += [f"- `{known['name']}`: {known['description']}"]
        lines += [
            f"  - `{field['name']}` ({field['type']}) {field['description']}" for field in known["fields"]
        ]
    return [*lines, ""] if objects else []


def _limits(limits: dict[str, Any]) -> list[str]:
    words = {
        "batch_size": "rows in one request at most",
        "batch_bytes": "bytes in one request at most",
        "requests_per_second": "requests a second at most",
        "concurrency": "requests under way at once",
    }
    return [f"{words[name]}: {value:,}" for name, value in limits.items() if value is not None]
