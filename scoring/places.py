"""Which declaration an error is about."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from connectors.errors import ScoringError, WarehouseError

__all__ = ["errors_of"]


@contextmanager
def errors_of(place: str) -> Iterator[None]:
    """What goes wrong inside is told with the declaration that it comes from, such as `features/activity`."""
    try:
        yield
    except (ScoringError, WarehouseError) as error:
        raise type(error)(f"{place}: {error}") from error
