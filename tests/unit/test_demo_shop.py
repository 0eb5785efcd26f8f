"""The generated shop: the same from the same seed, true to life, and changing by a day only."""

from __future__ import annotations

import datetime as dt
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import orjson
import pytest

from headrace.demo.day import change_by_a_day
from headrace.demo.names import FIRST_NAMES, LAST_NAMES, mail_name
from headrace.demo.shop import EVENT_DAYS, FIRST_DAY, make_shop

CUSTOMERS = 1_500


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A small shop."""
    folder = tmp_path / "shop"
    make_shop(folder, customers=CUSTOMERS)
    return folder


def query(folder: Path, sql: str) -> list[tuple[Any, ...]]:
    """Rows of the shop's database."""
    with closing(sqlite3.connect(folder / "shop.db")) as database:
        return database.execute(sql).fetchall()


def content(folder: Path) -> dict[str, Any]:
    """Everything in a shop."""
    tables = {table: query(folder, f"select * from {table} order by id") for table in ("customers", "orders")}
    return tables | {file.name: file.read_bytes() for file in (folder / "events").iterdir()}


def test_a_seed_makes_one_shop_and_one_future(tmp_path: Path) -> None:
    """Two shops of one seed are equal, today and after a day; another seed makes another shop."""
    folders = [tmp_path / name for name in ("one", "two", "other")]
    for folder, seed in zip(folders, (7, 7, 8), strict=True):
        make_shop(folder, customers=300, seed=seed)
    one, two, other = (content(folder) for folder in folders)
    assert one == two
    assert one["customers"] != other["customers"]
    assert change_by_a_day(folders[0]) == change_by_a_day(folders[1])
    assert content(folders[0]) == content(folders[1]) != one


def test_the_shop_counts_what_it_wrote(tmp_path: Path) -> None:
    """The figures returned are those of the files."""
    shop = make_shop(tmp_path, customers=200, today=dt.date(2025, 3, 1))
    assert query(tmp_path, "select count(*) from customers") == [(shop.customers,)] == [(200,)]
    assert query(tmp_path, "select count(*) from orders") == [(shop.orders,)]
    files = sorted((tmp_path / "events").iterdir())
    assert len(files) == EVENT_DAYS
    assert files[-1].name == "2025-03-01.jsonl"
    assert sum(len(file.read_bytes().splitlines()) for file in files) == shop.events


def test_history_ends_with_today(shop: Path) -> None:
    """Nothing in the shop is later than the end of its last day, and every order follows a sign-up."""
    for table in ("customers", "orders"):
        assert query(shop, f"select max(updated_at) from {table}")[0][0] < "2026-07-01"
    early = """select count(*) from orders join customers on customers.id = orders.customer_id
               where ordered_at < signed_up_at"""
    assert query(shop, early) == [(0,)]


def test_churn_is_there_and_can_be_predicted(shop: Path) -> None:
    """Customers whose last order is old order again far less often than those whose last order is fresh."""
    rows = query(
        shop,
        """with past as (select customer_id, max(ordered_at) as last_at from orders
                         where ordered_at < '2026-04-01' group by 1),
                later as (select distinct customer_id from orders where ordered_at >= '2026-04-01')
           select last_at >= '2026-03-01', avg(later.customer_id is null)
           from past left join later using (customer_id) group by 1 order by 1""",
    )
    (_, churn_of_old), (_, churn_of_fresh) = rows
    assert churn_of_fresh + 0.15 < churn_of_old < 0.99


def test_the_shop_has_the_blemishes_of_a_real_one(shop: Path) -> None:
    """A few e-mails are missing, mistyped or shared, and a few events come twice."""
    missing, broken = query(shop, "select sum(email is null), sum(email like '%@@%') from customers")[0]
    assert 1 <= missing < CUSTOMERS / 50
    assert 1 <= broken < CUSTOMERS / 50
    assert query(shop, "select 1 from customers where email is not null group by email having count(*) > 1")
    events = [
        orjson.loads(line) for file in (shop / "events").iterdir() for line in file.read_bytes().splitlines()
    ]
    ids = {event["event_id"] for event in events}
    assert 0 < len(events) - len(ids) < len(events) / 100
    assert any(event["customer_id"] is None for event in events)


def test_a_folder_with_a_shop_is_left_alone(shop: Path) -> None:
    """A second shop is never written over the first."""
    with pytest.raises(FileExistsError, match="a shop already"):
        make_shop(shop, customers=10)


def test_a_day_changes_little_and_says_what(shop: Path) -> None:
    """The figures of a day are the differences in the database, and they are few."""
    before = content(shop)
    day = change_by_a_day(shop)
    after = content(shop)
    assert day.day == FIRST_DAY + dt.timedelta(days=1)
    old, new = ({row[0]: row for row in state["customers"]} for state in (before, after))
    assert len(new.keys() - old.keys()) == day.new_customers
    assert len(old.keys() - new.keys()) == day.erased_customers > 0
    both = old.keys() & new.keys()
    assert sum(old[who][1] != new[who][1] for who in both) == day.changed_emails > 0
    assert sum(old[who][5] != new[who][5] for who in both) == day.withdrawn_consents > 0
    assert len(after["orders"]) - len(before["orders"]) == day.new_orders > 0
    assert after.keys() - before.keys() == {f"{day.day}.jsonl"}
    assert all(after[name] == before[name] for name in before if name.endswith(".jsonl"))
    touched = set(before["customers"]) ^ set(after["customers"])
    assert len(touched) < CUSTOMERS / 20


def test_whatever_a_day_touches_carries_its_date(shop: Path) -> None:
    """Every row that is new or different has an `updated_at` in that day, so that a cursor finds it."""
    before = content(shop)
    change_by_a_day(shop)
    after = content(shop)
    for table in ("customers", "orders"):
        for row in set(after[table]) - set(before[table]):
            assert row[-1].startswith("2026-07-01"), row


def test_erased_customers_leave_no_name_behind(shop: Path) -> None:
    """After a month, the orders of erased customers have no owner, and no order has a lost one."""
    days = [change_by_a_day(shop) for _ in range(30)]
    assert sum(day.returned_orders for day in days) > 0
    orphans = """select count(*) from orders
                 where customer_id is not null and customer_id not in (select id from customers)"""
    assert query(shop, orphans) == [(0,)]
    assert query(shop, "select count(*) > 0 from orders where customer_id is null") == [(1,)]


def test_the_future_is_finite(tmp_path: Path) -> None:
    """When the sixty days are used up, the shop says so and what to do."""
    make_shop(tmp_path, customers=5)
    for _ in range(60):
        change_by_a_day(tmp_path)
    with pytest.raises(ValueError, match="make a new shop"):
        change_by_a_day(tmp_path)


def test_every_name_makes_a_mail_address() -> None:
    """Names of every script give plain lower-case letters."""
    for names in (*FIRST_NAMES.values(), *LAST_NAMES.values()):
        for name in names:
            assert mail_name(name).isascii()
            assert mail_name(name).islower()
    assert mail_name("Łukasz") == "lukasz"
    assert mail_name("Saint-Exupère") == "saintexupere"
    assert mail_name("佐藤") == "kontakt"
