"""sources/*.yml: what is read into the warehouse."""

from __future__ import annotations

from typing import Annotated

from pydantic import Discriminator, Field

from connectors.sources.settings import FilesystemSettings, RestApiSettings, SqlDatabaseSettings
from models.declarations.base import Declared
from models.declarations.schedule import Schedule

__all__ = ["FilesystemSource", "RestApiSource", "Source", "SqlDatabaseSource"]


class _Scheduled(Declared):
    schedule: Schedule | None = Field(
        default=None, description="When it is read by itself; by hand where left out."
    )


class SqlDatabaseSource(_Scheduled, SqlDatabaseSettings):
    """Tables of a database."""


class FilesystemSource(_Scheduled, FilesystemSettings):
    """Files in a folder or bucket."""


class RestApiSource(_Scheduled, RestApiSettings):
    """Records of a JSON API."""


Source = Annotated[SqlDatabaseSource | FilesystemSource | RestApiSource, Discriminator("type")]
"""A source of any type."""
