"""Types of columns: what is inferred from texts and JSON values, and how values are brought into a type.

Inference looks at every value of what is new, never at a sample. A text is an integer only where it reads
back digit by digit (`007` and `+1` stay text, as do integers of more than 18 digits), a float where it has at
most 17 digits, a boolean where it is `true` or `false`, a date or timestamp where it is in ISO 8601. JSON
keeps its own types, texts in ISO 8601 become dates and timestamps; objects and lists become JSON columns.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from connectors.sources.convert import converter

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Guess", "Typed", "Values", "fit", "typed_as", "typed_by_arrow", "typed_by_dlt"]

Values = Any
"""A column: a list of JSON values, or an Arrow array."""

_PATTERNS = {
    "boolean": r"^(?i:true|false)$",
    "integer": r"^(0|-?[1-9][0-9]{0,17})$",
    "float": r"^-?(0|[1-9][0-9]{0,16})(\.[0-9]{1,17})?([eE][+-]?[0-9]{1,3})?$",
    "date": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$",
    "timestamp": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?$",
    "timestamptz": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?"
    r"(Z|[+-][0-9]{2}(:?[0-9]{2})?)$",
}
_TEMPORAL = ("date", "timestamp", "timestamptz")
_DLT_NAMES = {
    "boolean": "bool", "integer": "bigint", "decimal": "decimal", "float": "double", "text": "text",
    "date": "date", "timestamp": "timestamp", "timestamptz": "timestamp", "time": "time",
    "binary": "binary", "json": "json",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Typed:
    """A column's logical type and the Arrow type that carries it."""

    kind: str
    arrow: pa.DataType

    @property
    def hint(self) -> dict[str, Any]:
        """The type in dlt's words."""
        import pyarrow as pa

        hint: dict[str, Any] = {"data_type": _DLT_NAMES[self.kind]}
        if self.kind.startswith("timestamp"):
            hint["timezone"] = self.kind == "timestamptz"
        if pa.types.is_decimal(self.arrow):
            hint |= {"precision": self.arrow.precision, "scale": self.arrow.scale}
        return hint


def typed_as(kind: str) -> Typed:
    """A logical type by its name; a decimal has 38 digits, 9 of them behind the point."""
    import pyarrow as pa

    arrow = {
        "boolean": pa.bool_(), "integer": pa.int64(), "decimal": pa.decimal128(38, 9), "float": pa.float64(),
        "text": pa.string(), "date": pa.date32(), "timestamp": pa.timestamp("us"),
        "timestamptz": pa.timestamp("us", "UTC"), "time": pa.time64("us"), "binary": pa.binary(),
        "json": pa.string(),
    }  # fmt: skip
    return Typed(kind, arrow[kind])


def typed_by_dlt(column: Mapping[str, Any]) -> Typed | None:
    """The type of a column that dlt's schema knows; None where no value has settled it yet."""
    import pyarrow as pa

    name = column.get("data_type")
    if name is None:
        return None
    if name in {"decimal", "wei"}:
        default = 0 if name == "wei" else 9
        return Typed("decimal", pa.decimal128(column.get("precision") or 38, column.get("scale", default)))
    if name == "timestamp":
        return typed_as("timestamp" if column.get("timezone") is False else "timestamptz")
    return typed_as(next(kind for kind, dlt_name in _DLT_NAMES.items() if dlt_name == name))


def typed_by_arrow(arrow: pa.DataType) -> Typed | None:
    """The type for a column of an Arrow type; None for a column of nulls.

    Raises:
        TypeError: no column of a warehouse holds such values.
    """
    import pyarrow as pa

    is_a = pa.types
    if is_a.is_null(arrow):
        return None
    if is_a.is_dictionary(arrow):
        return typed_by_arrow(arrow.value_type)
    if is_a.is_decimal(arrow) and arrow.precision <= 38:  # noqa: PLR2004 digits of a decimal128
        return Typed("decimal", pa.decimal128(arrow.precision, arrow.scale))
    if is_a.is_uint64(arrow):
        return Typed("decimal", pa.decimal128(20, 0))
    if is_a.is_timestamp(arrow):
        return typed_as("timestamptz" if arrow.tz else "timestamp")
    tests = {
        "boolean": (is_a.is_boolean,),
        "integer": (is_a.is_integer, is_a.is_duration),
        "float": (is_a.is_floating,),
        "text": (is_a.is_string, is_a.is_large_string, is_a.is_string_view, is_a.is_decimal),
        "date": (is_a.is_date,),
        "time": (is_a.is_time,),
        "binary": (is_a.is_binary, is_a.is_large_binary, is_a.is_fixed_size_binary, is_a.is_binary_view),
        "json": (is_a.is_nested,),
    }
    for kind, whether in tests.items():
        if any(test(arrow) for test in whether):
            return typed_as(kind)
    raise TypeError(f"a column of type {arrow} has no place in a warehouse")


