"""What a sandbox tells of itself: counts, the last requests, a few contacts, with personal values masked."""

from __future__ import annotations

import re
from itertools import islice
from typing import Any

from connectors.sandboxes.crm import Crm
from connectors.sandboxes.traffic import Traffic

__all__ = ["masked", "state"]

_SHOWN_REQUESTS, _SHOWN_CONTACTS = 20, 10
_PERSONAL = re.compile(r"name|mail|phone|address|birth", re.IGNORECASE)


def state(crm: Crm, traffic: Traffic) -> dict[str, Any]:
    """The sandbox's state as a JSON document, with personal values masked."""
    return {
        "sandbox": "crm",
        "counts": crm.counts(),
        "requests": {
            "total": traffic.total,
            "statuses": dict(traffic.statuses),
            "repeats": traffic.notes["repeat"],
            "faults": {
                note.removeprefix("fault "): times
                for note, times in traffic.notes.items()
                if note != "repeat"
            },
        },
        "last_requests": [
            {
                "at": request.at.isoformat(timespec="milliseconds"),
                "request": f"{request.method} {request.path}",
                "status": request.status or None,
                "milliseconds": request.milliseconds,
                "note": request.note,
            }
            for request in islice(traffic.last, _SHOWN_REQUESTS)
        ],
        "sample": [
            {"id": name, "archived": contact.archived, "properties": masked(contact.properties)}
            for name, contact in islice(reversed(crm.contacts.items()), _SHOWN_CONTACTS)
        ],
    }


def masked(properties: dict[str, Any]) -> dict[str, Any]:
    """Properties with what names a person cut to its first letter; an e-mail address keeps its domain."""
    return {name: _masked(name, value) for name, value in properties.items()}


def _masked(name: str, value: Any) -> Any:
    if isinstance(value, dict):
        return masked(value)
    if isinstance(value, list):
        return [_masked(name, item) for item in value]
    text = str(value)
    if isinstance(value, str) and "@" in value:
        return f"{text[:1]}…@{text.rpartition('@')[2]}"
    return f"{text[:1]}…" if _PERSONAL.search(name) else value
