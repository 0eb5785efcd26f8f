"""JSON Schemas of all files, for editors: one a kind, from the pydantic models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from models.declarations import ProjectSettings
from models.kinds import FOLDERS, adapter, singular

__all__ = ["schemas", "write_schemas"]

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schemas() -> dict[str, dict[str, Any]]:
    """The schema of each kind of file, by the kind's name: project, source, model and so on."""
    made = {"project": TypeAdapter(ProjectSettings).json_schema()}
    for folder in FOLDERS:
        made[singular(folder)] = _without_names(adapter(folder).json_schema())
    return {
        kind: {"$schema": _DIALECT, "title": f"headrace {kind}", **_titled(schema)}
        for kind, schema in made.items()
    }


def write_schemas(folder: Path) -> list[Path]:
    """Write `<kind>.schema.json` for each kind into a folder, which is made; the files written."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for kind, schema in schemas().items():
        path = folder / f"{kind}.schema.json"
        path.write_text(json.dumps(schema, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        paths.append(path)
    return paths


def _titled(schema: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in schema.items() if key != "title"}


def _without_names(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema without `name`, which is the file's stem and stands in no file."""
    for part in [schema, *schema.get("$defs", {}).values()]:
        properties = part.get("properties", {})
        if "not written in the file" in properties.get("name", {}).get("description", ""):
            del properties["name"]
            part["required"] = [key for key in part["required"] if key != "name"]
    return schema
