"""What all declared connectors do: make requests of operations and read their answers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any, ClassVar

from pydantic import SecretStr

from connectors.batch import Batch
from connectors.connections import reach
from connectors.destination import Destination, Limits
from connectors.destinations.declared.answers import read_answer, returned_statuses
from connectors.destinations.declared.calls import PreparedCall, Request, credentials, row_values
from connectors.destinations.declared.format import ConnectorFile, ObjectFile, Probe
from connectors.destinations.declared.template import Template
from connectors.errors import BatchRefused, ConfigError
from connectors.http import HttpClient, http_address
from connectors.operation import Kind, Mode, Operation, Rejection

__all__ = ["Declared", "modes_of", "removals_of"]

_REMOVERS = {"delete": "remove", "archive": "archive", "clear": "clear"}


def removals_of(made: ObjectFile) -> frozenset[str]:
    """The ways in which rows of an object can be removed."""
    return frozenset(how for how, call in _REMOVERS.items() if getattr(made, call) is not None)


def modes_of(made: ObjectFile) -> frozenset[Mode]:
    """The modes that an object's calls are enough for."""
    modes: set[Mode] = set()
    if made.add is not None:
        modes |= {Mode.UPSERT, Mode.INSERT, Mode.APPEND}
        modes |= {Mode.MIRROR} if removals_of(made) else set()
    if made.change is not None:
        modes.add(Mode.UPDATE)
    return frozenset(modes)


