"""The part of a project that can be loaded, where some of its files cannot."""

from __future__ import annotations

from pathlib import Path

from connectors.errors import ConfigError
from models.files import find_files
from models.loading import load_project
from models.project import Project

__all__ = ["load_rest"]


def load_rest(folder: Path) -> Project | None:
    """All declarations that load together with what they refer to; None where the settings are wrong."""
    root = folder.absolute()
    try:
        rest = load_project(root, ())
    except ConfigError:
        return None
    for kind, files in find_files(root, check_names=False).files.items():
        for name in files:
            try:
                alone = load_project(root, (f"{kind}/{name}",))
            except ConfigError:
                continue
            rest.declared(kind)[name] = alone.declared(kind)[name]
            rest.documents[kind, name] = alone.documents[kind, name]
    return rest
