"""Which value stands in which column of a snapshot and a plan.

Columns have made-up names (`k0`, `m0`, `f3`): a field may be called anything, longer than an identifier may
be and hostile, and none of it reaches SQL as an identifier.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from connectors.warehouses import Column

__all__ = ["Layout", "Role", "Slot"]

Role = Literal["key", "match", "field"]
_LETTER: dict[Role, str] = {"key": "k", "match": "m", "field": "f"}


@dataclass(frozen=True, slots=True)
class Slot:
    """One value of a record: its role and name for the destination, its column and types in the warehouse.

    `omit` leaves the field out of the record where it is null. `retired` marks a field that the mapping no
    longer has, while rows that were delivered with it are still in the snapshot.
    """

    role: Role
    name: str
    column: str
    native: str
    logical: str
    omit: bool = False
    retired: bool = False

    @property
    def stored(self) -> Column:
        """The column as the warehouse's dialect knows it."""
        return Column(self.column, self.native, self.logical)


@dataclass(frozen=True, slots=True)
class Layout:
    """All slots of a sync, in the order of their columns."""

    slots: tuple[Slot, ...]

    @classmethod
    def from_json(cls, stored: Sequence[dict[str, Any]]) -> Layout:
        """The layout that `to_json` wrote."""
        return cls(tuple(Slot(**slot) for slot in stored))

    def to_json(self) -> list[dict[str, Any]]:
        """A plain form to keep beside a snapshot."""
        return [{name: getattr(slot, name) for name in Slot.__slots__} for slot in self.slots]

    @property
    def keys(self) -> tuple[Slot, ...]:
        """The primary key's slots."""
        return tuple(slot for slot in self.slots if slot.role == "key")

    @property
    def matches(self) -> tuple[Slot, ...]:
        """The slots of the destination's identifiers."""
        return tuple(slot for slot in self.slots if slot.role == "match")

    @property
    def values(self) -> tuple[Slot, ...]:
        """What is compared: identifiers and fields, retired ones too."""
        return tuple(slot for slot in self.slots if slot.role != "key")

    @property
    def fields(self) -> tuple[Slot, ...]:
        """The fields that the mapping has now."""
        return tuple(slot for slot in self.slots if slot.role == "field" and not slot.retired)

    def merged(self, wanted: Iterable[Slot], kept: Iterable[str]) -> Layout:
        """This layout with the wanted slots, each in its old column where it had one.

        Old fields that are not wanted stay as retired slots where `kept` names their column.
        """
        old = {(slot.role, slot.name): slot for slot in self.slots}
        taken = {slot.column for slot in self.slots}
        slots = []
        for slot in wanted:
            known = old.pop((slot.role, slot.name), None)
            column = known.column if known else _free(_LETTER[slot.role], taken)
            taken.add(column)
            slots.append(replace(slot, column=column))
        names = set(kept)
        slots += [replace(slot, retired=True) for slot in old.values() if slot.column in names]
        return Layout(tuple(slots))


def _free(letter: str, taken: set[str]) -> str:
    number = 0
    while f"{letter}{number}" in taken:
        number += 1
    return f"{letter}{number}"
