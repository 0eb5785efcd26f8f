"""Files as a source: which are there, which are new, and their rows.

A file is new where its path, size or time of change (a bucket's etag, where it has one) differ from when it
was last loaded; `_loaded_files` in the dataset remembers. A changed file is read again whole: rows are merged
by primary key, or appended a second time where there is none. A table that is replaced keeps what it has
where no file matches.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from connectors.errors import ConfigError, SourceError
from connectors.sources.kinds import Guess, Typed, typed_as
from connectors.sources.readers import BadLine, Chunk, read
from connectors.sources.settings import FilePattern, FilesystemSettings

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["FILES_TABLE", "FileSeen", "Folder", "as_rows", "inferred"]

FILES_TABLE = "_loaded_files"
"""Columns: table_name, path, size, version (time of change or etag), loaded_at."""


@dataclass(frozen=True, slots=True)
class FileSeen:
    """A file as it was when we looked: its path below the folder, and what changes when it changes."""

    path: str
    size: int
    version: str


class Folder:
    """The folder or bucket of a source."""

    def __init__(self, settings: FilesystemSettings, project: Path) -> None:
        import fsspec

        path = settings.path
        if "://" not in path:
            path = str((project / path).absolute())
        try:
            self._files, self._root = fsspec.core.url_to_fs(path)
        except (ImportError, ValueError) as error:
            extra = " Install it with: pip install 'headrace[s3]'." if path.startswith("s3") else ""
            raise ConfigError(f"path {settings.path!r} cannot be opened: {error}.{extra}") from error
        self._root = self._root.rstrip("/")
        self.shown = settings.path

    def matching(self, pattern: FilePattern) -> list[FileSeen]:
        """The files of a table, by path. Hidden ones (a name that starts with a dot) are not looked at.

        Raises:
            SourceError: the folder is not there or cannot be listed.
        """
        try:
            if not self._files.exists(self._root):
                raise SourceError(f"folder {self.shown!r} does not exist.")
            found = self._files.glob(f"{self._root}/{pattern.glob}", detail=True)
        except OSError as error:
            raise SourceError(f"folder {self.shown!r} cannot be listed: {error}") from error
        files = (self._seen(path, info) for path, info in found.items() if info["type"] == "file")
        return sorted((f for f in files if not _is_hidden(f.path)), key=lambda f: f.path)

    def _seen(self, path: str, info: Mapping[str, Any]) -> FileSeen:
        version = info.get("ETag") or info.get("mtime") or info.get("LastModified") or info.get("etag") or ""
        relative = path.removeprefix(self._root).lstrip("/")
        return FileSeen(relative, int(info.get("size") or 0), str(version))

    @contextmanager
    def _open(self, file: FileSeen) -> Iterator[IO[bytes]]:
        try:
            with self._files.open(f"{self._root}/{file.path}", "rb", compression="infer") as opened:
                yield opened
        except (OSError, EOFError) as error:
            raise SourceError(f"file {file.path!r} cannot be read: {error}") from error
        except SourceError as error:
            raise SourceError(f"file {file.path!r}: {error}") from error

    def chunks(self, file: FileSeen, pattern: FilePattern, bad: BadLine) -> Iterator[Chunk]:
        """The rows of a file, in chunks; compressed files (.gz, .zip, .bz2, .xz) are unpacked."""
        with self._open(file) as opened:
            yield from read(pattern.format, opened, bad)


def _is_hidden(path: str) -> bool:
    return any(part.startswith(".") for part in path.split("/"))


def inferred(chunks: Iterable[Chunk], settled: Callable[[str], bool]) -> dict[str, Typed]:
    """The types of columns that nobody has settled yet, from all of their values."""
    guesses: dict[str, Guess] = {}
    for chunk in chunks:
        for name, values in chunk.items():
            if not settled(name):
                guesses.setdefault(name, Guess()).see(values)
    return {name: typed_as(guess.kind) for name, guess in guesses.items() if guess.kind is not None}


def as_rows(table: str, files: list[FileSeen]) -> pa.Table:
    """Loaded files as rows of `_loaded_files`."""
    import pyarrow as pa

    now = dt.datetime.now(dt.UTC)
    return pa.table(
        {
            "table_name": pa.array([table] * len(files), pa.string()),
            "path": pa.array([file.path for file in files], pa.string()),
            "size": pa.array([file.size for file in files], pa.int64()),
            "version": pa.array([file.version for file in files], pa.string()),
            "loaded_at": pa.array([now] * len(files), pa.timestamp("us", "UTC")),
        }
    )
