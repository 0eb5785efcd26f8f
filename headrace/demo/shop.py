"""A generated shop: an SQLite database of customers and orders, and a JSONL file of events a day.

Everything follows from a seed, and the shop has a clock of its own: what is computed from it is the same
whenever it is looked at.
"""

from __future__ import annotations

import datetime as dt
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import orjson

from headrace.demo.events import write_events
from headrace.demo.rows import customer_rows, order_rows
from headrace.demo.world import SECONDS_A_DAY, make_world

__all__ = ["EVENT_DAYS", "FIRST_DAY", "Clock", "Shop", "insert", "make_shop"]

FIRST_DAY = dt.date(2026, 6, 30)
"""The last day of the shop's history."""
EVENT_DAYS = 28
"""For how many days the shop keeps its clickstream."""

_TABLES = """
create table customers (
  id integer primary key,
  email text,
  first_name text not null,
  last_name text not null,
  country text not null,
  marketing_consent boolean not null,
  channel text not null,
  signed_up_at timestamp not null,
  updated_at timestamp not null
);
create table orders (
  id integer primary key,
  customer_id integer,
  ordered_at timestamp not null,
  returned_at timestamp,
  amount_cents integer not null,
  items integer not null,
  discounted boolean not null,
  category text not null,
  updated_at timestamp not null
);
create index orders_by_customer on orders (customer_id);
"""


@dataclass(frozen=True, slots=True)
class Clock:
    """What a shop remembers beside its rows: how it was made, and which day it is there."""

    seed: int
    customers: int
    first_day: dt.date
    today: dt.date

    @classmethod
    def read(cls, folder: Path) -> Clock:
        """The clock of the shop in a folder."""
        kept = orjson.loads((folder / "shop.json").read_bytes())
        days = {name: dt.date.fromisoformat(kept[name]) for name in ("first_day", "today")}
        return cls(kept["seed"], kept["customers"], **days)

    def write(self, folder: Path) -> None:
        """Keep the clock in the shop's folder."""
        (folder / "shop.json").write_bytes(orjson.dumps(self, option=orjson.OPT_INDENT_2))

    @property
    def midnight(self) -> int:
        """The end of today, in seconds since 1970, UTC."""
        return int(dt.datetime.combine(self.today, dt.time(), dt.UTC).timestamp()) + SECONDS_A_DAY


@dataclass(frozen=True, slots=True)
class Shop:
    """A shop as it was made: its folder, the last day of its history, its numbers of rows and lines."""

    folder: Path
    today: dt.date
    customers: int
    orders: int
    events: int


def insert(database: sqlite3.Connection, table: str, rows: list[tuple[object, ...]]) -> None:
    """Add rows that have a value for every column of a table."""
    width = len(database.execute(f"pragma table_info({table})").fetchall())
    database.executemany(f"insert into {table} values ({', '.join('?' * width)})", rows)


def make_shop(folder: Path, *, customers: int = 50_000, seed: int = 7, today: dt.date = FIRST_DAY) -> Shop:
    """Write a shop into a folder that has none: `shop.db`, and a file in `events/` for each of 28 days.

    Raises:
        FileExistsError: the folder holds a shop already.
    """
    if (folder / "shop.json").exists():
        raise FileExistsError(f"there is a shop already in {folder}")
    (folder / "events").mkdir(parents=True, exist_ok=True)
    world, clock = make_world(seed, customers, today), Clock(seed, customers, today, today)
    people = customer_rows(world, 0, clock.midnight, seed=seed)
    bought = order_rows(world, 0, clock.midnight)
    with closing(sqlite3.connect(folder / "shop.db")) as database, database:
        database.executescript(_TABLES)
        insert(database, "customers", people)
        insert(database, "orders", bought)
    lines = 0
    for back in reversed(range(EVENT_DAYS)):
        day = today - dt.timedelta(days=back)
        present = world.signed_up_at < clock.midnight - back * SECONDS_A_DAY
        lines += write_events(folder / "events" / f"{day}.jsonl", world, day, seed=seed, present=present)
    clock.write(folder)
    return Shop(folder, today, len(people), len(bought), lines)
