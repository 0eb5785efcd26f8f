"""Finds a project's files and reads them. Nothing outside of the project's folder is read."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from connectors.errors import ConfigError, Problem
from models.kinds import FOLDERS, QUESTIONS
from models.naming import NAME_RULE, is_name
from models.sql_file import parse_sql_file
from models.yaml_file import Document, parse_yaml

__all__ = ["SETTINGS_FILE", "Found", "find_files", "read_file"]

SETTINGS_FILE = "headrace.yml"
_LARGEST = 2_000_001
_ALIKE = 85


@dataclass(frozen=True, slots=True)
class Found:
    """The project's files by folder and name, and what is wrong with their names and places."""

    files: dict[str, dict[str, Path]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def find_files(root: Path, *, check_names: bool) -> Found:
    """List what a project declares, and where asked, which names clash or are misspelt."""
    found = Found({folder: {} for folder in FOLDERS})
    for folder in FOLDERS:
        for path in _entries(root / folder, found):
            _file_one(path, folder, root, found)
    if check_names:
        found.problems.extend(_misspelt_folders(root))
        found.problems.extend(_clashes(found, root))
    return found


def _entries(folder: Path, found: Found) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except FileNotFoundError:
        return []
    except OSError as error:
        found.problems.append(Problem(f"the folder cannot be read: {error.strerror}", folder.name))
        return []


def _file_one(path: Path, folder: str, root: Path, found: Found) -> None:
    suffixes = (".yml", ".sql") if folder == "models" else (".yml",)
    file = _shown(path, root)
    if path.suffix == ".md":
        return
    if path.suffix == ".yaml":
        found.problems.append(Problem(f"files end in .yml here; rename it to {_clean(path.stem)}.yml", file))
    elif path.suffix not in suffixes or path.is_dir():
        allowed = " or ".join(suffixes)
        found.problems.append(Problem(f"nothing of this project; files in {folder}/ end in {allowed}", file))
    elif not is_name(path.stem):
        found.problems.append(Problem(f"'{_clean(path.stem)}' is no name: {NAME_RULE}", file))
    elif path.stem in found.files[folder]:
        found.problems.append(
            Problem(f"declared twice, also by {_shown(found.files[folder][path.stem], root)}", file)
        )
    else:
        found.files[folder][path.stem] = path


def _misspelt_folders(root: Path) -> Iterator[Problem]:
    from rapidfuzz import fuzz, process

    for path in sorted(root.iterdir()):
        if path.name in FOLDERS or path.name.startswith(".") or not path.is_dir():
            continue
        match = process.extractOne(path.name.lower(), FOLDERS, scorer=fuzz.ratio, score_cutoff=_ALIKE)
        if match and any(path.glob("*.yml")):
            yield Problem(f"the folder is not read; did you mean '{match[0]}'?", _clean(path.name))


def _clashes(found: Found, root: Path) -> Iterator[Problem]:
    """Names that are the same, or differ in case only: one file or table for some engines."""
    groups = [(folder,) for folder in FOLDERS if folder not in QUESTIONS]
    for folders in [QUESTIONS, *groups]:
        taken: dict[str, Path] = {}
        for path in (path for folder in folders for path in found.files[folder].values()):
            first = taken.setdefault(path.stem.lower(), path)
            if first is not path:
                words = "the name is taken" if first.stem == path.stem else "the name differs in case only"
                yield Problem(
                    f"{words}: {_shown(first, root)}; a name stands for one thing", _shown(path, root)
                )


def read_file(path: Path, root: Path) -> Document:
    """Read and parse one file of the project.

    Raises:
        ConfigError: it cannot be read, lies outside of the project, or is badly written.
    """
    file = _shown(path, root)
    try:
        if not path.resolve().is_relative_to(root.resolve()):
            raise ConfigError(Problem("a link that leads out of the project is not followed", file))
        if not stat.S_ISREG(path.stat().st_mode):
            raise ConfigError(Problem("no regular file", file))
        with path.open("rb") as opened:
            content = opened.read(_LARGEST)
    except (OSError, RuntimeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "its links go in a circle"
        raise ConfigError(Problem(f"cannot be read: {reason}", file)) from None
    if path.suffix == ".sql":
        return parse_sql_file(content, file)
    return parse_yaml(content, file, may_be_empty=path.name == SETTINGS_FILE)


def _shown(path: Path, root: Path) -> str:
    return _clean(str(path.relative_to(root)))


def _clean(name: str) -> str:
    """A file's name without what would spoil a terminal."""
    return "".join(char if char.isprintable() else "?" for char in name)
