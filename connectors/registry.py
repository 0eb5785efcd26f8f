"""Which connectors there are: built in, installed as an entry point, or in the project's `connectors/`.

Nothing is imported before somebody asks for it, except the project's Python files: only running one tells
which connectors it defines. A connector that cannot be loaded is listed with its error and harms no other.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.machinery
import importlib.util
import inspect
import re
import sys
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Literal

from connectors.destination import Destination, DestinationSettings
from connectors.errors import ConfigError, Problem

__all__ = ["BUILT_IN", "ENTRY_POINTS", "Entry", "Origin", "Registry", "load_registry"]

Origin = Literal["built-in", "entry point", "project file"]

ENTRY_POINTS = "headrace.destinations"
"""The entry point group in which an installed package offers connectors."""

BUILT_IN = {
    "files": "connectors.destinations.files:Files",
    "redis": "connectors.destinations.redis:Redis",
    "sql": "connectors.destinations.sql:Sql",
    "webhook": "connectors.destinations.webhook:Webhook",
}
"""The connectors that come with headrace, by type name."""

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,47}")
_CAPITAL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


@dataclass
class Entry:
    """One connector: its type name, where it comes from, and its class or what is wrong with it."""

    name: str
    origin: Origin
    source: str
    """Where it is written: `module:Class`, or the file relative to the project folder."""
    load: Callable[[], type[Destination]] = field(repr=False)
    """Gives the class. May raise anything: `_outcome` keeps it."""

    @cached_property
    def _outcome(self) -> type[Destination] | ConfigError:
        try:
            return _checked(self.load())
        except ConfigError as error:
            return error
        except (Exception, SystemExit) as error:  # noqa: BLE001  a plugin may fail in any way; all are reported
            return ConfigError(_problem(error, self.source, f"connector '{self.name}' cannot be loaded"))

    @property
    def connector(self) -> type[Destination] | None:
        """The class, None where it cannot be loaded."""
        return None if isinstance(self._outcome, ConfigError) else self._outcome

    @property
    def error(self) -> ConfigError | None:
        """Why it cannot be loaded, None where it can."""
        return self._outcome if isinstance(self._outcome, ConfigError) else None


class Registry:
    """All connectors by type name. The project's come before the built-in, those before installed ones."""

    def __init__(self, own: list[Entry]) -> None:
        self._own = own + [
            Entry(name, "built-in", source, lambda source=source: _imported(source))  # type: ignore[misc]  # mypy cannot infer a lambda's default
            for name, source in BUILT_IN.items()
        ]

    @cached_property
    def entries(self) -> tuple[Entry, ...]:
        """Every connector that was found. One whose name is taken by an earlier one is listed as an error."""
        return tuple(_unshadowed([*self._own, *_installed()]))

    def names(self) -> list[str]:
        """The type names that can be asked for, broken ones included."""
        return sorted({entry.name for entry in self.entries})

    def get(self, name: str) -> type[Destination]:
        """The connector of a type name.

        Raises:
            ConfigError: nobody has that name (the nearest one is suggested), or the connector is broken.
        """
        # The project's and the built-in ones are searched first: reading the metadata of everything that
        # is installed takes a while.
        entry = next((e for e in self._own if e.name == name), None)
        entry = entry or next((e for e in self.entries if e.name == name), None)
        if entry is None:
            raise ConfigError(self._unknown(name))
        if entry.connector is None:
            raise entry.error or AssertionError
        return entry.connector

    def _unknown(self, name: str) -> str:
        from rapidfuzz import process

        nearest = process.extractOne(name, self.names(), score_cutoff=60)
        guess = f" Did you mean '{nearest[0]}'?" if nearest else ""
        return f"no connector has the type '{name}'.{guess} There are: {', '.join(self.names())}"


def load_registry(project_folder: Path | None) -> Registry:
    """The connectors that a project can use; without a folder, the built-in and installed ones."""
    folder = project_folder / "connectors" if project_folder else None
    if project_folder is None or folder is None or not folder.is_dir():
        return Registry([])
    own: list[Entry] = []
    for path in sorted(folder.iterdir()):
        if path.name.startswith(("_", ".")) or path.suffix not in {".py", ".yml", ".yaml"}:
            continue
        own += _of_file(path, str(path.relative_to(project_folder)))
    return Registry(list(_unshadowed(own)))


