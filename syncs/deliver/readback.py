"""Which rows of a batch without an answer did arrive, told by what the destination holds now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from connectors.operation import Kind, Mode, Operation
from connectors.values import on_wire

__all__ = ["arrived", "stretches"]


def arrived(operation: Operation, held: Mapping[str, Any] | None, mode: Mode) -> bool:
    """Whether a destination that now holds `held` for a row has written the operation.

    A new row of an insert or append was written if it is there at all. Everything else is written again
    without harm, so it counts as written only if each field holds the record's value.
    """
    if operation.kind is Kind.REMOVE:
        return held is None
    if held is None:
        return False
    if operation.kind is Kind.ADD and mode in {Mode.INSERT, Mode.APPEND}:
        return True
    return _within(on_wire(operation.record or {}), on_wire(held))


def stretches(from_seq: int, answers: Sequence[bool]) -> Iterator[tuple[int, int, bool]]:
    """Ranges [from, to) of operations with the same answer, in order."""
    for there, group in groupby(enumerate(answers, from_seq), key=lambda pair: pair[1]):
        seqs = [seq for seq, _ in group]
        yield seqs[0], seqs[-1] + 1, there


def _within(wanted: Any, held: Any) -> bool:
    if isinstance(wanted, Mapping):
        return isinstance(held, Mapping) and all(_within(wanted[name], held.get(name)) for name in wanted)
    return bool(wanted == held)
