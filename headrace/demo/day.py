"""The shop's next day: what people do in it, to the database and to the clickstream."""

from __future__ import annotations

import datetime as dt
import sqlite3
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from headrace.demo.events import write_events
from headrace.demo.rows import customer_rows, order_rows, some, sql_times
from headrace.demo.shop import Clock, insert
from headrace.demo.world import FUTURE_DAYS, SECONDS_A_DAY, World, make_world

__all__ = ["ShopDay", "change_by_a_day"]

_ERASED, _MOVED, _WITHDRAWN = 0.0002, 0.0006, 0.0004


@dataclass(frozen=True, slots=True)
class ShopDay:
    """What one day changed: numbers of rows, and of lines in the day's file of events."""

    day: dt.date
    new_customers: int
    new_orders: int
    returned_orders: int
    erased_customers: int
    changed_emails: int
    withdrawn_consents: int
    events: int


def change_by_a_day(folder: Path) -> ShopDay:
    """Let the next day happen to the shop in a folder.

    People sign up, order, send orders back, change their e-mail, withdraw their consent, and a few have
    themselves erased: their row goes, and their orders stay without a name.

    Raises:
        ValueError: the shop's sixty days of future are used up.
    """
    yesterday = Clock.read(folder)
    clock = replace(yesterday, today=yesterday.today + dt.timedelta(days=1))
    if (clock.today - clock.first_day).days > FUTURE_DAYS:
        raise ValueError(f"the shop's future ended on {yesterday.today}: make a new shop")
    world = make_world(clock.seed, clock.customers, clock.first_day)
    rng = np.random.default_rng([clock.seed, 1, clock.today.toordinal()])
    with closing(sqlite3.connect(folder / "shop.db")) as database, database:
        erased = _erase(database, rng, clock)
        moved, withdrawn = _edit(database, rng, clock)
        newcomers = customer_rows(world, yesterday.midnight, clock.midnight, seed=clock.seed)
        insert(database, "customers", newcomers)
        customers = _ids(database)
        known = set(customers.tolist())
        bought = [row for row in order_rows(world, yesterday.midnight, clock.midnight) if row[1] in known]
        insert(database, "orders", bought)
        returned = _send_back(database, world, yesterday.midnight, clock.midnight)
    present = np.isin(np.arange(world.signed_up_at.size) + 1, customers)
    file = folder / "events" / f"{clock.today}.jsonl"
    events = write_events(file, world, clock.today, seed=clock.seed, present=present)
    clock.write(folder)
    return ShopDay(clock.today, len(newcomers), len(bought), returned, erased, moved, withdrawn, events)


def _ids(database: sqlite3.Connection, where: str = "true") -> npt.NDArray[np.int64]:
    rows = database.execute(f"select id from customers where {where} order by id").fetchall()
    return np.array([row[0] for row in rows], dtype=np.int64)


def _times(rng: np.random.Generator, clock: Clock, count: int) -> list[str]:
    """Moments of the clock's day, ascending."""
    return sql_times(np.sort(rng.integers(clock.midnight - SECONDS_A_DAY, clock.midnight, count)))


def _erase(database: sqlite3.Connection, rng: np.random.Generator, clock: Clock) -> int:
    """Erase a few customers; their orders stay for the books, without a name. How many."""
    ids = some(rng, _ids(database), _ERASED).tolist()
    times = _times(rng, clock, len(ids))
    database.executemany("delete from customers where id = ?", [(who,) for who in ids])
    database.executemany(
        "update orders set customer_id = null, updated_at = ? where customer_id = ?",
        list(zip(times, ids, strict=True)),
    )
    return len(ids)


def _edit(database: sqlite3.Connection, rng: np.random.Generator, clock: Clock) -> tuple[int, int]:
    """Some move to another e-mail address, some want no more advertising. How many of each."""
    moved = some(rng, _ids(database, "email is not null"), _MOVED).tolist()
    database.executemany(
        "update customers set email = ?, updated_at = ? where id = ?",
        [
            (f"{clock.today:%b%d}.{who}@example.org".lower(), time, who)
            for time, who in zip(_times(rng, clock, len(moved)), moved, strict=True)
        ],
    )
    withdrawn = some(rng, _ids(database, "marketing_consent"), _WITHDRAWN).tolist()
    database.executemany(
        "update customers set marketing_consent = false, updated_at = ? where id = ?",
        list(zip(_times(rng, clock, len(withdrawn)), withdrawn, strict=True)),
    )
    return len(moved), len(withdrawn)


def _send_back(database: sqlite3.Connection, world: World, since: int, until: int) -> int:
    """Orders of any age that come back in `since <= t < until`. How many."""
    index = np.flatnonzero((world.returned_at >= since) & (world.returned_at < until))
    times = sql_times(world.returned_at[index])
    return database.executemany(
        "update orders set returned_at = ?, updated_at = ? where id = ?",
        list(zip(times, times, (index + 1).tolist(), strict=True)),
    ).rowcount