class Declared(Destination):
    """A connector made from a YAML file; `connectors.destinations.declared.load` makes the subclass."""

    file: ClassVar[ConnectorFile]

    @classmethod
    def limits_for(cls, settings: Any) -> Limits:
        """As the file and the user say; one row a batch where rows are written by a request each."""
        limits = super().limits_for(settings)
        writers = [call for made in cls.file.objects.values() for call in (made.add, made.change) if call]
        # A batch that fails halfway through its requests would be sent again from its first row.
        return replace(limits, batch_size=1) if any(call.row is None for call in writers) else limits

    async def start(self) -> None:
        """Open the client and parse the templates of the object's calls.

        Raises:
            ConfigError: the object is unknown or has no call for what the sync asks.
        """
        made = self._object()
        self._client, query = self._open()
        names = ("add", "change", *_REMOVERS.values())
        calls = {name: call for name in names if (call := getattr(made, name)) is not None}
        self._calls = {name: PreparedCall(call, query) for name, call in calls.items()}
        self._limits = self.limits_for(self.settings)
        self._values = {
            "settings": self._plain_settings(),
            "sync": self.target.sync,
            "run": self.target.run_id,
            "object": self.target.object or next(iter(self.file.objects)),
        }

    async def check(self) -> None:
        """Make the file's check request; where it has none, only connect."""
        if self._target is not None:
            self._object()
        client, query = self._open()
        probe = self.file.check
        try:
            if probe is None:
                await reach(self._base_url(), self.settings.timeout_seconds)
            else:
                request = PreparedCall(probe, query).request({"settings": self._plain_settings()})
                await _exchange(client, request, probe, [], {})
        finally:
            await client.close()

    async def write(self, batch: Sequence[Operation]) -> list[Rejection]:
        """Send the rows, one request for each run of rows with the same call, or one a row."""
        rows = batch if isinstance(batch, Batch) else Batch.of(batch, sync=self.target.sync)
        found: list[Rejection] = []
        self._sent = 0
        position = 0
        for name, group in groupby(rows, self._call_name):
            operations = list(group)
            whole = len(operations) == len(rows)
            key = rows.idempotency_key if whole else f"{rows.idempotency_key}-{position}"
            call = self._calls[name]
            found += await (
                self._many(call, operations, key) if call.many else self._each(call, operations, key)
            )
            position += len(operations)
        return found

    async def close(self) -> None:
        """Close the connections."""
        client: HttpClient | None = getattr(self, "_client", None)
        if client is not None:
            await client.close()

    async def _many(self, call: PreparedCall, operations: list[Operation], key: str) -> list[Rejection]:
        values = {**self._values, "idempotency_key": key}
        found: list[Rejection] = []
        rows: list[Any] = []
        sent: list[Operation] = []
        for operation in operations:
            try:
                rows.append(call.row({**values, **row_values(operation)}))
                sent.append(operation)
            except ValueError as error:
                found.append(Rejection(operation, "not_sendable", str(error)))
        if not sent:
            return found
        request = call.request({**values, "rows": rows})
        return found + await self._send(request, call, sent, key)

    async def _each(self, call: PreparedCall, operations: list[Operation], key: str) -> list[Rejection]:
        found: list[Rejection] = []
        for index, operation in enumerate(operations):
            own = key if len(operations) == 1 else f"{key}-{index}"
            try:
                request = call.request({**self._values, "idempotency_key": own, **row_values(operation)})
                found += await self._send(request, call, [operation], own)
            except ValueError as error:
                found.append(Rejection(operation, "not_sendable", str(error)))
            except BatchRefused as error:
                found.append(Rejection(operation, error.code, str(error)))
        return found

    async def _send(
        self, request: Request, call: PreparedCall, rows: Sequence[Operation], key: str
    ) -> list[Rejection]:
        most = self._limits.batch_bytes
        if most is not None and len(request.content) > most:
            raise BatchRefused(f"{len(request.content)} bytes, more than {most}", code="too_large")
        await self._keep_pace()
        header = self.file.idempotency_header
        return await _exchange(self._client, request, call.call, rows, {header: key} if header else {})

    async def _keep_pace(self) -> None:
        # The engine paces writes and counts each as one request. Further requests of a write wait here, as
        # if every other write under way made as many.
        rate = self._limits.requests_per_second
        if self._sent and rate is not None:
            await asyncio.sleep(self._limits.concurrency / rate)
        self._sent += 1

    def _call_name(self, operation: Operation) -> str:
        if operation.kind is Kind.REMOVE:
            return _REMOVERS[self.target.on_removed]
        if self.target.mode is Mode.UPDATE or (operation.kind is Kind.CHANGE and "change" in self._calls):
            return "change"
        return "add"

    def _object(self) -> ObjectFile:
        target, objects = self.target, self.file.objects
        known = ", ".join(objects)
        if target.object is None and len(objects) > 1:
            raise ConfigError(f"the sync '{target.sync}' names no object; this destination has: {known}")
        name = target.object or next(iter(objects))
        if name not in objects:
            raise ConfigError(f"the destination of '{target.sync}' has no object '{name}'; it has: {known}")
        made = objects[name]
        if target.mode not in modes_of(made):
            can = ", ".join(sorted(modes_of(made)))
            raise ConfigError(f"the object '{name}' cannot take mode '{target.mode}'; it can: {can}")
        if target.mode is Mode.MIRROR and target.on_removed not in removals_of(made):
            can = ", ".join(sorted(removals_of(made)))
            raise ConfigError(f"the object '{name}' cannot '{target.on_removed}' rows; it can: {can}")
        return made

    def _open(self) -> tuple[HttpClient, dict[str, str]]:
        from connectors.redaction import redactor

        try:
            headers, query = credentials(self.file, self._plain_settings())
        except ValueError as error:
            raise ConfigError(f"a setting of this destination cannot be sent: {error}") from None
        redactor.register(*query.values())
        for name in type(self.settings).model_fields:
            value = getattr(self.settings, name)
            if isinstance(value, SecretStr):
                redactor.register(value.get_secret_value())
        client = HttpClient(
            self.settings,
            base_url=self._base_url(),
            headers=headers,
            concurrency=self.limits_for(self.settings).concurrency,
            forbidden_is_unauthorized=self.file.forbidden_is_unauthorized,
        )
        return client, query

    def _base_url(self) -> str:
        if self.settings.base_url is not None:
            return str(self.settings.base_url)
        made = Template.parse(self.file.base_url or "").text({"settings": self._plain_settings()}, str)
        try:
            return http_address(made)
        except ValueError as error:
            raise ConfigError(f"the connector's base_url with these settings {error}") from None

    def _plain_settings(self) -> dict[str, Any]:
        values = {name: getattr(self.settings, name) for name in self.file.settings}
        return {
            name: value.get_secret_value() if isinstance(value, SecretStr) else value
            for name, value in values.items()
        }


async def _exchange(
    client: HttpClient,
    request: Request,
    call: Probe,
    rows: Sequence[Operation],
    headers: dict[str, str],
) -> list[Rejection]:
    answer = await client.request(
        request.method,
        request.path,
        content=request.content,
        headers={**headers, **request.headers},
        returns=returned_statuses(call),
    )
    return read_answer(answer, call, rows, client.error)
