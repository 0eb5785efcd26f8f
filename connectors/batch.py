"""A batch of operations as the engine hands it to a destination."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from typing import overload

import orjson

from connectors.operation import Operation
from connectors.values import on_wire

__all__ = ["Batch", "json_row"]


def json_row(operation: Operation) -> bytes:
    """An operation as the JSON object `{"operation", "key", "record", "previous"}` of the webhook format."""
    return orjson.dumps(
        {
            "operation": operation.kind.value,
            "key": on_wire(operation.key),
            "record": on_wire(operation.record),
            "previous": on_wire(operation.previous),
        }
    )


class Batch(Sequence[Operation]):
    """Operations in order, made from columns only when somebody looks at them.

    `idempotency_key` depends on the sync and the rows alone: the same rows sent again carry the same key.
    `json_rows` holds each operation as ready JSON (see `json_row`) where the destination asked for it.
    `run_id` names the run that planned the rows.
    """

    def __init__(
        self,
        length: int,
        build: Callable[[], Sequence[Operation]],
        *,
        idempotency_key: str,
        run_id: str = "",
        json_rows: Sequence[bytes] | None = None,
    ) -> None:
        self._length = length
        self._build = build
        self._operations: Sequence[Operation] | None = None
        self._json_rows = json_rows
        self.idempotency_key = idempotency_key
        self.run_id = run_id

    @classmethod
    def of(cls, operations: Iterable[Operation], *, sync: str = "test", run_id: str = "test") -> Batch:
        """A batch of operations that already exist, for tests and plugins."""
        made = tuple(operations)
        digest = hashlib.blake2b(sync.encode(), digest_size=16)
        for operation in made:
            digest.update(json_row(operation))
        return cls(len(made), lambda: made, idempotency_key=digest.hexdigest(), run_id=run_id)

    @property
    def operations(self) -> Sequence[Operation]:
        """All operations, built once."""
        if self._operations is None:
            self._operations = self._build()
        return self._operations

    @property
    def json_rows(self) -> Sequence[bytes]:
        """Each operation as ready JSON."""
        if self._json_rows is None:
            self._json_rows = [json_row(operation) for operation in self.operations]
        return self._json_rows

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, index: int) -> Operation: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Operation]: ...
    def __getitem__(self, index: int | slice) -> Operation | Sequence[Operation]:
        return self.operations[index]
