"""Calling a connector's code: plain or async, and with whatever it raises told in the hub's terms."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import traceback
from collections.abc import Callable
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

from connectors.errors import (
    BatchRefused,
    DestinationError,
    OutcomeUnknown,
    Throttled,
    Unauthorized,
    Unavailable,
)
from syncs.deliver.outcome import ConnectorDefect

__all__ = ["call", "defect"]

_GRAVEST_FIRST = (Unauthorized, OutcomeUnknown, Unavailable, Throttled, BatchRefused, DestinationError)


async def call(threads: Executor, method: Callable[..., Any], argument: Any) -> Any:
    """What a connector's method answers; a plain function runs in a thread.

    Raises:
        DestinationError: as the connector raised it; of a group of them the gravest.
        ConnectorDefect: for anything else, with the place in the code and no value of a row.
    """
    try:
        if inspect.iscoroutinefunction(method):
            return await method(argument)
        context = contextvars.copy_context()
        loop = asyncio.get_running_loop()
        answer = await loop.run_in_executor(threads, context.run, _plainly, method, argument)
        return await answer if inspect.isawaitable(answer) else answer
    except DestinationError:
        raise
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise defect(method, "cancelled itself") from None
    except ExceptionGroup as group:
        raise _one_of(group, method) from None
    except Exception as error:  # noqa: BLE001  told as what it is: a mistake in the connector
        raise defect(method, _sort_and_place(error)) from None


def defect(method: Callable[..., Any], words: str) -> ConnectorDefect:
    """The error that names a connector whose method did what no method may do."""
    owner = getattr(method, "__self__", None)
    name = type(owner).__name__ if owner is not None else getattr(method, "__qualname__", "?")
    return ConnectorDefect(
        f"the connector {name} {words}; a destination may only raise what connectors.errors names below "
        f"DestinationError and return a list of rejections, so its code must be mended"
    )


def _plainly(method: Callable[..., Any], argument: Any) -> Any:
    try:
        return method(argument)
    except StopIteration as error:  # a future cannot carry it
        raise RuntimeError("StopIteration") from error


def _one_of(group: ExceptionGroup[Exception], method: Callable[..., Any]) -> DestinationError:
    known: list[DestinationError] = []
    for leaf in _leaves(group):
        if not isinstance(leaf, DestinationError):
            return defect(method, _sort_and_place(leaf))
        known.append(leaf)
    return min(known, key=_gravity)


def _gravity(error: DestinationError) -> int:
    return next(place for place, sort in enumerate(_GRAVEST_FIRST) if isinstance(error, sort))


def _leaves(error: Exception) -> list[Exception]:
    if isinstance(error, ExceptionGroup):
        return [leaf for inner in error.exceptions for leaf in _leaves(inner)]
    return [error]


def _sort_and_place(error: Exception) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"failed with {type(error).__name__}{place}"
