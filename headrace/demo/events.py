"""A day of clickstream as the shop's tracker writes it: one JSON object a line."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import orjson

from headrace.demo.world import CATEGORIES, SECONDS_A_DAY, World

__all__ = ["write_events"]

_TYPES = ("page_view", "product_view", "search", "add_to_cart", "help", "unsubscribe_click")
_TYPE_SHARES = (0.42, 0.33, 0.11, 0.10, 0.035, 0.005)
_DEVICES = ("phone", "laptop", "tablet", None)
_DEVICE_SHARES = (0.55, 0.33, 0.10, 0.02)
_SEARCHES = (
    'tea "Earl Grey"',
    "gießkanne",
    "crème brûlée torch",
    "お茶",
    "φακός",
    "kids' bike",
    "🎁",
    "çömlek",
)
_PEAK_HOUR = 15.5
_ANONYMOUS = 0.12
_SENT_TWICE = 0.001
_DAYS_UNTIL_FORGOTTEN = 15.0


def write_events(
    file: Path, world: World, day: dt.date, *, seed: int, present: np.typing.NDArray[np.bool_]
) -> int:
    """Write the events of one day, sorted by time, and tell how many lines they are.

    `present` says for each customer whether they have an account that day. Somebody who left for good
    still looks in, ever more rarely. The tracker sends at least once: one line in a thousand comes twice.
    """
    rng = np.random.default_rng([seed, day.toordinal()])
    start = int(dt.datetime.combine(day, dt.time(), dt.UTC).timestamp())
    days_gone = np.maximum(0, start - np.minimum(world.left_at, start)) / SECONDS_A_DAY
    visits = world.browsing * np.exp(-days_gone / _DAYS_UNTIL_FORGOTTEN) * present
    customer = rng.permuted(np.repeat(np.arange(visits.size), rng.poisson(visits)))
    count = customer.size
    seconds = np.sort((rng.normal(_PEAK_HOUR, 3.5, count) * 3600).astype(np.int64).clip(0, SECONDS_A_DAY - 1))
    times = np.datetime_as_string((start + seconds).astype("datetime64[s]"))
    columns = zip(
        times.tolist(),
        np.where(rng.random(count) < _ANONYMOUS, 0, customer + 1).tolist(),
        rng.choice(len(_TYPES), count, p=_TYPE_SHARES).tolist(),
        rng.choice(len(_DEVICES), count, p=_DEVICE_SHARES).tolist(),
        rng.integers(0, len(CATEGORIES), count).tolist(),
        rng.integers(0, len(_SEARCHES), count).tolist(),
        strict=True,
    )
    lines = [
        orjson.dumps(
            {
                "event_id": f"{day}-{number:06}",
                "occurred_at": f"{time}Z",
                "customer_id": who or None,
                "type": _TYPES[kind],
                "category": CATEGORIES[category],
                "device": _DEVICES[device],
                "search": _SEARCHES[search] if kind == _TYPES.index("search") else None,
            }
        )
        for number, (time, who, kind, device, category, search) in enumerate(columns)
    ]
    lines += [lines[at] for at in np.flatnonzero(rng.random(count) < _SENT_TWICE)]
    file.write_bytes(b"\n".join(lines) + b"\n" if lines else b"")
    return len(lines)
