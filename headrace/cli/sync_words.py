"""What `headrace sync` tells people."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from headrace.cli.output import count, table

if TYPE_CHECKING:
    from models.declarations import Sync
    from models.state.runs import Run
    from syncs.preview import Preview
    from syncs.result import Result

__all__ = ["explanation", "preview", "rejected", "result", "run_json", "runs", "sync_json", "syncs"]

_OPERATIONS = ("add", "change", "remove")


def sync_json(name: str, sync: Sync, latest: Run | None) -> dict[str, Any]:
    """A declared sync with its last run."""
    model = sync.model if isinstance(sync.model, str) else "inline"
    schedule = sync.schedule.model_dump(mode="json", exclude_defaults=True) if sync.schedule else None
    return {
        "name": name,
        "model": model,
        "destination": sync.destination,
        "object": sync.object,
        "mode": sync.mode.value,
        "schedule": schedule,
        "last_run": run_json(latest) if latest else None,
    }


def run_json(run: Run) -> dict[str, Any]:
    """A run's totals as the state keeps them."""
    return {
        **run.counts,
        "run_id": run.id,
        "sync": run.sync,
        "status": run.status,
        "started_at": run.started_at.isoformat(timespec="seconds"),
        "finished_at": run.finished_at.isoformat(timespec="seconds") if run.finished_at else None,
        "error": run.error,
    }


def syncs(listed: list[dict[str, Any]]) -> str:
    """All syncs as a table."""
    if not listed:
        return "There is no sync yet: a file under syncs/ declares one."
    rows = []
    for sync in listed:
        last = sync["last_run"] or {}
        to = ".".join(part for part in (sync["destination"], sync["object"]) if part)
        rows.append(
            (
                sync["name"],
                sync["model"],
                to,
                sync["mode"],
                last.get("status", "never ran"),
                last.get("started_at"),
            )
        )
    return table(("sync", "model", "to", "mode", "last run", "at"), rows)


def runs(name: str, listed: list[dict[str, Any]]) -> str:
    """A sync's runs as a table."""
    if not listed:
        return f"{name} never ran: `headrace sync run {name}`"
    rows = [
        (
            run["run_id"], run["status"], run["started_at"], *_by_operation(run.get("delivered", {})),
            run.get("rejected", 0), run.get("pending", 0), (run["error"] or "")[:60],
        )
        for run in listed
    ]  # fmt: skip
    return table(("run", "status", "started", *_OPERATIONS, "rejected", "pending", "error"), rows)


def result(done: Result) -> str:
    """What a run came to, and what to type next."""
    planned, delivered = ({kind.value: n for kind, n in by.items()} for by in (done.planned, done.delivered))
    if not any(planned.values()) and done.status == "done":
        words = [f"{done.sync}: nothing to send, {done.seconds['plan']:.2f} s"]
    else:
        rows = [("planned", *_by_operation(planned)), ("delivered", *_by_operation(delivered))]
        words = [f"{done.sync}: {done.status}", table(("", *_OPERATIONS), rows), _effort(done)]
    return "\n".join([*words, *_not_delivered(done), *_next(done)])


def _effort(done: Result) -> str:
    seconds = ", ".join(f"{phase} {spent:.2f} s" for phase, spent in done.seconds.items())
    retried = f" ({count(done.retries, 'repeat')})" if done.retries else ""
    held_up = round(done.throttled_seconds, 1)
    throttled = f", throttled for {held_up} s" if held_up else ""
    return f"{count(done.requests, 'request')}{retried}{throttled}; {seconds}"


def _not_delivered(done: Result) -> Iterator[str]:
    if done.recovered:
        yield f"first settled what was left of {done.recovered}"
    if done.baseline:
        yield f"{count(done.baseline, 'row')} taken as already delivered (backfill: false)"
    for number, what in (
        (done.rejected, "rejected by the destination"),
        (done.kept_back, "kept back: rejected before, and not changed since"),
        (done.invalid, "invalid: a null or repeated primary key"),
        (done.pending, "pending"),
    ):
        if number:
            yield f"{count(number, 'row')} {what}"


