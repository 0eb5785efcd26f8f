"""How the shop's customers behave: the whole past and a little future, fixed by a seed.

Purchases follow the BG/NBD story (Fader, Hardie and Lee, "Counting Your Customers the Easy Way", 2005): each
customer buys at a rate of their own, drawn from a gamma distribution, and after each order leaves for good
with a probability of their own, drawn from a beta distribution. A returned order makes leaving likelier. So
who churns can be predicted, but never with certainty.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.demo.names import COUNTRIES, COUNTRY_SHARES, FIRST_NAMES

__all__ = ["CATEGORIES", "CHANNELS", "FUTURE_DAYS", "HISTORY_DAYS", "SECONDS_A_DAY", "World", "make_world"]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

SECONDS_A_DAY = 86_400
HISTORY_DAYS = 730
FUTURE_DAYS = 60
CATEGORIES = ("garden", "kitchen", "books", "toys", "audio", "sport")
CHANNELS = ("search", "friend", "newsletter", "fair", "social")

_RATE_SHAPE, _MEAN_DAYS_BETWEEN_ORDERS = 1.3, 38.0
_DROP_A, _DROP_B = 0.9, 5.0
_RETURN_A, _RETURN_B = 0.6, 7.0
_DROP_AFTER_RETURN = 2.5


@dataclass(frozen=True, slots=True)
class World:
    """Columns of customers (one value each) and of orders (sorted by time); times in seconds since 1970, UTC.

    `left_at` is when a customer left for good (the far future where they have not), `browsing` the visits a
    day they make while they stay. `returned_at` is -1 where an order was kept. Customers are in the order
    of their sign-up, so that a customer's id is the index plus one.
    """

    signed_up_at: Integers
    country: Integers
    first_name: Integers
    last_name: Integers
    channel: Integers
    consent: Flags
    left_at: Integers
    browsing: Floats
    order_customer: Integers
    ordered_at: Integers
    returned_at: Integers
    amount_cents: Integers
    items: Integers
    discounted: Flags
    category: Integers


def make_world(seed: int, customers: int, today: dt.date) -> World:
    """The shop's customers and orders from two years before the end of `today` to sixty days after it.

    `customers` sign up until the end of `today`, and more at the same pace after it.
    """
    rng = np.random.default_rng(seed)
    end = int(dt.datetime.combine(today, dt.time(), dt.UTC).timestamp()) + SECONDS_A_DAY
    newcomers = max(FUTURE_DAYS, customers * FUTURE_DAYS // HISTORY_DAYS)
    signed_up_at = np.concatenate(
        [
            np.sort(rng.integers(end - HISTORY_DAYS * SECONDS_A_DAY, end, customers)),
            np.sort(rng.integers(end, end + FUTURE_DAYS * SECONDS_A_DAY, newcomers)),
        ]
    )
    count = customers + newcomers
    rate = rng.gamma(_RATE_SHAPE, 1 / (_RATE_SHAPE * _MEAN_DAYS_BETWEEN_ORDERS), count) + 1e-4
    orders = _purchases(rng, signed_up_at, rate, end + FUTURE_DAYS * SECONDS_A_DAY)
    return World(
        signed_up_at=signed_up_at,
        country=rng.choice(len(COUNTRIES), count, p=COUNTRY_SHARES),
        first_name=rng.integers(0, len(FIRST_NAMES["DE"]), count),
        last_name=rng.integers(0, len(FIRST_NAMES["DE"]), count),
        channel=rng.choice(len(CHANNELS), count, p=(0.4, 0.2, 0.15, 0.05, 0.2)),
        consent=rng.random(count) < 0.72,  # noqa: PLR2004 - the share of customers who agree
        browsing=0.12 + rate * 18 * rng.gamma(2.0, 0.5, count),
        **orders,
    )


def _purchases(rng: np.random.Generator, signed_up_at: Integers, rate: Floats, until: int) -> dict[str, Any]:
    """Everybody's first order comes with the sign-up; each round then adds the next order of who is left."""
    count = signed_up_at.size
    drop, returning = rng.beta(_DROP_A, _DROP_B, count), rng.beta(_RETURN_A, _RETURN_B, count)
    left_at = np.full(count, np.iinfo(np.int64).max)
    who, when = np.arange(count), signed_up_at.astype(np.float64)
    buyers, times, returns = [], [], []
    while who.size:
        returned = rng.random(who.size) < returning[who]
        buyers.append(who)
        times.append(when)
        returns.append(returned)
        leaves = rng.random(who.size) < drop[who] * np.where(returned, _DROP_AFTER_RETURN, 1.0)
        left_at[who[leaves]] = when[leaves].astype(np.int64)
        following = when + rng.exponential(SECONDS_A_DAY / rate[who])
        stays = ~leaves & (following < until)
        who, when = who[stays], following[stays]
    return {"left_at": left_at, **_orders(rng, buyers, times, returns, count)}


def _orders(
    rng: np.random.Generator, buyers: list[Integers], times: list[Floats], returns: list[Flags], count: int
) -> dict[str, Any]:
    """The rounds as one table sorted by time, with what was bought."""
    ordered_at = np.concatenate(times).astype(np.int64)
    by_time = np.argsort(ordered_at, kind="stable")
    customer, ordered_at = np.concatenate(buyers)[by_time], ordered_at[by_time]
    size = ordered_at.size
    spending, thrift = rng.normal(3.6, 0.5, count), rng.beta(1.2, 4.0, count)
    taste = rng.integers(0, len(CATEGORIES), count)
    days_until_return = rng.integers(3 * SECONDS_A_DAY, 20 * SECONDS_A_DAY, size)
    returned = np.concatenate(returns)[by_time]
    return {
        "order_customer": customer,
        "ordered_at": ordered_at,
        "returned_at": np.where(returned, ordered_at + days_until_return, -1),
        "amount_cents": (100 * np.exp(rng.normal(spending[customer], 0.4))).astype(np.int64) + 199,
        "items": 1 + rng.poisson(1.4, size),
        "discounted": rng.random(size) < thrift[customer],
        "category": np.where(
            rng.random(size) < 0.6,  # noqa: PLR2004 - the share of orders in the customer's favourite category
            taste[customer],
            rng.integers(0, len(CATEGORIES), size),
        ),
    }
