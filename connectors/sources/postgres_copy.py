"""dlt's PostgreSQL destination with a COPY that keeps empty texts apart from nulls.

dlt's own COPY of CSV files turns every empty text of a nullable column into a null (FORCE_NULL). Its writer
already tells the two apart, empty texts quoted and nulls not, so COPY needs no more than to believe it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlt.common.destination.client import HasFollowupJobs, LoadJob, RunnableLoadJob
from dlt.common.destination.typing import PreparedTableSchema
from dlt.common.storages.file_storage import FileStorage
from dlt.common.storages.load_package import ParsedLoadJobFileName
from dlt.destinations.impl.postgres.factory import postgres
from dlt.destinations.impl.postgres.postgres import PostgresClient

if TYPE_CHECKING:
    from dlt.common.destination.client import JobClientBase

__all__ = ["PostgresByCopy"]


class _CopyJob(RunnableLoadJob, HasFollowupJobs):
    """One CSV file with a header into one table, in one statement."""

    def run(self) -> None:
        client: JobClientBase = self._job_client
        assert isinstance(client, PostgresClient)  # noqa: S101 the destination below makes no other
        sql = client.sql_client
        with FileStorage.open_zipsafe_ro(self._file_path, "rb") as file:
            names = file.readline().decode().strip().split(",")
            columns = ", ".join(sql.escape_column_name(name.strip('"'), quote=True) for name in names)
            table = sql.make_qualified_table_name(self.load_table_name)
            statement = f"COPY {table} ({columns}) FROM STDIN WITH (FORMAT CSV, NULL '', ENCODING 'UTF8')"
            with sql.begin_transaction(), sql.native_connection.cursor() as cursor:
                cursor.copy_expert(statement, file, size=2**16)


class _Client(PostgresClient):
    def create_load_job(
        self,
        table: PreparedTableSchema,
        file_path: str,
        load_id: str,
        restore: bool = False,  # noqa: FBT001, FBT002 dlt's signature
    ) -> LoadJob:
        if ParsedLoadJobFileName.parse(file_path).file_format == "csv":
            return _CopyJob(file_path)
        return super().create_load_job(table, file_path, load_id, restore)


class PostgresByCopy(postgres):
    """PostgreSQL, loaded by COPY."""

    @property
    def client_class(self) -> type[PostgresClient]:
        """The client that makes our jobs."""
        return _Client