def _next(done: Result) -> Iterator[str]:
    if done.status == "held":
        yield "held, nothing was sent:"
        yield from (f"  {guard}" for guard in done.held_by)
        yield f"look: headrace sync plan {done.sync}"
        yield f"then: headrace sync approve {done.run_id}   or   headrace sync cancel {done.run_id}"
        return
    if done.error:
        yield f"{done.status}: {done.error}"
    if done.pending:
        yield f"what is pending is sent by the next run: headrace sync run {done.sync}"
    if done.rejected or done.kept_back or done.invalid:
        yield f"which and why: headrace sync rejected {done.sync}"


def preview(found: Preview) -> str:
    """What a run would do."""
    planned = {kind.value: n for kind, n in found.planned.items()}
    lines = [
        f"{found.sync}: the model has {count(found.model_rows, 'row')}, {found.delivered_rows:,} delivered",
        table(("", *_OPERATIONS), [("planned", *_by_operation(planned))]),
        count(found.requests, "request")
        + (f", about {found.minutes:g} minutes" if found.minutes is not None else ""),
    ]
    if found.invalid:
        lines.append(f"{count(found.invalid, 'row')} invalid: a null or repeated primary key")
    if found.kept_back:
        lines.append(f"{count(found.kept_back, 'row')} kept back: rejected before, and not changed since")
    lines += [f"would be held: {guard}" for guard in found.held_by]
    for sample in found.samples:
        lines += ["", f"{sample.operation} {_inline(sample.key)}", *_differences(sample.before, sample.after)]
    return "\n".join(lines)


def _differences(before: dict[str, Any] | None, after: dict[str, Any] | None) -> Iterator[str]:
    if before is None or after is None:
        sign, record = ("+", after) if before is None else ("-", before)
        yield from (f"  {sign} {name}: {_inline(value)}" for name, value in (record or {}).items())
        return
    for name in dict.fromkeys((*before, *after)):
        old, new = before.get(name), after.get(name)
        if old != new:
            yield f"  ~ {name}: {_inline(old)} → {_inline(new)}"


def rejected(name: str, rows: list[dict[str, Any]], limit: int) -> str:
    """Rows that did not arrive, and why."""
    if not rows:
        return f"Every row of {name} that was sent has arrived."
    listed = [
        (
            row["kind"],
            _inline(row["key"]),
            row["code"],
            row.get("attempts"),
            row.get("last_at"),
            row["message"][:100],
        )
        for row in rows
    ]
    lines = [table(("kind", "key", "code", "attempts", "last tried", "message"), listed)]
    if len(rows) == limit:
        lines.append(f"the first {limit:,}; more with --limit")
    if any(row["kind"] == "rejected" for row in rows):
        lines.append(f"once the cause is gone: headrace sync retry {name}")
    return "\n".join(lines)


def explanation(found: dict[str, Any]) -> str:
    """One row's way."""
    lines = [f"{found['sync']} {_inline(found['key'])}: {found['verdict']}"]
    for title, part in (("the model's rows", found["source"]), ("would be sent", found["record"])):
        lines += _part(title, part)
    lines += _part("last accepted", found["accepted"])
    if found["rejection"]:
        lines += _part("rejected", found["rejection"])
    if found["log"]:
        head = ("at", "run", "operation", "outcome", "code", "message")
        lines += ["", "log", table(head, [[entry[name] for name in head] for entry in found["log"]])]
    return "\n".join(lines)


def _part(title: str, value: Any) -> list[str]:
    shown = json.dumps(value, ensure_ascii=False, indent=2, default=str) if value else "  nothing"
    return ["", title, shown]


def _by_operation(counts: dict[str, int]) -> list[int]:
    return [counts.get(operation, 0) for operation in _OPERATIONS]


def _inline(value: Any) -> str:
    if isinstance(value, dict):
        return " ".join(f"{name}={_inline(inner)}" for name, inner in value.items())
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
