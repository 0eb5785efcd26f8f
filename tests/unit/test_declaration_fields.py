"""Every field that a person can write is described."""

from __future__ import annotations

import importlib
import json
import pkgutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

import connectors
import models
from models.json_schema import schemas, write_schemas


def _models() -> Iterator[type[BaseModel]]:
    for package in (connectors, models):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if ".migrations" not in module.name:
                importlib.import_module(module.name)
    waiting = [BaseModel]
    while waiting:
        for made in waiting.pop().__subclasses__():
            waiting.append(made)
            if made.__module__.split(".")[0] in ("connectors", "models"):
                yield made


def test_every_field_has_a_description() -> None:
    """A field of a declaration or of a connector's settings without a description is a mistake."""
    found = set(_models())
    bare = sorted(
        f"{made.__module__}.{made.__qualname__}.{name}"
        for made in found
        for name, field in made.model_fields.items()
        if not (field.description or "").strip()
    )
    assert len(found) > 30
    assert bare == []


def test_a_schema_is_written_for_each_kind(tmp_path: Path) -> None:
    """`write_schemas` writes one JSON Schema a kind, which knows the files' keys and not their names."""
    paths = write_schemas(tmp_path / "schemas")
    kinds = {
        "project",
        "source",
        "model",
        "trait",
        "feature",
        "prediction",
        "audience",
        "destination",
        "sync",
    }
    assert {path.name for path in paths} == {f"{kind}.schema.json" for kind in kinds}
    sync = json.loads((tmp_path / "schemas/sync.schema.json").read_text())
    assert "name" not in sync["properties"]
    assert set(sync["required"]) == {"model", "destination", "mode"}
    assert sync["additionalProperties"] is False


@pytest.mark.parametrize("kind", sorted(schemas()))
def test_schemas_describe_every_property(kind: str) -> None:
    """Editors show a description for every key."""

    def bare(node: object, path: str) -> Iterator[str]:
        if isinstance(node, dict):
            for name, inner in node.get("properties", {}).items():
                # A reference without one has the same words as what it refers to.
                if "description" not in inner and "$ref" not in inner:
                    yield f"{path}.{name}"
            for key, inner in node.items():
                yield from bare(inner, f"{path}.{key}")
        elif isinstance(node, list):
            for inner in node:
                yield from bare(inner, path)

    assert list(bare(schemas()[kind], kind)) == []
