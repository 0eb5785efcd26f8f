"""A spooled row as an operation of typed values, or as ready JSON: both say the same."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from connectors.operation import Operation
from connectors.values import nest
from connectors.warehouses.literals import text_literal
from syncs.diff import ADD, REMOVE
from syncs.layout import Layout, Slot
from syncs.plan import KINDS

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["can_be_json", "json_batches", "operations"]

_FROM_TEXT: dict[str, Callable[[str], Any]] = {
    "integer": int,
    "decimal": Decimal,
    "uuid": uuid.UUID,
    "json": orjson.loads,
}
_DEEP = {"json", "list", "struct"}


def recorded(layout: Layout) -> tuple[Slot, ...]:
    """The slots that make a record: its fields, and identifiers that no field repeats."""
    names = {slot.name for slot in layout.fields}
    identifiers = (slot for slot in layout.matches if slot.name not in names and not slot.retired)
    return (*identifiers, *layout.fields)


def delivered(layout: Layout) -> tuple[Slot, ...]:
    """The slots that make the record last accepted: those of a record, and what it no longer has.

    What it no longer has is left out where its name would hold another field, or be held by one (`a`, `a.b`).
    """
    slots = list(recorded(layout))
    for slot in layout.values:
        if slot.retired and not any(_clash(slot.name, other.name) for other in slots):
            slots.append(slot)
    return tuple(slots)


def _clash(one: str, other: str) -> bool:
    return f"{one}.".startswith(f"{other}.") or f"{other}.".startswith(f"{one}.")


def operations(table: pa.Table, layout: Layout) -> list[Operation]:
    """All rows of a spooled table as operations."""
    kinds = table.column("kind").to_pylist()
    keys = _Mappings(table, layout.keys, "")
    match_slots = [slot for slot in layout.matches if not slot.retired]
    now, before = _Mappings(table, recorded(layout), ""), _Mappings(table, delivered(layout), "p")
    match, previous_match = _Mappings(table, match_slots, ""), _Mappings(table, match_slots, "p")
    made = []
    for i, (seq, kind) in enumerate(zip(table.column("seq").to_pylist(), kinds, strict=True)):
        key = keys.plain(i)
        old_match = (previous_match.plain(i) if match_slots else key) if kind != ADD else None
        new_match = match.plain(i) if match_slots else key
        made.append(
            Operation(
                seq=seq,
                kind=KINDS[kind],
                key=key,
                match=old_match if kind == REMOVE and old_match is not None else new_match,
                record=None if kind == REMOVE else now.record(i),
                previous=None if kind == ADD else before.record(i),
                previous_match=old_match,
            )
        )
    return made


class _Mappings:
    """Columns turned back into one mapping a row."""

    def __init__(self, table: pa.Table, slots: Sequence[Slot], prefix: str) -> None:
        self._names = [slot.name for slot in slots]
        self._omitted = frozenset(slot.name for slot in slots if slot.omit or slot.retired)
        self._nested = any("." in name for name in self._names)
        columns = [_typed(table.column(f"{prefix}{slot.column}"), slot) for slot in slots]
        self._rows = list(zip(*columns, strict=True)) if columns else [()] * table.num_rows

    def plain(self, i: int) -> dict[str, Any]:
        return dict(zip(self._names, self._rows[i], strict=True))

    def record(self, i: int) -> Mapping[str, Any]:
        flat = self.plain(i)
        if self._omitted:
            flat = {n: value for n, value in flat.items() if value is not None or n not in self._omitted}
        return nest(flat) if self._nested else flat


def _typed(column: pa.ChunkedArray, slot: Slot) -> list[Any]:
    values: list[Any] = column.to_pylist(maps_as_pydicts="lossy")
    convert = _FROM_TEXT.get(slot.logical)
    if convert is None or not any(isinstance(value, str) for value in values):
        return values
    return [None if value is None else convert(value) for value in values]


def can_be_json(layout: Layout) -> bool:
    """Whether SQL can write the rows: nested values are left to `connectors.values`."""
    return not any(slot.logical in _DEEP for slot in layout.slots)


def json_batches(path: Path, layout: Layout, batch_rows: int) -> Iterator[pa.RecordBatch]:
    """A spool's rows in order, with a column `json` that holds what `connectors.batch.json_row` gives.

    An embedded DuckDB writes the texts, many rows at once and beside the interpreter.
    """
    import duckdb

    key = _object([(slot.name, slot, slot.column) for slot in layout.keys], flat=True)
    record = _object([(slot.name, slot, slot.column) for slot in recorded(layout)])
    previous = _object([(slot.name, slot, f"p{slot.column}") for slot in delivered(layout)])
    kinds = " ".join(f"WHEN {number} THEN '{kind.value}'" for number, kind in KINDS.items())
    text = (
        f"""concat('{{"operation":"', CASE kind {kinds} END, '","key":', {key}, ',"record":', """
        f"""CASE WHEN kind = {REMOVE} THEN 'null' ELSE {record} END, ',"previous":', """
        f"""CASE WHEN kind = {ADD} THEN 'null' ELSE {previous} END, '}}')"""
    )
    with duckdb.connect(config={"memory_limit": "512MB", "threads": "1"}) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        query = f"SELECT *, {text} AS json FROM read_parquet({text_literal(str(path))})"
        yield from connection.sql(query).to_arrow_reader(batch_rows)


def _object(parts: Sequence[tuple[str, Slot, str]], *, flat: bool = False) -> str:
    """A SQL text expression for the JSON object of (name, slot, column), in which dots nest unless `flat`."""
    tree: dict[str, Any] = {}
    for name, slot, column in parts:
        *parents, leaf = [name] if flat else name.split(".")
        level = tree
        for parent in parents:
            level = level.setdefault(parent, {})
        level[leaf] = (slot, column)
    return _branch(tree)[0]


def _branch(tree: Mapping[str, Any]) -> tuple[str, str]:
    """An object's text, and the condition under which it has any member."""
    labels, texts, present = [], [], []
    for name, node in tree.items():
        if isinstance(node, Mapping):
            text, there = _branch(node)
        else:
            slot, column = node
            text = f"coalesce({_wire(slot, column)}, 'null')"
            there = f"{column} IS NOT NULL" if slot.omit or slot.retired else "TRUE"
        labels.append(f"{orjson.dumps(name).decode()}:")
        texts.append(text)
        present.append(there)
    if all(there == "TRUE" for there in present):
        return _concatenated(labels, texts), "TRUE" if present else "FALSE"
    members = [
        f"CASE WHEN {there} THEN concat({text_literal(label)}, {text}) END"
        for label, text, there in zip(labels, texts, present, strict=True)
    ]
    there = "TRUE" if "TRUE" in present else f"({' OR '.join(present)})"
    return f"concat('{{', concat_ws(',', {', '.join(members)}), '}}')", there


