"""Reads a model from a `.sql` file: its settings stand in the comment lines before the SQL."""

from __future__ import annotations

import re
from typing import Any

from connectors.errors import ConfigError, Problem
from models.yaml_file import Document, KeyPath, Place

__all__ = ["parse_sql_file"]

_LONGEST = 1_000_000
_SETTING = re.compile(r"--\s*(primary_key|description)\s*:\s*(.*?)\s*")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def parse_sql_file(content: bytes, file: str) -> Document:
    """The SQL with what its leading comments say: `-- primary_key: a, b` and `-- description: words`.

    Raises:
        ConfigError: the file is empty, no UTF-8 text, holds control characters, or repeats a setting.
    """
    if len(content) > _LONGEST:
        raise ConfigError(Problem(f"the file is larger than {_LONGEST:,} bytes", file, 1, 1))
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(Problem("the file is not UTF-8 text", file, line, 1)) from None
    if control := _CONTROL.search(text):
        line = text.count("\n", 0, control.start()) + 1
        raise ConfigError(Problem(f"the control character U+{ord(control[0]):04X}", file, line, 1))
    return _document(text, file)


def _document(text: str, file: str) -> Document:
    data: dict[str, Any] = {"sql": text}
    places: dict[KeyPath, Place] = {("sql",): (1, 1)}
    for number, line in enumerate(text.split("\n"), 1):
        stripped = line.strip()
        if stripped and not stripped.startswith("--"):
            break
        found = _SETTING.fullmatch(stripped)
        if found is None:
            continue
        key, value = found.groups()
        if key in data:
            raise ConfigError(Problem("given twice", file, number, 1, key))
        data[key] = [part.strip() for part in value.split(",")] if key == "primary_key" else value
        places[key,] = (number, 1)
    else:
        raise ConfigError(Problem("the file holds no SQL", file, 1, 1))
    if "primary_key" not in data:
        words = "a first line is needed that names the key, such as: -- primary_key: id"
        raise ConfigError(Problem(words, file, 1, 1, "primary_key"))
    return Document(file, data, places)
