"""What a plugin author tells the suite, and how the suite makes and writes rows of it."""

# ruff: noqa: S101  a suite asserts

from __future__ import annotations

import asyncio
import datetime as dt
import itertools
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, ClassVar

import pytest

from connectors.destination import Destination, OnRemoved, Target
from connectors.operation import Kind, Mode, Operation, Rejection
from connectors.testing.driving import session
from connectors.values import on_wire

__all__ = ["SuiteHooks", "removed"]

_DELETE: OnRemoved = "delete"
_numbers = itertools.count(1)


class SuiteHooks:
    """Override `destination`; each further hook lets more be tested."""

    object: ClassVar[str | None] = None
    """The destination's object to write to."""
    match_on: ClassVar[tuple[str, ...]] = ("email",)
    """The fields of `record` that identify a row."""
    secrets: ClassVar[tuple[str, ...]] = ()
    """Secrets in the settings that `destination` uses; they must not show anywhere."""

    # Hooks

    def destination(self, target: Target) -> Destination:
        """The connector under test, with settings that work."""
        raise NotImplementedError("override `destination`")

    def record(self, number: int) -> dict[str, Any]:
        """A row that the destination takes; another one for each number."""
        return {
            "email": f"row{number}@example.com",
            "name": f"Row {number}",
            "visits": number,
            "score": number / 7,
            "amount": Decimal(number) / 100,
            "active": number % 2 == 0,
            "born": dt.date(1990, 1, 1) + dt.timedelta(days=number % 10_000),
            "seen": dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC) + dt.timedelta(seconds=number),
        }

    def written(self) -> Mapping[str, Mapping[str, Any]]:
        """What the other side holds: records by the text of their (first) identifier."""
        return pytest.skip("needs the hook `written`: what the other side holds")

    def bad_record(self) -> dict[str, Any]:
        """A row that the other side refuses, alone."""
        return pytest.skip("needs the hook `bad_record`: a row that is refused")

    def wrong_credential(self) -> Destination:
        """The connector with a credential that is refused."""
        return pytest.skip("needs the hook `wrong_credential`")

    def unreachable(self, target: Target) -> Destination:
        """The connector pointed at an address where nobody answers."""
        return pytest.skip(f"needs the hook `unreachable`: nobody answers the sync {target.sync}")

    def requests(self) -> int:
        """How many writing requests the other side has received so far."""
        return pytest.skip("needs the hook `requests`: how many were received")

    def idempotency_keys(self) -> Sequence[str]:
        """The idempotency keys that the other side has received so far."""
        return pytest.skip("needs the hook `idempotency_keys`")

    def same(self, sent: Any, held: Any) -> bool:
        """Whether a value that is held is the one that was sent; by default, in the form on the wire."""
        return bool(on_wire(sent) == on_wire(held))

    # How rows are made and written

    def _one(self) -> Destination:
        return self.destination(self._target(self._adds(1)))

    def _target(self, operations: Sequence[Operation], mode: Mode | None = None) -> Target:
        record = next((o.record or o.previous for o in operations if o.record or o.previous), None)
        types = types_of(record or self.record(0))
        return Target(
            sync="conformance",
            run_id="run-1",
            object=self.object,
            mode=mode or self._usual_mode(),
            primary_key=("id",),
            match_on=self.match_on,
            fields=tuple(types),
            on_removed=_DELETE,
            types={**types, "id": "integer"},
        )

    def _usual_mode(self) -> Mode:
        return Mode.UPSERT

    def _add_of(self, record: dict[str, Any]) -> Operation:
        number = next(_numbers)
        match = {name: record[name] for name in self.match_on}
        return Operation(number, Kind.ADD, {"id": number}, match, record)

    def _add(self, **values: Any) -> Operation:
        record = self.record(next(_numbers))
        missing = sorted(values.keys() - record.keys())
        if missing:
            pytest.skip(f"`record` has no field {', '.join(missing)}")
        return self._add_of({**record, **values})

    def _adds(self, count: int) -> list[Operation]:
        return [self._add() for _ in range(count)]

    def _changed(self, added: Operation, **values: Any) -> Operation:
        before = added.record or {}
        record = {**self.record(next(_numbers)), **{name: before[name] for name in self.match_on}, **values}
        return Operation(added.seq, Kind.CHANGE, added.key, added.match, record, before, added.match)

    def _name(self, operation: Operation) -> str:
        return str(on_wire(operation.match[self.match_on[0]]))

    def _needs(self, mode: Mode) -> None:
        if mode not in type(self._one()).modes:
            pytest.skip(f"this destination has no mode {mode}")

    def _needs_delete(self) -> None:
        self._needs(Mode.MIRROR)
        if _DELETE not in type(self._one()).removals:
            pytest.skip("this destination does not delete")

    def _write(self, operations: Sequence[Operation], mode: Mode | None = None) -> list[Rejection]:
        """Write as the engine does: in batches within the limit, halving what is refused as a whole."""
        return asyncio.run(session(self.destination(self._target(operations, mode)), operations))

    def _arrives(self, operations: Sequence[Operation]) -> None:
        assert self._write(operations) == []
        self._held(operations)

    def _held(self, operations: Sequence[Operation]) -> None:
        held = self.written()
        for operation in operations:
            found = held.get(self._name(operation))
            assert found is not None, f"{self._name(operation)} did not arrive"
            for name, value in (operation.record or {}).items():
                assert self.same(value, found.get(name)), f"{name}: sent {value!r}, held {found.get(name)!r}"


def removed(operation: Operation) -> Operation:
    """The removal of a row that was added."""
    return Operation(
        operation.seq, Kind.REMOVE, operation.key, operation.match, None, operation.record, operation.match
    )


_LOGICAL = (
    (bool, "boolean"),
    (int, "integer"),
    (float, "float"),
    (Decimal, "decimal"),
    (dt.datetime, "timestamptz"),
    (dt.date, "date"),
    (dict, "struct"),
    (list, "list"),
)


def types_of(record: Mapping[str, Any]) -> dict[str, str]:
    return {
        name: next((logical for kind, logical in _LOGICAL if isinstance(value, kind)), "text")
        for name, value in record.items()
    }
