"""From a YAML file to a connector class with settings of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field, SecretStr, ValidationError, create_model

from connectors.destination import Destination, FieldInfo, ObjectInfo
from connectors.destinations.declared import scopes
from connectors.destinations.declared.connector import Declared, modes_of, removals_of
from connectors.destinations.declared.format import ConnectorFile, Setting
from connectors.destinations.declared.template import Template
from connectors.errors import ConfigError, Problem
from connectors.http import HttpAddress, RequestSettings

__all__ = ["load"]

_TYPES: dict[str, type] = {"text": str, "integer": int, "number": float, "boolean": bool}


def load(path: Path, source: str | None = None) -> type[Destination]:
    """The connector that a YAML file declares.

    Args:
        path: the file.
        source: how to call it in errors; its name where not given.

    Raises:
        ConfigError: with every problem of the file.
    """
    shown = source or path.name
    file = _parse(_read(path, shown), shown)
    found = [Problem(words, file=shown, key=key) for key, words in scopes.problems(file)]
    if found:
        raise ConfigError(*found)
    return _class_of(path.stem, file, shown)


def _read(path: Path, shown: str) -> Any:
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (None, None)
        raise ConfigError(Problem(f"is no YAML: {error.problem}", shown, line, column)) from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError, ValueError) as error:
        raise ConfigError(Problem(f"cannot be read: {error}", shown)) from None


def _parse(content: Any, shown: str) -> ConnectorFile:
    try:
        return ConnectorFile.model_validate(content)
    except ValidationError as error:
        problems = (
            Problem(_words(detail["type"], detail["msg"]), file=shown, key=_key(detail["loc"]))
            for detail in error.errors(include_url=False, include_input=False)
        )
        raise ConfigError(*problems) from None


def _words(kind: str, message: str) -> str:
    return "is no key of a declared connector here" if kind == "extra_forbidden" else message


def _key(place: tuple[int | str, ...]) -> str | None:
    if place[:1] == ("auth",):
        place = (*place[:1], *place[2:])  # the union's tag is no key of the file
    return ".".join(map(str, place)) or None


def _class_of(name: str, file: ConnectorFile, shown: str) -> type[Destination]:
    objects = file.objects.values()
    title = "".join(part.capitalize() for part in name.split("_"))
    return type(
        title,
        (Declared,),
        {
            "__doc__": file.description,
            "__module__": Declared.__module__,
            "file": file,
            "Settings": _settings(title, file, shown),
            "limits": file.limits.limits(),
            "modes": frozenset[Any]().union(*map(modes_of, objects)),
            "removals": frozenset[str]().union(*map(removals_of, objects)),
            "repeats_are_harmless": file.repeats_are_harmless,
            "objects": tuple(
                ObjectInfo(
                    key,
                    made.description,
                    tuple(
                        FieldInfo(field, info.type, info.required, info.description)
                        for field, info in made.fields.items()
                    ),
                )
                for key, made in file.objects.items()
            ),
        },
    )


def _settings(title: str, file: ConnectorFile, shown: str) -> type[RequestSettings]:
    fields: dict[str, Any] = {name: _field(setting) for name, setting in file.settings.items()}
    fields["base_url"] = _base_url_field(file)
    try:
        made: type[RequestSettings] = create_model(
            f"{title}Settings", __base__=RequestSettings, __doc__=f"Settings of {title}.", **fields
        )
        made.model_rebuild()
        _check_defaults(made)
    except (TypeError, ValueError, NameError) as error:
        raise ConfigError(Problem(f"these settings cannot be made: {error}", shown, key="settings")) from None
    return made


def _base_url_field(file: ConnectorFile) -> tuple[Any, Any]:
    words = "Where the API is; another address points at a sandbox or a proxy."
    if file.base_url is None:
        return HttpAddress, Field(description=words)
    if any(True for _ in Template.parse(file.base_url).references):
        return HttpAddress | None, Field(default=None, description=f"{words} If not given: {file.base_url}")
    return HttpAddress, Field(default=file.base_url, validate_default=True, description=words)


def _field(setting: Setting) -> tuple[Any, Any]:
    kind: Any = SecretStr if setting.secret else _TYPES[setting.type]
    if setting.choices:
        kind = Literal[tuple(setting.choices)]
    if setting.default is None:
        return kind, Field(description=setting.description)
    return kind, Field(default=setting.default, validate_default=True, description=setting.description)


def _check_defaults(made: type[RequestSettings]) -> None:
    required = {name for name, info in made.model_fields.items() if info.is_required()}
    try:
        made.model_validate({})
    except ValidationError as error:
        wrong = [d for d in error.errors(include_input=False) if d["loc"][0] not in required]
        if wrong:
            raise ValueError("; ".join(f"{d['loc'][0]}: {d['msg']}" for d in wrong)) from None
