"""Rows on their way into a table: brought into its types, held to the schema contract, bad ones kept back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from connectors.errors import SourceError
from connectors.sources.convert import converter
from connectors.sources.kinds import Typed, Values, fit, typed_as, typed_by_arrow, typed_by_dlt
from connectors.sources.rejected import RejectedRows
from connectors.sources.settings import ContractParts

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["POSITION", "Shaper", "TableRules"]

POSITION = "_position"

_LONGEST_VALUE_SHOWN = 60


@dataclass(frozen=True, slots=True)
class TableRules:
    """What one table's rows must be.

    `known` are the columns that the warehouse's table has (dlt's words), empty for a new table. `types` are
    declared or inferred ones by the source's names. `normal` turns a source's name into the warehouse's.
    `later_wins` numbers the rows of a load in `_position`, so that of two with one key the later is kept.
    """

    table: str
    contract: ContractParts
    primary_key: tuple[str, ...]
    known: Mapping[str, Mapping[str, Any]]
    normal: Callable[[str], str]
    on_postgres: bool = False
    later_wins: bool = False
    types: dict[str, Typed] = field(default_factory=dict)


@dataclass(slots=True)
class _Batch:
    """A batch while it is shaped: finished columns, and why rows are kept back."""

    source: Mapping[str, Values]
    origin: str | None
    columns: dict[str, Any] = field(default_factory=dict)
    reasons: dict[int, str] = field(default_factory=dict)


class Shaper:
    """Shapes batch after batch of one table, counting rows and new columns."""

    def __init__(self, rules: TableRules, rejected: RejectedRows) -> None:
        self.rows = 0
        self.columns_added: dict[str, None] = {}
        self.hints: dict[str, dict[str, Any]] = {}
        self._rules = rules
        self._rejected = rejected
        self._numbered = 0
        self._key = {rules.normal(name): name for name in rules.primary_key}

    def shape(self, source: Mapping[str, Values], origin: str | None = None) -> pa.Table | None:
        """A batch in the table's types, None where no row is left.

        Raises:
            SourceError: the contract says freeze and the batch breaks it, or two columns share a name.
        """
        import pyarrow as pa

        batch = _Batch(source, origin)
        self._refuse_shared_names(source)
        for name, values in source.items():
            self._column(batch, name, values)
        self._need_keys(batch)
        rows = len(next(iter(source.values()))) if source else 0
        kept = self._keep_back(batch, rows)
        if not kept or not batch.columns:
            return None
        if self._rules.later_wins:
            self._number(batch, rows)
        table = pa.table({name: _one_chunk(values) for name, values in batch.columns.items()})
        self.rows += len(kept)
        return table if len(kept) == rows else table.take(pa.array(kept))

    def _number(self, batch: _Batch, rows: int) -> None:
        import pyarrow as pa

        batch.columns[POSITION] = pa.array(range(self._numbered, self._numbered + rows), pa.int64())
        self._numbered += rows
        if POSITION not in self._rules.known:
            self.hints[POSITION] = {"name": POSITION, "data_type": "bigint", "dedup_sort": "desc"}

    def _refuse_shared_names(self, source: Mapping[str, Values]) -> None:
        seen: dict[str, str] = {}
        for name in source:
            other = seen.setdefault(self._rules.normal(name), name)
            if other != name:
                raise SourceError(
                    f"{self._rules.table}: columns {other!r} and {name!r} would both be called "
                    f"{self._rules.normal(name)!r} in the warehouse. Rename one at the source."
                )

    def _typed(self, name: str, values: Values) -> Typed | None:
        known = self._rules.known.get(self._rules.normal(name))
        stored = typed_by_dlt(known) if known else None
        if stored is not None:
            declared = self._rules.types.get(name, stored)
            if declared.kind != stored.kind:
                raise SourceError(
                    f"{self._rules.table}: types says that column {name!r} is {declared.kind}, and in the "
                    f"warehouse it is {stored.kind}. Take it out of types, or drop the table to load it anew."
                )
            return stored
        if name in self._rules.types or isinstance(values, list):
            return self._rules.types.get(name)
        try:
            return typed_by_arrow(values.type)
        except TypeError as error:
            raise SourceError(
                f"{self._rules.table}: column {name!r}: {error}. Leave the column out."
            ) from error

    def _column(self, batch: _Batch, name: str, values: Values) -> None:
        typed = self._typed(name, values)
        if typed is None:  # no value yet: the column comes with its first value
            return
        normal = self._rules.normal(name)
        is_new = bool(self._rules.known) and normal not in self._rules.known
        if is_new and not self._new_column(batch, name, normal, values):
            return
        fitted, misfits = fit(values, typed)
        if misfits:
            self._misfits(batch, name, normal, typed, misfits)
        self._put(batch, normal, typed, fitted)

    def _put(self, batch: _Batch, normal: str, typed: Typed, values: Any) -> None:
        if normal not in self._rules.known:
            self.columns_added.setdefault(normal)
            self.hints[normal] = {"name": normal, **typed.hint}
        if self._rules.on_postgres:
            values = self._for_postgres(batch, normal, typed, values)
        batch.columns[normal] = values

    def _new_column(self, batch: _Batch, name: str, normal: str, values: Values) -> bool:
        """Whether a column that the table does not have yet goes in."""
        rule = self._rules.contract.columns
        filled = (
            [i for i, value in enumerate(_listed(values)) if value is not None] if rule != "evolve" else []
        )
        if not filled:
            return rule == "evolve"
        if rule == "freeze":
            raise SourceError(
                f"{self._rules.table}: the source has a new column {name!r}, and the schema contract freezes "
                f"columns. Allow it with schema_contract: {{columns: evolve}}, or leave it out at the source."
            )
        for row in filled:
            batch.reasons.setdefault(row, f"column {normal} is new, and the contract discards new columns")
        return False

    def _misfits(self, batch: _Batch, name: str, normal: str, typed: Typed, misfits: list[int]) -> None:
        import pyarrow as pa

        values = _listed(batch.source[name])
        rule = self._rules.contract.data_type
        if rule == "freeze":
            raise SourceError(
                f"{self._rules.table}: column {name!r} is {typed.kind}, and {len(misfits)} of {len(values)} "
                f"values are not. The schema contract freezes types: mend the source, or set "
                f"schema_contract: {{data_type: discard}} to keep such rows back."
            )
        if rule == "discard":
            for row in misfits:
                batch.reasons.setdefault(row, f"column {normal} is {typed.kind}, not {_shown(values[row])}")
            return
        texts: list[str | None] = [None] * len(values)
        convert = converter("text", from_json=True)
        for row in misfits:
            texts[row] = convert(values[row])
        self._put(batch, f"{normal}__v_text", typed_as("text"), pa.array(texts, pa.string()))

    def _for_postgres(self, batch: _Batch, normal: str, typed: Typed, values: Any) -> Any:
        """Binary as the hex text that COPY reads; texts with a NUL, which it cannot hold, kept back."""
        import pyarrow as pa
        import pyarrow.compute as pc

        if typed.kind == "binary":
            return pa.array([None if v is None else "\\x" + v.hex() for v in values.to_pylist()], pa.string())
        if typed.kind in {"text", "json"}:
            nul = pc.match_substring(values, "\x00" if typed.kind == "text" else "\\u0000")
            if pc.any(nul).as_py():
                for row in pc.indices_nonzero(
                    nul.combine_chunks() if hasattr(nul, "chunks") else nul
                ).to_pylist():
                    batch.reasons.setdefault(
                        row, f"column {normal} holds a NUL, which PostgreSQL cannot store"
                    )
        return values

    def _need_keys(self, batch: _Batch) -> None:
        import pyarrow.compute as pc

        for normal, name in self._key.items():
            if normal not in batch.columns:
                if batch.source and len(next(iter(batch.source.values()))):
                    raise SourceError(
                        f"{self._rules.table}: the primary key {name!r} is no column of the source. "
                        f"There are: {', '.join(map(repr, batch.source))}."
                    )
                continue
            values = batch.columns[normal]
            if values.null_count:
                nulls = _one_chunk(pc.is_null(values))
                for row in pc.indices_nonzero(nulls).to_pylist():
                    batch.reasons.setdefault(row, f"primary key {normal} is null")

    def _keep_back(self, batch: _Batch, rows: int) -> list[int]:
        if not batch.reasons:
            return list(range(rows)) if rows else []
        lists = {name: _listed(values) for name, values in batch.source.items()}
        for row, reason in sorted(batch.reasons.items()):
            self._rejected.add({name: values[row] for name, values in lists.items()}, reason, batch.origin)
        return [row for row in range(rows) if row not in batch.reasons]


def _listed(values: Values) -> list[Any]:
    return values if isinstance(values, list) else list(values.to_pylist())


def _one_chunk(values: Any) -> pa.Array:
    return values.combine_chunks() if hasattr(values, "chunks") else values


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST_VALUE_SHOWN else text[:_LONGEST_VALUE_SHOWN] + "…"
