"""Rows into a table of PostgreSQL, MySQL, MariaDB, SQLite or DuckDB."""

from connectors.destinations.sql.destination import Sql, SqlSettings

__all__ = ["Sql", "SqlSettings"]
