"""How long an HTTP answer asks us to wait, in seconds from now.

`Retry-After`: RFC 9110, section 10.2.3, seconds or an HTTP date.
`RateLimit` and `RateLimit-Remaining`/`-Reset`: draft-ietf-httpapi-ratelimit-headers, in its three spellings
(separate headers; `limit=…, remaining=…, reset=…`; `"policy";r=…;t=…`), all in seconds from now.
`X-RateLimit-*`: nobody's standard; a reset beyond 10**9 is read as Unix time, as GitHub and Braze send it.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

__all__ = ["pause_seconds", "retry_after_seconds"]

_UNIX_TIME = 1_000_000_000
_REMAINING = re.compile(r"(?:^|[;,\s])(?:r|remaining)\s*=\s*(\d+)", re.IGNORECASE)
_RESET = re.compile(r"(?:^|[;,\s])(?:t|reset)\s*=\s*(\d+)", re.IGNORECASE)
_PREFIXES = ("ratelimit-", "x-ratelimit-", "x-rate-limit-")


def retry_after_seconds(headers: Mapping[str, str]) -> float | None:
    """The wish of `Retry-After`, None where there is none or it cannot be read.

    A date is taken against the answer's own `Date`, so that a wrong clock on either side does no harm.
    """
    value = headers.get("retry-after")
    if value is None:
        return None
    seconds = _number(value)
    if seconds is not None:
        return seconds
    until = _unix_time(value)
    if until is None:
        return None
    now = _unix_time(headers.get("date", ""))
    return max(0.0, until - (time.time() if now is None else now))


def pause_seconds(headers: Mapping[str, str]) -> float:
    """How long to send nothing because the answer says that no request is left, 0 where some are."""
    for prefix in _PREFIXES:
        remaining = headers.get(f"{prefix}remaining")
        if remaining is not None:
            return _until_reset(headers.get(f"{prefix}reset")) if _number(remaining) == 0 else 0.0
    combined = headers.get("ratelimit")
    if combined is None:
        return 0.0
    waits = [0.0]
    for policy in _policies(combined):
        remaining_match, reset_match = _REMAINING.search(policy), _RESET.search(policy)
        if remaining_match and reset_match and int(remaining_match[1]) == 0:
            waits.append(_until_reset(reset_match[1]))
    return max(waits)


def _policies(value: str) -> list[str]:
    # `"burst";r=0;t=1, "day";r=9;t=60` is two policies; `limit=9, remaining=0, reset=1` is one.
    return value.split(",") if ";" in value else [value]


def _until_reset(value: str | None) -> float:
    seconds = _number(value or "")
    if seconds is None:
        return 0.0
    return max(0.0, seconds - time.time()) if seconds >= _UNIX_TIME else seconds


def _number(value: str) -> float | None:
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None


def _unix_time(value: str) -> float | None:
    try:
        return parsedate_to_datetime(value).timestamp()
    except (ValueError, OverflowError):
        return None