def _concatenated(labels: Sequence[str], texts: Sequence[str]) -> str:
    """An object whose members are always there, put together in one go: three times as fast as `||`."""
    parts = []
    for before, label, text in zip(("{", *"," * len(labels)), labels, texts, strict=False):
        parts += [text_literal(f"{before}{label}"), text]
    return f"concat({', '.join(parts)}, '}}')" if parts else "'{}'"


def _wire(slot: Slot, column: str) -> str:
    """A value's JSON text, null where it is null, by the rules in `connectors.values`."""
    return _WIRE.get(slot.logical, _text)(column)


def _quoted(sql: str) -> str:
    return f"""'"' || {sql} || '"'"""


def _text(column: str) -> str:
    return f"to_json({column}::VARCHAR)::VARCHAR"


def _integer(column: str) -> str:
    number = f"{column}::HUGEINT"
    small = f"{number} BETWEEN -9007199254740992 AND 9007199254740992"
    return f"CASE WHEN {small} THEN {column}::VARCHAR ELSE {_quoted(f'{column}::VARCHAR')} END"


def _decimal(column: str) -> str:
    text = f"{column}::VARCHAR"
    digits = f"trim(replace(replace({text}, '-', ''), '.', ''), '0')"
    exact = (
        f"CASE WHEN contains({text}, '.') AND NOT regexp_matches({text}, '[.]0*$') THEN FALSE "
        f"ELSE abs(try_cast(split_part({text}, '.', 1) AS HUGEINT)) <= 9007199254740992 END"
    )
    number = f"length({digits}) <= 15 OR coalesce({exact}, FALSE)"
    finite = f"regexp_full_match({text}, '-?[0-9]*[.]?[0-9]*')"
    return f"CASE WHEN NOT {finite} THEN NULL WHEN {number} THEN {text} ELSE {_quoted(text)} END"


def _float(column: str) -> str:
    return f"CASE WHEN isfinite({column}) THEN to_json({column})::VARCHAR END"


def _timestamp(column: str) -> str:
    whole, parts = (f"""strftime({column}, '"%Y-%m-%dT%H:%M:%S{rest}Z"')""" for rest in ("", ".%f"))
    return f"CASE WHEN microsecond({column}) % 1000000 = 0 THEN {whole} ELSE {parts} END"


def _time(column: str) -> str:
    return _quoted(
        f"left({column}::VARCHAR, 8) || CASE WHEN microsecond({column}) % 1000000 = 0 THEN '' "
        f"ELSE '.' || lpad((microsecond({column}) % 1000000)::VARCHAR, 6, '0') END"
    )


_WIRE: dict[str, Callable[[str], str]] = {
    "boolean": lambda c: f"CASE WHEN {c} THEN 'true' WHEN NOT {c} THEN 'false' END",
    "integer": _integer,
    "decimal": _decimal,
    "float": _float,
    "date": lambda c: _quoted(f"{c}::VARCHAR"),
    "timestamp": _timestamp,
    "timestamptz": lambda c: _timestamp(f"make_timestamp(epoch_us({c}))"),
    "time": _time,
    "binary": lambda c: _quoted(f"base64({c})"),
    "uuid": lambda c: _quoted(f"{c}::VARCHAR"),
}
