"""The conformance suite on the SQL destination, with every engine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from connectors.destination import Destination, Target
from connectors.destinations.sql import Sql, SqlSettings
from connectors.destinations.sql.columns import from_driver
from connectors.testing import DestinationSuite


class SqlSuite(DestinationSuite):
    """What the engines share: a table made by the destination, read back by plain SQL."""

    object = "people"
    url: str
    scheme: str

    def destination(self, target: Target | None) -> Destination:
        """Writes into a database of the test's own."""
        return Sql(SqlSettings.model_validate({"url": self.url, "create": True}), target)

    def written(self) -> Mapping[str, Mapping[str, Any]]:
        """All rows of the table, none while it does not exist."""
        url = SqlSettings.model_validate({"url": self.url}).url.get_secret_value()
        engine = sa.create_engine(url, poolclass=sa.NullPool)
        try:
            with engine.connect() as connection:
                found = connection.exec_driver_sql("SELECT * FROM people")
                names = list(found.keys())
                return {
                    row[names.index("email")]: self._typed(dict(zip(names, row, strict=True)))
                    for row in found
                }
        except sa.exc.DBAPIError:
            return {}

    def _typed(self, row: dict[str, Any]) -> dict[str, Any]:
        types = self._target(self._adds(1)).types
        return {name: from_driver(value, types[name]) for name, value in row.items()}

    def bad_record(self) -> dict[str, Any]:
        """No engine's BIGINT holds it."""
        return self.record(0) | {"email": "bad@example.com", "visits": 2**70}


class Server(SqlSuite):
    """What servers have beyond files: an address and a login."""

    def unreachable(self, target: Target | None) -> Destination:
        """A port where nobody listens."""
        settings = {"url": f"{self.scheme}://127.0.0.1:1/test", "timeout_seconds": 2}
        return Sql(SqlSettings.model_validate(settings), target)


class TestSqlite(SqlSuite):
    """SQLite."""

    @pytest.fixture(autouse=True)
    def _database(self, tmp_path: Path) -> None:
        self.url = f"sqlite:///{tmp_path}/db"


class TestDuckdb(SqlSuite):
    """DuckDB."""

    @pytest.fixture(autouse=True)
    def _database(self, tmp_path: Path) -> None:
        self.url = f"duckdb:///{tmp_path}/db"


class TestPostgresql(Server):
    """PostgreSQL."""

    scheme = "postgresql"

    @pytest.fixture(autouse=True)
    def _database(self, postgres_url: str) -> None:
        self.url = postgres_url


class TestMariadb(Server):
    """MariaDB."""

    scheme = "mysql"

    @pytest.fixture(autouse=True)
    def _database(self, mariadb_url: str) -> None:
        self.url = mariadb_url

    def wrong_credential(self) -> Destination:
        """A user that does not exist."""
        url = sa.make_url(self.url).set(username="nobody_here", password="hunter22")
        settings = {"url": url.render_as_string(hide_password=False)}
        return Sql(SqlSettings.model_validate(settings), None)
