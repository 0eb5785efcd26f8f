"""Declarations with their secrets filled in, made just before they are used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from connectors.errors import ConfigError
from models.kinds import adapter, type_of
from models.problems import problems_of
from models.secrets import fill_in, register_secrets
from models.yaml_file import Document

if TYPE_CHECKING:
    from connectors.destination import Destination, DestinationSettings
    from connectors.registry import Registry
    from models.declarations import Source
    from models.project import Project

__all__ = ["resolved_destination", "resolved_source"]

_OWN_KEYS = ("type", "description")


def resolved_source(project: Project, name: str) -> Source:
    """A source with its secrets.

    Raises:
        ConfigError: there is none of that name, or a secret is missing or makes a setting wrong.
    """
    project.find("sources", name)
    document = project.documents["sources", name]
    filled = fill_in(document.data, document, project.root)
    try:
        source: Source = adapter("sources").validate_python({**filled, "name": name})
    except ValidationError as error:
        raise ConfigError(*problems_of(error, document, type_of("sources"))) from None
    register_secrets(source)
    return source


def resolved_destination(
    project: Project, name: str, registry: Registry
) -> tuple[type[Destination], DestinationSettings]:
    """A destination's connector and its settings with their secrets, checked by the connector.

    The connector's validators find the project's folder in their context, as `project_root`.

    Raises:
        ConfigError: no connector has the type, it is broken, a secret is missing, or a setting is wrong.
    """
    declared = project.find("destinations", name)
    document = project.documents["destinations", name]
    try:
        connector = registry.get(declared.type)
    except ConfigError as error:
        # A connector's own mistake has its own place; an unknown type stands here.
        if any(problem.file for problem in error.problems):
            raise
        raise ConfigError(*(document.problem(("type",), p.message) for p in error.problems)) from None
    return connector, _settings(connector, project, document)


def _settings(connector: type[Destination], project: Project, document: Document) -> DestinationSettings:
    own: dict[str, Any] = {key: value for key, value in document.data.items() if key not in _OWN_KEYS}
    filled = fill_in(own, document, project.root)
    try:
        settings = connector.Settings.model_validate(filled, context={"project_root": project.root})
    except ValidationError as error:
        raise ConfigError(*problems_of(error, document, connector.Settings)) from None
    register_secrets(settings)
    return settings