class Guess:
    """What a column's values have in common so far."""

    def __init__(self) -> None:
        self._types: set[type] = set()
        self._huge = False
        self._empty_text = False
        self._texts: list[str] | None = None

    def see(self, values: Values) -> None:
        """Take in a column of texts (Arrow, as in CSV) or of JSON values (a list)."""
        import pyarrow as pa

        if not isinstance(values, list):
            self._see_texts(values, tuple(_PATTERNS))
            return
        types = set(map(type, values)) - {type(None)}
        self._types |= types
        if int in types:
            self._huge |= any(type(v) is int and not -(2**63) <= v < 2**63 for v in values)
        if str in types:
            self._see_texts(pa.array([v for v in values if type(v) is str], pa.string()), _TEMPORAL)

    def _see_texts(self, texts: pa.ChunkedArray, candidates: tuple[str, ...]) -> None:
        import pyarrow as pa
        import pyarrow.compute as pc

        present = texts.drop_null()
        full = present.filter(pc.not_equal(present, pa.scalar("", present.type)))
        self._empty_text |= len(full) < len(present)
        if len(full):
            left = candidates if self._texts is None else self._texts
            self._texts = [kind for kind in left if _all_read_as(full, kind)]

    @property
    def kind(self) -> str | None:
        """The logical type that holds every value seen; None where there was none."""
        kinds = self._types
        text = self._texts[0] if self._texts else "text"
        if not kinds or kinds == {str}:
            none_seen = self._texts is None and not self._empty_text
            return None if none_seen else text
        if kinds & {dict, list}:
            return "json"
        if kinds == {bool}:
            return "boolean"
        if kinds == {int}:
            return "text" if self._huge else "integer"
        return "float" if kinds <= {int, float} and not self._huge else "text"


def _all_read_as(texts: pa.ChunkedArray, kind: str) -> bool:
    import pyarrow as pa
    import pyarrow.compute as pc

    if not pc.all(pc.match_substring_regex(texts, _PATTERNS[kind])).as_py():
        return False
    if kind in _TEMPORAL:
        try:
            texts.cast(typed_as(kind).arrow)
        except pa.ArrowInvalid:
            return False
    return True


def fit(values: Values, typed: Typed) -> tuple[pa.Array, list[int]]:
    """The values in a type, and the positions of those that do not fit (null in the array).

    A value fits where nothing of it is lost: 1.5 is no integer, a number is no timestamp.
    """
    import pyarrow as pa

    from_json = isinstance(values, list)
    if from_json and typed.kind != "json" and set(map(type, values)) <= {str, type(None)}:
        values = pa.array(values, pa.string())
        from_json = False
    whole = _listed_whole(values, typed) if from_json else _cast_whole(values, typed)
    if whole is not None:
        return whole, []
    items = values if from_json else values.to_pylist()
    convert = converter(typed.kind, from_json=from_json)
    fitted: list[Any] = []
    misfits: list[int] = []
    for position, item in enumerate(items):
        try:
            fitted.append(None if item is None else pa.scalar(convert(item), typed.arrow).as_py())
        except (ValueError, TypeError, ArithmeticError):  # pa.ArrowInvalid is a ValueError
            fitted.append(None)
            misfits.append(position)
    return pa.array(fitted, typed.arrow), misfits


def _listed_whole(values: list[Any], typed: Typed) -> pa.Array | None:
    import pyarrow as pa

    classes: dict[str, set[type]] = {
        "integer": {int}, "float": {int, float}, "boolean": {bool}, "decimal": {int},
    }  # fmt: skip
    allowed = classes.get(typed.kind)
    if allowed is None or not {type(value) for value in values} <= allowed | {type(None)}:
        return None
    try:
        return pa.array(values, typed.arrow)
    except (pa.ArrowInvalid, OverflowError):
        return None


def _cast_whole(values: pa.ChunkedArray, typed: Typed) -> pa.ChunkedArray | None:
    import pyarrow as pa
    import pyarrow.compute as pc

    source = typed_by_arrow(values.type)
    if source is None:
        return pa.nulls(len(values), typed.arrow)
    if pa.types.is_nested(values.type) or not _means_the_same(source.kind, typed.kind):
        return None
    try:
        if source.kind == "text" and typed.kind not in {"text", "json"}:
            texts = values.cast(pa.string())
            values = pc.if_else(pc.equal(texts, ""), pa.scalar(None, pa.string()), texts)
        elif pa.types.is_timestamp(values.type) and values.type.unit == "ns":
            return pc.cast(values, typed.arrow, safe=False)  # warehouses keep microseconds
        return pc.cast(values, typed.arrow)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return None


def _means_the_same(source: str, target: str) -> bool:
    numbers = {"integer", "float", "decimal"}
    stamps = {"timestamp", "timestamptz"}
    return (
        source == target
        or (source == "text" and target not in {"json", "binary", "boolean"})
        or {source, target} <= numbers
        or {source, target} <= stamps
        or (source == "date" and target in stamps)
        or (target == "text" and source in {"integer", "date"})
    )
