"""The nearest known name, for errors that can guess what was meant."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["guess", "nearest"]

_ALIKE = 60
_SHOWN = 12
_LONGEST = 200


def nearest(found: str, known: Iterable[str]) -> str | None:
    """The known name most like the one found, None where none is alike."""
    from rapidfuzz import fuzz, process

    match = process.extractOne(
        found[:_LONGEST], sorted(known), scorer=fuzz.ratio, processor=str.lower, score_cutoff=_ALIKE
    )
    return match[0] if match else None


def guess(found: str, known: Iterable[str]) -> str:
    """The end of an error's sentence: `; did you mean 'email'?`, or the names there are."""
    names = sorted(known)
    if match := nearest(found, names):
        return f"; did you mean '{match}'?"
    if not names:
        return "; there are none"
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"; there are: {', '.join(names[:_SHOWN])}{more}"
