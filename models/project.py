"""A project: one folder of declarations, loaded and resolved."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from connectors.errors import ConfigError, Problem
from models.declarations import (
    Audience,
    DestinationDeclaration,
    Feature,
    Model,
    Prediction,
    ProjectSettings,
    Source,
    Sync,
    Trait,
)
from models.dialects import dialect_of
from models.kinds import singular
from models.nearest import guess
from models.secrets import fill_in
from models.yaml_file import Document, KeyPath

__all__ = ["Project"]

_FILE_URL = re.compile(
    r"(?P<scheme>(?:duckdb|sqlite)(?:\+\w+)?:///)(?P<path>[^?]*)(?P<query>\?.*)?", re.DOTALL
)


@dataclass
class Project:
    """What a folder declares: for each kind, its declarations by name.

    `documents` holds what each file says, by (folder, name), for errors that name a place; headrace.yml is
    under ("", "headrace"). Texts still hold `${env:NAME}` where a secret belongs.
    """

    root: Path
    settings: ProjectSettings = field(default_factory=ProjectSettings)
    sources: dict[str, Source] = field(default_factory=dict)
    models: dict[str, Model] = field(default_factory=dict)
    traits: dict[str, Trait] = field(default_factory=dict)
    features: dict[str, Feature] = field(default_factory=dict)
    predictions: dict[str, Prediction] = field(default_factory=dict)
    audiences: dict[str, Audience] = field(default_factory=dict)
    destinations: dict[str, DestinationDeclaration] = field(default_factory=dict)
    syncs: dict[str, Sync] = field(default_factory=dict)
    documents: dict[tuple[str, str], Document] = field(default_factory=dict, repr=False)

    @cached_property
    def home(self) -> Path:
        """The folder that headrace writes to, for its owner's eyes only; made when first asked for."""
        folder = self.root / ".headrace"
        if not folder.is_dir():
            folder.mkdir(mode=0o700, exist_ok=True)
            (folder / ".gitignore").write_text("*\n")
        return folder

    @cached_property
    def warehouse_url(self) -> str:
        """The warehouse's URL, secrets filled in, the path of a file absolute.

        Raises:
            ConfigError: a secret is missing.
        """
        return self._url("warehouse")

    @cached_property
    def state_url(self) -> str:
        """The state database's URL, secrets filled in, the path of a file absolute.

        Raises:
            ConfigError: a secret is missing.
        """
        return self._url("state")

    @cached_property
    def dialect(self) -> str:
        """The warehouse's dialect, by its name in sqlglot."""
        return dialect_of(self.settings.warehouse.get_secret_value())

    def declared(self, folder: str) -> dict[str, Any]:
        """The declarations of a folder, by name."""
        found: dict[str, Any] = getattr(self, folder)
        return found

    def find(self, folder: str, name: str) -> Any:
        """A declaration by its folder and name.

        Raises:
            ConfigError: there is none; the nearest name is suggested.
        """
        found = self.declared(folder)
        if name not in found:
            raise ConfigError(f"no {singular(folder)} is named '{name}'{guess(name, found)}")
        return found[name]

    def problem(self, folder: str, name: str, path: KeyPath, message: str) -> Problem:
        """A problem at a key of a declaration's file, with its line and column."""
        document = self.documents.get((folder, name))
        if document is None:
            return Problem(message, file=f"{folder}/{name}", key=".".join(map(str, path)) or None)
        return document.problem(path, message)

    def _url(self, key: str) -> str:
        from connectors.redaction import redactor

        document = self.documents.get(("", "headrace"), Document("headrace.yml", {}))
        text: str = getattr(self.settings, key).get_secret_value()
        url: str = fill_in(text, document, self.root, (key,))
        redactor.register(url)
        found = _FILE_URL.fullmatch(url)
        if found is None or found["path"] in ("", ":memory:"):
            return url
        path = self.root / found["path"]
        if path.parent == self.root / ".headrace":
            path = self.home / path.name
        return f"{found['scheme']}{path}{found['query'] or ''}"
