"""What a sync knows of its rows: those that did not arrive, and one row's whole way."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from connectors.errors import ConfigError
from connectors.values import nest, on_wire
from connectors.warehouses import Session
from connectors.warehouses.literals import text_literal
from syncs.home import Home, open_home
from syncs.job import Job
from syncs.layout import Layout, Slot
from syncs.mapping import MappedQuery, map_query
from syncs.names import LOG, Tables
from syncs.plan import KINDS
from syncs.snapshot import Bearing, prepare, read_bearing

__all__ = ["Explanation", "explain", "rejected"]


@dataclass(slots=True)
class Explanation:
    """One row's way: what the model says now, what the destination accepted, and its last answers.

    `rows` is how many of the model's rows have the key; `record` is what would be sent.
    """

    sync: str
    key: dict[str, Any]
    rows: int
    record: dict[str, Any] | None
    accepted: dict[str, Any] | None
    verdict: str
    source: list[dict[str, Any]] = field(default_factory=list)
    rejection: dict[str, Any] | None = None
    log: list[dict[str, Any]] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """The document that `--json` prints."""
        return {name: on_wire(getattr(self, name)) for name in self.__slots__}


def rejected(job: Job, limit: int = 100) -> list[dict[str, Any]]:
    """Rows that the destination refused and keys that cannot be sent, with the reasons, newest first."""
    tables = Tables(job.name)
    with open_home(job.warehouse, job.folder, f"listing rows of {job.name}") as home:
        with home.session.transaction():
            prepare(home.session)
        bearing = read_bearing(home.session, tables)
        if bearing is None:
            return []
        refused = _refused(
            home, tables, bearing.layout, f"TRUE ORDER BY last_at DESC, key_json LIMIT {limit}"
        )
        invalid = home.session.rows(
            f"SELECT reason, key_json, n FROM {tables.invalid} ORDER BY reason, key_json LIMIT {limit}"
        )
    unusable = [
        {"kind": "invalid", "key": orjson.loads(key), "code": reason, "message": _WHY[reason], "rows": n}
        for reason, key, n in invalid
    ]
    return (refused + unusable)[:limit]


_WHY = {
    "null_key": "the primary key is null: the row cannot be told apart from others",
    "duplicate_key": "several rows of the model have this primary key: none of them is sent",
}


def _refused(home: Home, tables: Tables, layout: Layout, where: str) -> list[dict[str, Any]]:
    key = home.dialect.json_object([(slot.name, slot.column) for slot in layout.keys])
    rows = home.session.rows(
        f"SELECT {key} AS key_json, kind, code, message, retryable, attempts, run, first_at, last_at "
        f"FROM {tables.rejected} WHERE {where}"
    )
    return [
        {
            "kind": "rejected",
            "key": orjson.loads(row[0]),
            "operation": KINDS[row[1]].value,
            "code": row[2],
            "message": row[3],
            "retryable": row[4],
            "attempts": row[5],
            "run": row[6],
            "first_at": _moment(row[7]),
            "last_at": _moment(row[8]),
        }
        for row in rows
    ]


def _moment(at: dt.datetime) -> str:
    return at.astimezone(dt.UTC).isoformat(timespec="seconds")


def explain(job: Job, key_text: str) -> Explanation:
    """One row by its primary key: a value, or a JSON object where the key has several columns.

    Raises:
        ConfigError: the text is no key of this sync.
    """
    key = _key(job.question.primary_key, key_text)
    tables = Tables(job.name)
    with open_home(job.warehouse, job.folder, f"explaining a row of {job.name}") as home:
        with home.session.transaction():
            prepare(home.session)
        mapped = map_query(job.sync, job.question, home.model_session, home.model_dialect, job.place)
        where = " AND ".join(
            f"CAST({home.model_dialect.quote(name)} AS {_TEXT.get(home.model_dialect.name, 'VARCHAR')}) = "
            f"{home.model_dialect.literal(str(value))}"
            for name, value in key.items()
        )
        source = _dicts(home.model_session, f"SELECT * FROM {mapped.source} WHERE {where} LIMIT 3")
        records = _records(home, mapped, where)
        found = Explanation(job.name, key, len(records), records[0] if records else None, None, "", source)
        bearing = read_bearing(home.session, tables)
        if bearing is not None:
            _remembered(home, tables, bearing, key, found)
    found.verdict = _verdict(found)
    return found


_TEXT = {"mysql": "CHAR"}


def _key(primary_key: Sequence[str], text: str) -> dict[str, Any]:
    names = ", ".join(primary_key)
    if len(primary_key) == 1 and not text.startswith("{"):
        return {primary_key[0]: text}
    try:
        key = json.loads(text)
    except ValueError as error:
        raise ConfigError(f"the key has the columns {names}: give a JSON object of them") from error
    if not isinstance(key, dict) or set(key) != set(primary_key):
        raise ConfigError(f"the key has the columns {names}: give a JSON object of just these")
    return {name: key[name] for name in primary_key}


def _dicts(session: Session, query: str) -> list[dict[str, Any]]:
    return [row for batch in session.stream(query) for row in batch.to_pylist()]


def _records(home: Home, mapped: MappedQuery, where: str) -> list[dict[str, Any]]:
    """The mapped records of the rows with the key."""
    names = {f"c{i}": e for i, e in enumerate(mapped.expressions)}
    rows = _dicts(home.model_session, f"{mapped.raw} WHERE {where} LIMIT 3")
    wanted = [{e.name: row[c] for c, e in names.items() if e.role != "key"} for row in rows]
    return [nest(record) for record in wanted]


def _remembered(
    home: Home, tables: Tables, bearing: Bearing, key: dict[str, Any], found: Explanation
) -> None:
    layout = bearing.layout
    same = " AND ".join(
        f"CAST({slot.column} AS VARCHAR) = {text_literal(str(key[slot.name]))}" for slot in layout.keys
    )
    columns = ", ".join(f"{home.dialect.portable(s.column, s.stored)} AS {s.column}" for s in layout.values)
    kept = _dicts(home.session, f"SELECT {columns} FROM {tables.snapshot} WHERE {same} LIMIT 1")
    if kept:
        found.accepted = nest({slot.name: kept[0][slot.column] for slot in _shown(layout, kept[0])})
    refusals = _refused(home, tables, layout, f"{same} LIMIT 1")
    found.rejection = refusals[0] if refusals else None
    key_json = home.dialect.json_object([(slot.name, slot.column) for slot in layout.keys])
    known = home.session.rows(
        f"SELECT {key_json} FROM {tables.snapshot} WHERE {same} "
        f"UNION SELECT {key_json} FROM {tables.rejected} WHERE {same}"
    )
    spelled = [row[0] for row in known] or [orjson.dumps(key).decode()]
    found.log = _log(home, tables, spelled)


def _shown(layout: Layout, row: dict[str, Any]) -> list[Slot]:
    return [slot for slot in layout.values if not slot.retired or row[slot.column] is not None]


def _log(home: Home, tables: Tables, keys: list[str]) -> list[dict[str, Any]]:
    listed = ", ".join(text_literal(key) for key in keys)
    rows = home.session.rows(
        f'SELECT run, operation, outcome, code, message, "at" FROM {LOG} '
        f'WHERE sync = {text_literal(tables.sync)} AND "key" IN ({listed}) ORDER BY "at" DESC LIMIT 20'
    )
    names = ("run", "operation", "outcome", "code", "message")
    return [{**dict(zip(names, row[:5], strict=True)), "at": _moment(row[5])} for row in rows]


def _verdict(found: Explanation) -> str:
    if found.rows > 1:
        return "invalid: several rows of the model have this key, so none of them is sent"
    if found.rejection is not None:
        return f"rejected by the destination: {found.rejection['code']}: {found.rejection['message']}"
    if found.record is None:
        return "gone from the model" if found.accepted is not None else "neither in the model nor delivered"
    if found.accepted is None:
        return "in the model, not delivered yet"
    return "delivered" if on_wire(found.record) == on_wire(found.accepted) else "delivered, changed since"
