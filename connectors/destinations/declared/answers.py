"""What an answer to a declared call says about its rows. What cannot be understood is never a yes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from connectors.answer import Answer, clip
from connectors.destinations.declared.calls import row_values
from connectors.destinations.declared.format import Call, Probe, RowErrors
from connectors.destinations.declared.template import MISSING, Template, dig
from connectors.errors import BatchRefused, DestinationError, OutcomeUnknown
from connectors.operation import Operation, Rejection

__all__ = ["read_answer", "returned_statuses"]

_DIGITS_OF_AN_INDEX = 9


def returned_statuses(call: Probe) -> frozenset[int]:
    """Statuses that are no 2xx and yet no error of the whole request."""
    found = set(call.statuses or ())
    if isinstance(call, Call):
        found |= {*call.missing_ok, *(call.errors.statuses if call.errors else ())}
    return frozenset(found)


def read_answer(
    answer: Answer, call: Probe, rows: Sequence[Operation], error: Callable[[Answer], DestinationError]
) -> list[Rejection]:
    """The rows that an answer refuses.

    Args:
        answer: what came back.
        call: the call that was made.
        rows: the rows sent, in order.
        error: tells what an answer's status means where it is no success.

    Raises:
        DestinationError: the answer refuses the request as a whole, or cannot be understood.
    """
    if isinstance(call, Call) and answer.status in call.missing_ok:
        return []
    success = answer.status in call.statuses if call.statuses else answer.ok
    errors = call.errors if isinstance(call, Call) else None
    if not success and not (errors and answer.status in errors.statuses):
        if answer.ok:
            raise _misread(answer, "this 2xx status is not among the call's `statuses`")
        raise error(answer)
    document = answer.json() if answer.body and (errors or call.accepted_when) else None
    if success:
        _verdict(answer, document, call)
    found = list(_Reading(answer, errors, rows).rejections(document)) if errors else []
    if not success and not found:
        raise error(answer)
    return found


def _verdict(answer: Answer, document: Any, call: Probe) -> None:
    for path, value in call.accepted_when.items():
        if not _same(_at(document, path), value):
            raise BatchRefused(
                f"{answer.place} answered {answer.status} without {path} being {value!r}: {answer.words()}",
                code="not_accepted",
            )


@dataclass(frozen=True)
class _Reading:
    """An answer beside the rows it speaks of."""

    answer: Answer
    errors: RowErrors
    rows: Sequence[Operation]

    def rejections(self, document: Any) -> Iterator[Rejection]:
        """One rejection a row that the document refuses."""
        errors = self.errors
        items = _at(document, errors.path)
        if items is MISSING or items is None:
            return
        if not isinstance(items, list):
            raise _misread(self.answer, f"`{errors.path}` is no list")
        if errors.by == "position" and len(items) != len(self.rows):
            words = f"`{errors.path}` has {len(items)} items for {len(self.rows)} rows"
            raise _misread(self.answer, words)
        told: set[int] = set()
        for position, item in enumerate(items):
            if not all(_same(_at(item, path), value) for path, value in errors.only.items()):
                continue
            for index in self._rows_of(position, item):
                if index not in told:
                    told.add(index)
                    yield _rejection(self.rows[index], item, errors)

    def _rows_of(self, position: int, item: Any) -> list[int]:
        if len(self.rows) == 1:
            return [0]
        if self.errors.by == "position":
            return [position]
        named = _at(item, self.errors.at)
        if self.errors.by == "id":
            found = self._by_id.get(str(named).casefold(), [])
        else:
            found = [i for i in [_number(named)] if i is not None and 0 <= i < len(self.rows)]
        if not found:
            place = f"`{self.errors.path}.{position}.{self.errors.at}`"
            raise _misread(self.answer, f"{place} names no row of the {len(self.rows)} sent")
        return found

    @cached_property
    def _by_id(self) -> dict[str, list[int]]:
        template = Template.parse(self.errors.row_id or "")
        found: dict[str, list[int]] = {}
        for index, operation in enumerate(self.rows):
            name = str(template.typed(row_values(operation))).casefold()
            found.setdefault(name, []).append(index)
        return found


def _number(named: Any) -> int | None:
    if isinstance(named, str) and named.isascii() and named.isdecimal() and len(named) <= _DIGITS_OF_AN_INDEX:
        return int(named)
    return named if isinstance(named, int) and not isinstance(named, bool) else None


def _rejection(operation: Operation, item: Any, errors: RowErrors) -> Rejection:
    code, message = _at(item, errors.code), _at(item, errors.message)
    return Rejection(
        operation,
        code="rejected" if code is MISSING or code is None else clip(code, 100),
        message="" if message is MISSING or message is None else clip(message, 500),
        retryable=str(code) in errors.retryable_codes,
    )


def _at(document: Any, path: str) -> Any:
    return dig(document, tuple(path.split(".")))


def _same(found: Any, wanted: Any) -> bool:
    # True is not 1 here: an API that says `"ok": 1` is asked for 1.
    return bool(found == wanted) and isinstance(found, bool) == isinstance(wanted, bool)


def _misread(answer: Answer, what: str) -> DestinationError:
    words = f"{answer.place} answered {answer.status} in a way that cannot be understood: {what}"
    return OutcomeUnknown(words) if answer.ok else BatchRefused(words, code=str(answer.status))
