"""docs/declarations.md: every kind of file and every key that may stand in it."""

from __future__ import annotations

from typing import Any

from headrace.reference.tables import key_table
from headrace.schema_keys import variants_of

__all__ = ["declarations_page"]


def declarations_page() -> str:
    """Every kind of file with its keys."""
    from models.json_schema import schemas
    from models.kinds import FOLDERS, singular

    made = schemas()
    lines = [
        "# Declarations",
        "",
        "A file's stem is its name; one declaration a file. `tables.NAME.key` stands for a key below any",
        "name, `list[].key` for a key of each item. `headrace schema` writes the same for editors.",
        "",
        *_section("headrace.yml", made["project"]),
    ]
    for folder in FOLDERS:
        ending = "sql, *.yml" if folder == "models" else "yml"
        lines += _section(f"{folder}/*.{ending}", made[singular(folder)])
    return "\n".join(lines)


def _section(title: str, schema: dict[str, Any]) -> list[str]:
    variants = variants_of(schema)
    lines = [f"## {title}", ""]
    for variant in variants:
        tag = variant.get("properties", {}).get("type", {}).get("const")
        if tag and len(variants) > 1:
            lines += [f"### type: {tag}", ""]
        lines += [variant.get("description", "").strip(), "", *key_table(variant)]
    return lines
