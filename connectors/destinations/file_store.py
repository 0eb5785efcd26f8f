"""A folder on a disk or in an object store, in which each file appears whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from connectors.errors import ConfigError, Unauthorized, Unavailable
from connectors.redaction import redactor

__all__ = ["FileStore"]

_PUTS_ARE_ATOMIC = frozenset({"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "adl", "oci", "oss", "memory"})
_EXTRAS = {"s3": "headrace[s3]", "s3a": "headrace[s3]"}
_DENIED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})


class FileStore:
    """Files below one path or fsspec URL. Names are relative to it, with `/` between folders.

    Raises:
        ConfigError: the URL's file system is unknown, or its package is not installed.
    """

    def __init__(self, path: str, options: Mapping[str, str]) -> None:
        redactor.register(*(value for name, value in options.items() if _is_secret(name)))
        protocol, separator, rest = path.partition("://")
        self._is_local = not separator or protocol in {"file", "local"}
        self._protocol = protocol if separator else "file"
        if self._is_local:
            self._root = str(Path(rest if separator else path).absolute())
            return
        self._files, self._root = _opened(path, protocol, options)

    def put(self, name: str, content: bytes) -> None:
        """Write a file; one of that name is replaced."""
        with self._told_in_our_terms():
            if self._is_local:
                _put_locally(Path(self._root, name), content)
                return
            path = f"{self._root}/{name}"
            if self._protocol in _PUTS_ARE_ATOMIC:
                self._files.pipe_file(path, content)
                return
            parent, _, last = path.rpartition("/")
            aside = f"{parent}/.tmp-{secrets.token_hex(8)}-{last}"
            self._files.makedirs(parent, exist_ok=True)
            self._files.pipe_file(aside, content)
            self._files.mv(aside, path)

    def get(self, name: str) -> bytes | None:
        """A file's content, None where there is no such file."""
        with self._told_in_our_terms():
            try:
                if self._is_local:
                    return Path(self._root, name).read_bytes()
                content: bytes = self._files.cat_file(f"{self._root}/{name}")
            except FileNotFoundError:
                return None
            return content

    def folders(self, name: str) -> list[str]:
        """Names of the folders in a folder, none where it does not exist."""
        with self._told_in_our_terms():
            try:
                if self._is_local:
                    return sorted(
                        entry.name for entry in os.scandir(Path(self._root, name)) if entry.is_dir()
                    )
                entries = self._files.ls(f"{self._root}/{name}".rstrip("/"), detail=True, refresh=True)
            except FileNotFoundError:
                return []
            return sorted(
                PurePosixPath(entry["name"]).name for entry in entries if entry["type"] == "directory"
            )

    def remove_folder(self, name: str) -> None:
        """Remove a folder with all that is in it."""
        import shutil

        with self._told_in_our_terms():
            if self._is_local:
                shutil.rmtree(Path(self._root, name))
            else:
                self._files.rm(f"{self._root}/{name}", recursive=True)

    def check(self) -> None:
        """See that the folder exists or can be made, and that files can be written there.

        Raises:
            ConfigError: the path is a file, or the bucket does not exist.
            Unauthorized: it may not be written to.
        """
        with self._told_in_our_terms():
            if not self._is_local:
                self._check_remote()
                return
            there = next(path for path in (Path(self._root), *Path(self._root).parents) if path.exists())
            if not there.is_dir():
                raise ConfigError(f"{there} is a file, and a folder is needed")
            if not os.access(there, os.W_OK | os.X_OK):
                raise Unauthorized(f"{there} may not be written to by this user")

    def _check_remote(self) -> None:
        # In an object store a folder begins to exist with its first file; the bucket must be there.
        is_bucket = self._protocol in _PUTS_ARE_ATOMIC - {"memory"}
        place = self._root.strip("/").partition("/")[0] if is_bucket else self._root
        try:
            self._files.info(place)
        except FileNotFoundError:
            if is_bucket:
                raise ConfigError(f"there is no bucket {place}") from None

    @contextmanager
    def _told_in_our_terms(self) -> Iterator[None]:
        try:
            yield
        except PermissionError as error:
            raise Unauthorized(f"no permission to write files: {_words(error)}") from None
        except OSError as error:
            if error.errno in _DENIED:
                raise Unauthorized(f"no permission to write files: {_words(error)}") from None
            raise Unavailable(f"files cannot be written now: {_words(error)}") from None
        except _client_errors(self._protocol) as error:
            if type(error).__name__ in {"NoCredentialsError", "PartialCredentialsError"}:
                raise Unauthorized(f"no credentials for {self._protocol}: {_words(error)}") from None
            raise Unavailable(f"{self._protocol} does not answer: {_words(error)}") from None


def _is_secret(option: str) -> bool:
    return any(word in option.lower() for word in ("key", "secret", "token", "password", "credential"))


def _words(error: BaseException) -> str:
    return redactor.redact(str(error)) or type(error).__name__


def _client_errors(protocol: str) -> tuple[type[Exception], ...]:
    """Errors of a file system's client that are no OSError."""
    if protocol not in {"s3", "s3a"}:
        return ()
    from botocore.exceptions import (  # type: ignore[import-untyped]  # it has no types
        BotoCoreError,
        ClientError,
    )

    return BotoCoreError, ClientError


def _opened(path: str, protocol: str, options: Mapping[str, str]) -> tuple[Any, str]:
    import fsspec

    try:
        files, root = fsspec.url_to_fs(path, **options)
    except ImportError as error:
        package = f"pip install '{_EXTRAS[protocol]}'" if protocol in _EXTRAS else str(error)
        raise ConfigError(f"{protocol}:// needs a package that is not installed: {package}") from None
    except (ValueError, TypeError) as error:
        raise ConfigError(f"the path of a files destination cannot be opened: {_words(error)}") from None
    return files, root.rstrip("/")


def _put_locally(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.parent / f".tmp-{secrets.token_hex(8)}"
    try:
        with aside.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            aside.unlink()
        raise
    # The new name itself is on disk only when its folder is.
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
