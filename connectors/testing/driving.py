"""Drives a destination as a run does: start, write batch by batch, halve what is refused, close."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from connectors.batch import Batch
from connectors.destination import Destination
from connectors.errors import BatchRefused
from connectors.operation import Operation, Rejection

__all__ = ["call", "checked", "session"]


async def call(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a method that may be a plain function, which then runs in a thread."""
    if inspect.iscoroutinefunction(function):
        made: Awaitable[Any] = function(*arguments)
        return await made
    return await asyncio.to_thread(function, *arguments)


async def checked(made: Destination) -> None:
    """Check and close."""
    try:
        await call(made.check)
    finally:
        await call(made.close)


async def session(
    made: Destination,
    operations: Sequence[Operation],
    batch: Callable[[Sequence[Operation]], Sequence[Operation]] = Batch.of,
) -> list[Rejection]:
    """Write operations in one run, from start to close.

    Args:
        made: the destination.
        operations: rows, in batches of the destination's limit at most; none make one empty batch.
        batch: makes what `write` is given.
    """
    size = made.limits_for(made.settings).batch_size
    await call(made.start)
    try:
        found: list[Rejection] = []
        for start in range(0, max(len(operations), 1), size):
            found += await halved(made, operations[start : start + size], batch)
        return found
    finally:
        await call(made.close)


async def halved(
    made: Destination,
    operations: Sequence[Operation],
    batch: Callable[[Sequence[Operation]], Sequence[Operation]],
) -> list[Rejection]:
    try:
        found: list[Rejection] = await call(made.write, batch(operations))
    except BatchRefused as error:
        if len(operations) == 1:
            return [Rejection(operations[0], error.code, str(error))]
        middle = len(operations) // 2
        first = await halved(made, operations[:middle], batch)
        return first + await halved(made, operations[middle:], batch)
    sent = {operation.seq for operation in operations}
    assert all(rejection.operation.seq in sent for rejection in found), "a rejection of another batch"  # noqa: S101  a check of the suite, which asserts
    return found
