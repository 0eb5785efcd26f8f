"""Guards: what holds a plan until a person has looked at it."""

from __future__ import annotations

from connectors.operation import Kind, Mode
from models.declarations import Guards, Share
from syncs.plan import Plan

__all__ = ["broken_guards"]


def broken_guards(guards: Guards, mode: Mode, plan: Plan) -> list[str]:
    """Each guard that a plan breaks, with by how much; empty where it may be delivered."""
    if plan.is_empty:
        return []
    broken = []
    if guards.min_rows is not None and plan.model_rows < guards.min_rows:
        broken.append(f"min_rows: the model has {plan.model_rows:,} rows, {guards.min_rows:,} are the least")
    empties = mode in {Mode.MIRROR, Mode.REPLACE} and not plan.model_rows and plan.delivered
    if empties and guards.min_rows is None:
        broken.append(
            f"the model is empty, and all {plan.delivered:,} delivered rows would be removed "
            "(guards: {min_rows: 0} allows it)"
        )
    checks = (
        ("max_removed", guards.max_removed, plan.counts[Kind.REMOVE], plan.delivered, "delivered rows"),
        ("max_changed", guards.max_changed, plan.counts[Kind.CHANGE], plan.delivered, "delivered rows"),
        ("max_invalid", guards.max_invalid, plan.invalid, plan.model_rows, "of the model's rows"),
    )
    broken += [
        _words(name, share, n, of, what)
        for name, share, n, of, what in checks
        if share and share.exceeded(n, of)
    ]
    return broken


def _words(name: str, share: Share, n: int, of: int, what: str) -> str:
    return f"{name}: {n:,} of {of:,} {what} ({n / max(of, 1):.1%}), {share} are allowed"
