"""The whole chain on two years of a real shop's invoice lines (Online Retail II, UCI data set 502)."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from sqlalchemy import create_engine, text

DATA = Path(__file__).parents[2].parent / "shared" / "data"
PROGRAM = Path(sys.executable).with_name("headrace")

PROJECT = {
    "headrace.yml": "warehouse: {warehouse}\n",
    "sources/retail.yml": """
type: sql_database
url: {source}
schema: till
tables:
  lines: {{primary_key: line, write_disposition: append}}
""",
    "traits/customer_value.yml": """
entity: customer
key: customer_id
sql: |
  select customer_id, count(distinct invoice) as orders, max(invoice_date) as last_order_at,
         round(cast(sum(quantity * price) as decimal(18, 4)), 2) as spend
  from retail.lines
  where customer_id is not null and quantity > 0 and price > 0
  group by customer_id
""",
    "traits/orders.yml": """
entity: order
key: invoice
sql: |
  select invoice, min(customer_id) as customer_id, min(invoice_date) as bought_at,
         sum(quantity * price) as amount
  from retail.lines
  where customer_id is not null and quantity > 0 and price > 0
  group by invoice
""",
    "features/activity.yml": """
entity: customer
key: customer_id
from: traits.orders
at: bought_at
windows: [30d, 90d, 180d, 365d]
aggregate: {{count: ["*"], sum: [amount], mean: [amount]}}
also: [days_since_last, days_since_first, mean_gap]
""",
    "predictions/churn_90d.yml": """
type: classification
entity: customer
key: customer_id
population: |
  select customer_id from traits.orders
  where bought_at < :as_of and bought_at >= :as_of - interval '180 days' group by customer_id
features: [activity]
label:
  horizon: 90d
  sql: |
    select customer_id from traits.orders group by customer_id
    having count(*) filter (where bought_at >= :as_of and bought_at < :until) = 0
cutoffs: {{every: 30d, count: 12}}
algorithm: {{lightgbm: {{num_leaves: 7, learning_rate: 0.03, rounds: 250}}}}
""",
    "models/customers.sql": """
-- primary_key: customer_id
select value.customer_id, value.orders, value.spend, value.last_order_at, churn.score as churn
from traits.customer_value as value
left join predictions.churn_90d as churn on churn.customer_id = value.customer_id
""",
    "destinations/mart.yml": "type: sql\nurl: sqlite:///mart.db\ncreate: true\n",
    "syncs/customers_to_mart.yml": """
model: customers
destination: mart
object: customers
mode: mirror
fields:
  orders: orders
  spend: spend
  last_order_at: last_order_at
  churn: round(cast(churn as decimal(9, 6)), 3)
""",
}


def _lines() -> pd.DataFrame:
    """Both files; the first one's last days stand in the second too."""
    first = pd.read_parquet(DATA / "online_retail_2009_2010.parquet")
    second = pd.read_parquet(DATA / "online_retail_2010_2011.parquet")
    lines = pd.concat([first[first.invoice_date < "2010-12-01"], second], ignore_index=True)
    lines.insert(0, "line", range(1, len(lines) + 1))
    return lines


def _fill(url: str, lines: pd.DataFrame) -> None:
    """The shop's own database: a table that nobody made for us."""
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.begin() as connection:
        connection.execute(text("CREATE SCHEMA till"))
        connection.execute(
            text(
                "CREATE TABLE till.lines (line BIGINT PRIMARY KEY, invoice TEXT, stock_code TEXT, "
                "description TEXT, quantity INTEGER, invoice_date TIMESTAMP, price DOUBLE PRECISION, "
                "customer_id INTEGER, country TEXT)"
            )
        )
        cursor = connection.connection.cursor()
        with cursor.copy("COPY till.lines FROM STDIN (FORMAT csv)") as copy:
            for start in range(0, len(lines), 100_000):
                part = lines.iloc[start : start + 100_000].copy()
                part["customer_id"] = part["customer_id"].astype("Int64")
                copy.write(part.to_csv(index=False, header=False))
    engine.dispose()


def _headrace(project: Path, *arguments: str) -> Any:
    done = subprocess.run(
        [PROGRAM, "--project", str(project), *arguments, "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def _sold(lines: pd.DataFrame) -> pd.DataFrame:
    """Lines that a known customer paid for."""
    sold = lines[lines.customer_id.notna() & (lines.quantity > 0) & (lines.price > 0)]
    return sold.assign(amount=sold.quantity * sold.price)


def _expected(sold: pd.DataFrame) -> pd.DataFrame:
    """What each customer bought, computed by pandas alone."""
    return sold.groupby("customer_id").agg(
        orders=("invoice", "nunique"), spend=("amount", "sum"), last=("invoice_date", "max")
    )


@pytest.mark.skipif(not DATA.is_dir(), reason=f"the real data is not there: {DATA}")
@pytest.mark.parametrize("kind", ["duckdb", "postgresql"])
def test_a_real_shop_goes_from_its_database_to_a_table_of_scored_customers(
    kind: str, tmp_path: Path, postgres_url: str
) -> None:
    """Rows, orders, spend and scores that arrive are those that pandas finds in the files."""
    lines = _lines()
    _fill(postgres_url, lines)
    warehouse = "duckdb:///.headrace/warehouse.duckdb" if kind == "duckdb" else postgres_url
    for name, content in PROJECT.items():
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(content.format(warehouse=warehouse, source=postgres_url).lstrip("\n"))

    _headrace(tmp_path, "ingest")
    _headrace(tmp_path, "traits")
    _headrace(tmp_path, "score", "train", "--as-of", "2011-12-09")
    _headrace(tmp_path, "score", "run", "--as-of", "2011-12-09")
    run = _headrace(tmp_path, "sync", "run", "customers_to_mart")

    sold = _sold(lines)
    expected = _expected(sold)
    assert len(lines) == 1_044_847
    assert run["planned"] == {"add": len(expected), "change": 0, "remove": 0}
    assert run["delivered"] == run["planned"]
    with sqlite3.connect(tmp_path / "mart.db") as mart:
        held = pd.read_sql("SELECT * FROM customers ORDER BY customer_id", mart, index_col="customer_id")
    assert list(held.index) == list(expected.index.astype(int))
    assert held.orders.tolist() == expected.orders.tolist()
    assert (held.spend.astype(float) - expected.spend).abs().max() < 0.011
    assert held["last_order_at"].str[:10].tolist() == expected["last"].dt.strftime("%Y-%m-%d").tolist()
    until = pd.Timestamp("2011-12-09")
    recent = sold[(sold.invoice_date < until) & (sold.invoice_date >= until - pd.Timedelta(days=180))]
    assert int(held.churn.notna().sum()) == recent.customer_id.nunique()

    again = _headrace(tmp_path, "sync", "run", "customers_to_mart")
    assert again["requests"] == 0
