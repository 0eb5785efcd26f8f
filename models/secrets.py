"""Fills in `${env:NAME}` and `${file:/path}`, as late as possible, and tells the redactor."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from pydantic import BaseModel, SecretStr

from connectors.errors import ConfigError, Problem
from connectors.redaction import redactor
from models.yaml_file import Document, KeyPath

__all__ = ["fill_in", "has_placeholder", "register_secrets"]

_PLACEHOLDER = re.compile(r"\$\{(?P<kind>[A-Za-z]*):?(?P<name>[^}]*)\}")
_WELL_WRITTEN = re.compile(r"\$\{(env|file):")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LARGEST_FILE = 65_536


def has_placeholder(text: str) -> bool:
    """Whether a text asks for a secret."""
    return _WELL_WRITTEN.search(text) is not None


def fill_in(data: Any, document: Document, root: Path, path: KeyPath = ()) -> Any:
    """A copy of the data, which stands at `path` in a document, with every secret in its place.

    Paths of files are relative to `root`.

    Raises:
        ConfigError: secrets are missing or badly written; each is named with its file and key.
    """
    problems: list[Problem] = []
    filled = _filled(data, document, root, path, problems)
    if problems:
        raise ConfigError(*problems)
    return filled


def register_secrets(settings: Any) -> None:
    """Tell the redactor of every secret inside settings, also of those that stand in a file as they are."""
    if isinstance(settings, SecretStr):
        redactor.register(settings.get_secret_value())
    elif isinstance(settings, BaseModel):
        for name in type(settings).model_fields:
            register_secrets(getattr(settings, name))
    elif isinstance(settings, dict):
        for value in settings.values():
            register_secrets(value)
    elif isinstance(settings, list | tuple):
        for value in settings:
            register_secrets(value)


def _filled(data: Any, document: Document, root: Path, path: KeyPath, problems: list[Problem]) -> Any:
    if isinstance(data, dict):
        return {key: _filled(value, document, root, (*path, key), problems) for key, value in data.items()}
    if isinstance(data, list):
        return [_filled(value, document, root, (*path, n), problems) for n, value in enumerate(data)]
    if not isinstance(data, str) or "${" not in data:
        return data

    def secret(found: re.Match[str]) -> str:
        try:
            value = _secret(found["kind"], found["name"], root)
        except LookupError as error:
            problems.append(document.problem(path, f"{found[0]}: {error.args[0]}"))
            return ""
        redactor.register(value)
        return value

    return _PLACEHOLDER.sub(secret, data)


def _secret(kind: str, name: str, root: Path) -> str:
    """A secret's value. Raises LookupError with words for a person."""
    if kind == "env":
        if not _NAME.fullmatch(name):
            raise LookupError("the name of an environment variable is letters, digits and underscores")
        if name not in os.environ:
            raise LookupError(f"the environment variable {name} is not set")
        return os.environ[name]
    if kind == "file":
        return _file(root / name)
    raise LookupError("a secret is written ${env:NAME} or ${file:/path}")


def _file(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST_FILE + 1)
        text = content.decode()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text, or no path"
        raise LookupError(f"the file cannot be read: {reason}") from None
    if len(content) > _LARGEST_FILE:
        raise LookupError(f"the file is larger than {_LARGEST_FILE:,} bytes")
    return text.rstrip("\r\n")
