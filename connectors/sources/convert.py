"""One value into a type, or an error: the slow and exact way, for columns where not all values fit."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

import orjson

__all__ = ["converter", "json_text"]

_INTEGER = re.compile(r"[+-]?[0-9]{1,19}")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")
_BOOLEANS = {"true": True, "false": False, "1": True, "0": False}


def _plain(value: Any) -> str:
    return value.hex() if isinstance(value, bytes) else _text(value)


def json_text(value: Any) -> str:
    """A value as JSON, integers of any size digit by digit, bytes in hexadecimal."""
    try:
        return orjson.dumps(value, default=_plain, option=orjson.OPT_NON_STR_KEYS).decode()
    except TypeError:  # orjson writes no integer of more than 64 bits
        return json.dumps(value, default=_plain, ensure_ascii=False)


def _refuse(value: Any, kind: str) -> ValueError:
    return ValueError(f"{type(value).__name__} is no {kind}")


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in _BOOLEANS:
        return _BOOLEANS[value.lower()]
    raise _refuse(value, "boolean")


def _number(value: Any) -> Decimal:
    if isinstance(value, bool):
        raise _refuse(value, "number")
    if isinstance(value, str) and not _NUMBER.fullmatch(value):
        raise _refuse(value, "number")
    if not isinstance(value, str | int | float | Decimal):
        raise _refuse(value, "number")
    try:
        return Decimal(repr(value) if isinstance(value, float) else value)
    except InvalidOperation as error:
        raise _refuse(value, "number") from error


def _integer(value: Any) -> int:
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        return int(value)
    number = _number(value)
    if not number.is_finite() or number != number.to_integral_value():
        raise _refuse(value, "integer")
    return int(number)


def _float(value: Any) -> float:
    if isinstance(value, float):
        return value
    return float(_number(value))


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, bool | dict | list | tuple | float):
        return json_text(value)
    return str(value)


def _timestamp(value: Any) -> dt.datetime:
    if isinstance(value, str):
        value = dt.datetime.fromisoformat(value)
    elif isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        value = dt.datetime.combine(value, dt.time())
    if not isinstance(value, dt.datetime):
        raise _refuse(value, "timestamp")
    return value.astimezone(dt.UTC) if value.tzinfo else value.replace(tzinfo=dt.UTC)


def _date(value: Any) -> dt.date:
    stamp = _timestamp(value)
    if stamp.time() != dt.time():
        raise _refuse(value, "date")
    return stamp.date()


def _time(value: Any) -> dt.time:
    if isinstance(value, str):
        value = dt.time.fromisoformat(value)
    if not isinstance(value, dt.time):
        raise _refuse(value, "time")
    return value


def _binary(value: Any) -> bytes:
    if isinstance(value, str):
        return value.encode()
    if not isinstance(value, bytes):
        raise _refuse(value, "binary")
    return value


def _json_of_text(value: Any) -> str:
    if not isinstance(value, str):
        return json_text(value)
    orjson.loads(value)
    return value


def converter(kind: str, *, from_json: bool) -> Callable[[Any], Any]:
    """The function that brings one value into a logical type; it raises ValueError where it does not fit.

    `from_json` says that a text is a JSON value of its own; else a text for a JSON column is JSON itself.
    Empty texts are null in every type but text.
    """
    convert: Callable[[Any], Any] = {
        "boolean": _boolean, "integer": _integer, "decimal": _number, "float": _float, "text": _text,
        "date": _date, "timestamp": lambda value: _timestamp(value).replace(tzinfo=None),
        "timestamptz": _timestamp, "time": _time, "binary": _binary,
        "json": json_text if from_json else _json_of_text,
    }[kind]  # fmt: skip
    if kind == "text" or (kind == "json" and from_json):
        return convert
    return lambda value: None if value == "" else convert(value)