def _of_file(path: Path, source: str) -> list[Entry]:
    if path.suffix == ".yaml":
        return [
            _broken(path.stem, source, f"a declared connector ends in .yml; rename it to {path.stem}.yml")
        ]
    if not _NAME.fullmatch(path.stem):
        return [
            _broken(path.stem, source, "the name needs a letter first, then letters, digits or _, 48 at most")
        ]
    if path.suffix == ".yml":
        return [Entry(path.stem, "project file", source, lambda: _declared(path, source))]
    try:
        module = _run(path)
    except (Exception, SystemExit) as error:  # noqa: BLE001  a plugin may fail in any way; all are reported
        problem = _problem(error, source, "cannot be imported", path)
        return [Entry(path.stem, "project file", source, lambda: _raise(ConfigError(problem)))]
    classes = _connectors_of(module)
    if not classes:
        return [_broken(path.stem, source, "defines no subclass of connectors.destination.Destination")]
    names = [path.stem] if len(classes) == 1 else [_snake_case(made.__name__) for made in classes]
    return [
        Entry(name, "project file", source, lambda made=made: made)  # type: ignore[misc]  # mypy cannot infer a lambda's default
        for name, made in zip(names, classes, strict=True)
    ]


def _installed() -> Iterator[Entry]:
    from importlib.metadata import entry_points

    for point in sorted(entry_points(group=ENTRY_POINTS), key=lambda point: point.name):
        yield Entry(point.name, "entry point", point.value, point.load)


def _declared(path: Path, source: str) -> type[Destination]:
    from connectors.destinations.declared import load

    return load(path, source)


def _imported(source: str) -> type[Destination]:
    module, _, name = source.partition(":")
    made: type[Destination] = getattr(importlib.import_module(module), name)
    return made


def _unshadowed(entries: list[Entry]) -> Iterator[Entry]:
    taken: dict[str, Entry] = {}
    for entry in entries:
        first = taken.setdefault(entry.name, entry)
        if first is entry:
            yield entry
        else:
            yield _broken(
                entry.name,
                entry.source,
                f"not used: the type '{entry.name}' is taken by {first.source} ({first.origin})",
                entry.origin,
            )


def _broken(name: str, source: str, message: str, origin: Origin = "project file") -> Entry:
    return Entry(name, origin, source, lambda: _raise(ConfigError(Problem(message, file=source))))


def _raise(error: ConfigError) -> type[Destination]:
    raise error


class _Loader(importlib.machinery.SourceFileLoader):
    """Reads a module without leaving a `__pycache__` in the user's folder."""

    def set_data(self, path: str, data: bytes, *, _mode: int = 0o666) -> None:  # type: ignore[override]  # a private keyword
        """Write nothing."""


def _run(path: Path) -> ModuleType:
    # A name of its own for each file: pydantic and dataclasses look a class's module up in sys.modules, and
    # two projects may both have a crm.py. The folder never gets onto sys.path.
    place = hashlib.blake2b(str(path.resolve()).encode(), digest_size=6).hexdigest()
    name = f"_headrace_connector_{place}_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path, loader=_Loader(name, str(path)))
    if spec is None or spec.loader is None:
        raise ImportError(f"{path.name} is no Python module")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _connectors_of(module: ModuleType) -> list[type[Destination]]:
    return [
        made
        for name, made in vars(module).items()
        if inspect.isclass(made)
        and issubclass(made, Destination)
        and made.__module__ == module.__name__
        and not name.startswith("_")
    ]


def _checked(made: object) -> type[Destination]:
    if not (inspect.isclass(made) and issubclass(made, Destination)):
        raise TypeError(f"{made!r} is no subclass of connectors.destination.Destination")
    if not issubclass(made.Settings, DestinationSettings):
        raise TypeError(
            f"{made.__name__}.Settings is no subclass of connectors.destination.DestinationSettings"
        )
    if made.write is Destination.write:
        raise TypeError(f"{made.__name__} has no write method")
    return made


def _problem(error: BaseException, source: str, what: str, path: Path | None = None) -> Problem:
    if isinstance(error, SyntaxError) and (path is None or error.filename == str(path)):
        where = "" if path else f" ({error.filename})"
        words = f"{what}: {type(error).__name__}: {error.msg}{where}"
        return Problem(words, file=source, line=error.lineno, column=error.offset)
    frames = [f for f in traceback.extract_tb(error.__traceback__) if not f.filename.startswith("<frozen")]
    words = f"{what}: {type(error).__name__}: {error}"
    if path is None:
        return Problem(
            f"{words} ({frames[-1].filename}:{frames[-1].lineno})" if frames else words, file=source
        )
    line = next((frame.lineno for frame in reversed(frames) if frame.filename == str(path)), None)
    return Problem(words, file=source, line=line)


def _snake_case(name: str) -> str:
    return _CAPITAL.sub("_", name).lower()
