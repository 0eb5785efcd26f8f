"""The world's arrays as rows of the shop's database, as they stand at a moment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.demo.names import COUNTRIES, FIRST_NAMES, LAST_NAMES, mail_name
from headrace.demo.world import CATEGORIES, CHANNELS, World

__all__ = ["customer_rows", "order_rows", "some", "sql_times"]

_NO_MAIL, _BROKEN_MAIL, _SHARED_MAIL = 0.004, 0.002, 0.001
_DOMAINS = ("example.com", "example.org", "example.net")


def sql_times(seconds: npt.NDArray[np.int64]) -> list[str]:
    """Seconds since 1970 as SQLite keeps timestamps: texts that compare as the times do."""
    texts = np.datetime_as_string(seconds.astype("datetime64[s]").astype("datetime64[us]"))
    return [text.replace("T", " ") for text in texts.tolist()]


def some(rng: np.random.Generator, among: npt.NDArray[np.int64], share: float) -> npt.NDArray[np.int64]:
    """A share of some ids, at least one where there are any, in ascending order."""
    count = min(among.size, max(1, round(among.size * share)))
    return np.sort(rng.choice(among, count, replace=False))


def customer_rows(world: World, since: int, until: int, *, seed: int) -> list[tuple[Any, ...]]:
    """Who signed up in `since <= t < until` (seconds, UTC), in the order of the columns of `customers`."""
    first, last = np.searchsorted(world.signed_up_at, (since, until))
    index = np.arange(first, last)
    people = [
        (COUNTRIES[country], FIRST_NAMES[COUNTRIES[country]][name], LAST_NAMES[COUNTRIES[country]][family])
        for country, name, family in zip(
            world.country[index].tolist(),
            world.first_name[index].tolist(),
            world.last_name[index].tolist(),
            strict=True,
        )
    ]
    ids = (index + 1).tolist()
    emails = _emails(np.random.default_rng([seed, 2, until]), ids, people)
    times = sql_times(world.signed_up_at[index])
    return [
        (who, email, given, family, country, consent, CHANNELS[channel], time, time)
        for who, email, (country, given, family), consent, channel, time in zip(
            ids,
            emails,
            people,
            world.consent[index].tolist(),
            world.channel[index].tolist(),
            times,
            strict=True,
        )
    ]


def _emails(
    rng: np.random.Generator, ids: Sequence[int], people: Sequence[tuple[str, str, str]]
) -> list[str | None]:
    """Addresses at domains nobody has; a few missing, a few mistyped, a few shared by two accounts."""
    local = {
        name: mail_name(name) for names in (FIRST_NAMES, LAST_NAMES) for row in names.values() for name in row
    }
    emails: list[str | None] = [
        f"{local[given]}.{local[family]}{who}@{_DOMAINS[who % len(_DOMAINS)]}"
        for who, (_, given, family) in zip(ids, people, strict=True)
    ]
    places = np.arange(len(emails))
    for at in some(rng, places[1:], _SHARED_MAIL).tolist():
        emails[at] = emails[at - 1]
    for at in some(rng, places, _BROKEN_MAIL).tolist():
        emails[at] = (emails[at] or "").replace("@", "@@")
    for at in some(rng, places, _NO_MAIL).tolist():
        emails[at] = None
    return emails


def order_rows(world: World, since: int, until: int) -> list[tuple[Any, ...]]:
    """What was ordered in `since <= t < until` (seconds, UTC), as it stands at `until`: rows of `orders`."""
    first, last = np.searchsorted(world.ordered_at, (since, until))
    window = slice(first, last)
    ordered_at, returned_at = world.ordered_at[window], world.returned_at[window]
    returned = (returned_at >= 0) & (returned_at < until)
    return [
        (number, who, ordered, back if was_returned else None, cents, items, cheap, CATEGORIES[kind], changed)
        for number, who, ordered, back, was_returned, cents, items, cheap, kind, changed in zip(
            range(first + 1, last + 1),
            (world.order_customer[window] + 1).tolist(),
            sql_times(ordered_at),
            sql_times(returned_at),
            returned.tolist(),
            world.amount_cents[window].tolist(),
            world.items[window].tolist(),
            world.discounted[window].tolist(),
            world.category[window].tolist(),
            sql_times(np.where(returned, returned_at, ordered_at)),
            strict=True,
        )
    ]
