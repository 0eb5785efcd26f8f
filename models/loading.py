"""Loads a project's files into declarations, collecting everything that is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from connectors.errors import ConfigError, Problem
from models.declarations import ProjectSettings, Sync
from models.files import SETTINGS_FILE, Found, find_files, read_file
from models.kinds import FOLDERS, adapter, references_of, singular, type_of
from models.nearest import guess
from models.problems import problems_of
from models.project import Project
from models.secrets import has_placeholder
from models.yaml_file import Document, KeyPath

__all__ = ["load_project"]

_TAKES_SECRETS = ("sources", "destinations")


def load_project(folder: Path, only: tuple[str, ...] | None = None) -> Project:
    """Load a project: parse every file, check every name it refers to.

    Args:
        folder: the folder that holds headrace.yml.
        only: load just these declarations (`syncs/churn_to_crm`) and what they refer to.

    Raises:
        ConfigError: everything that is wrong, each with its file, line, column and key.
    """
    root = folder.absolute()
    if not (root / SETTINGS_FILE).exists():
        words = (
            f"{folder} is no project: it holds no {SETTINGS_FILE}; `headrace init DIR` makes a new project"
        )
        raise ConfigError(words)
    found = find_files(root, check_names=only is None)
    loading = _Loading(root, found)
    if only is None:
        loading.problems.extend(found.problems)
    loading.load_settings()
    loading.load(
        [(folder, name) for folder in FOLDERS for name in found.files[folder]]
        if only is None
        else _split(only)
    )
    loading.problems.extend(_foreign_keys(loading.project))
    if loading.problems:
        raise ConfigError(*_in_order(loading.problems))
    return loading.project


def _split(only: tuple[str, ...]) -> list[tuple[str, str]]:
    pairs = [text.partition("/") for text in only]
    return [(folder, name) for folder, _, name in pairs]


def _in_order(problems: list[Problem]) -> list[Problem]:
    return sorted(
        dict.fromkeys(problems), key=lambda p: (p.file or "", p.line or 0, p.column or 0, p.message)
    )


@dataclass
class _Loading:
    root: Path
    found: Found
    problems: list[Problem] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.project = Project(self.root)

    def load_settings(self) -> None:
        try:
            document = read_file(self.root / SETTINGS_FILE, self.root)
        except ConfigError as error:
            self.problems.extend(error.problems)
            return
        self.project.documents["", "headrace"] = document
        try:
            self.project.settings = ProjectSettings.model_validate(document.data)
        except ValidationError as error:
            self.problems.extend(problems_of(error, document, ProjectSettings))

    def load(self, wanted: list[tuple[str, str]]) -> None:
        """Load declarations and what they need, each once."""
        seen = set(wanted)
        while wanted:
            folder, name = wanted.pop()
            if name not in self.found.files.get(folder, {}):
                known = self.found.files.get(folder, {})
                self.problems.append(Problem(f"no {singular(folder)} is named '{name}'{guess(name, known)}"))
                continue
            declaration = self._declaration(folder, name)
            if declaration is None:
                continue
            self.project.declared(folder)[name] = declaration
            for needed in self._needed(declaration, self.project.documents[folder, name]):
                if needed not in seen:
                    seen.add(needed)
                    wanted.append(needed)

    def _declaration(self, folder: str, name: str) -> Any:
        """The declaration, None where its file is wrong."""
        try:
            document = read_file(self.found.files[folder][name], self.root)
        except ConfigError as error:
            self.problems.extend(error.problems)
            return None
        self.project.documents[folder, name] = document
        if "name" in document.data:
            self.problems.append(
                document.problem(("name",), "unknown key 'name': the file's name is the name")
            )
            return None
        if folder not in _TAKES_SECRETS:
            self.problems.extend(_secrets_out_of_place(document.data, document))
        try:
            declaration = adapter(folder).validate_python({**document.data, "name": name})
        except ValidationError as error:
            self.problems.extend(problems_of(error, document, type_of(folder)))
            return None
        return (
            declaration.over(self.project.settings.defaults) if isinstance(declaration, Sync) else declaration
        )

    def _needed(self, declaration: Any, document: Document) -> Iterator[tuple[str, str]]:
        for reference in references_of(declaration):
            folders = [folder for folder in reference.folders if reference.name in self.found.files[folder]]
            if not folders:
                known = {name for folder in reference.folders for name in self.found.files[folder]}
                where = " or ".join(f"{folder}/" for folder in reference.folders)
                words = f"nothing in {where} is named '{reference.name}'{guess(reference.name, known)}"
                self.problems.append(document.problem(reference.path, words))
            elif not reference.is_needed and len(folders) > 1:
                words = " or ".join(f"{folder}/{reference.name}" for folder in folders)
                self.problems.append(
                    document.problem(reference.path, f"the name stands for several; write {words}")
                )
            elif reference.is_needed:
                yield folders[0], reference.name


def _foreign_keys(project: Project) -> Iterator[Problem]:
    """Traits and predictions that an audience cannot join, since their key is not its model's."""
    for name, audience in project.audiences.items():
        model = project.models.get(audience.model)
        for folder in ("traits", "predictions"):
            for number, joined in enumerate(getattr(audience, folder)):
                other = project.declared(folder).get(joined)
                if model and other and set(other.key) != set(model.primary_key):
                    words = (
                        f"its key is {', '.join(other.key)}, the model's is {', '.join(model.primary_key)}"
                    )
                    yield project.problem(
                        "audiences", name, (folder, number), f"{words}; both must be the same"
                    )


def _secrets_out_of_place(data: Any, document: Document, path: KeyPath = ()) -> Iterator[Problem]:
    if isinstance(data, dict | list):
        for key, value in data.items() if isinstance(data, dict) else enumerate(data):
            yield from _secrets_out_of_place(value, document, (*path, key))
    elif isinstance(data, str) and has_placeholder(data):
        yield document.problem(path, "${…} is filled in only in headrace.yml, sources/ and destinations/")
