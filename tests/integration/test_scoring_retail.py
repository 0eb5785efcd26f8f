"""Churn on a real shop's two years of invoices (Online Retail II)."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from connectors.warehouses import open_warehouse
from models.declarations.feature import Feature
from models.declarations.prediction import Prediction
from models.state.database import open_state
from scoring.inputs import Inputs
from scoring.matrix import read_matrix
from scoring.metrics import measure
from scoring.pairs import make_pairs
from scoring.predicting import score
from scoring.registry import ModelStore
from scoring.training import train

DATA = Path(__file__).parents[2].parent / "shared" / "data"
LAST_DAY = dt.datetime(2011, 12, 9, tzinfo=dt.UTC)

# The first file's last days stand in the second file too.
ORDERS = f"""
    CREATE TABLE orders AS
    SELECT customer_id, invoice, min(invoice_date) AS bought_at, sum(quantity * price) AS amount
    FROM (
        SELECT * FROM '{DATA}/online_retail_2009_2010.parquet' WHERE invoice_date < '2010-12-01'
        UNION ALL SELECT * FROM '{DATA}/online_retail_2010_2011.parquet'
    )
    WHERE customer_id IS NOT NULL AND quantity > 0 AND price > 0
    GROUP BY customer_id, invoice
"""
ACTIVITY = Feature.model_validate(
    {
        "name": "activity",
        "entity": "customer",
        "key": "customer_id",
        "from": "orders",
        "at": "bought_at",
        "aggregate": {"count": ["*"], "sum": ["amount"], "mean": ["amount"]},
        "windows": ["30d", "90d", "180d", "365d"],
        "also": ["days_since_last", "days_since_first", "mean_gap"],
    }
)
CHURN = Prediction.model_validate(
    {
        "name": "churn_90d",
        "type": "classification",
        "entity": "customer",
        "key": "customer_id",
        "population": "select customer_id from orders "
        "where bought_at < :as_of and bought_at >= :as_of - interval '180 days'",
        "features": ["activity.*"],
        "label": {
            "horizon": "90d",
            "sql": "select customer_id from orders group by customer_id "
            "having count(*) filter (where bought_at >= :as_of and bought_at < :until) = 0",
        },
        "cutoffs": {"every": "30d", "count": 12},
        "algorithm": {"lightgbm": {"num_leaves": 7, "learning_rate": 0.03, "rounds": 250}},
    }
)


@pytest.mark.skipif(not DATA.is_dir(), reason=f"the real data is not there: {DATA}")
def test_churn_of_a_real_shop_is_told_better_than_by_recency_alone(tmp_path: Path) -> None:
    """On the same held-out customers the kept model ranks churn far better than days since the last order."""
    warehouse = open_warehouse("duckdb:///:memory:")
    with warehouse.connect("a test") as session, open_state(f"sqlite:///{tmp_path / 'state.db'}") as state:
        session.run(ORDERS)
        store = ModelStore(state, tmp_path, threads=2)
        version = train(
            CHURN, {"activity": ACTIVITY}, session, warehouse.dialect, store, as_of=LAST_DAY
        ).version
        test = version.metrics["test"][version.metrics["kept"]]
        assert version.data["test"] == "2011-09-10T00:00:00"
        assert (test["n"], test["positives"]) == (2787, 1066)

        cutoff = dt.datetime.fromisoformat(version.data["test"])
        recency = Inputs(("activity.days_since_last",), (ACTIVITY,))
        with make_pairs(CHURN, [cutoff], session, warehouse.dialect, labelled=True) as pairs:
            block = read_matrix(recency, pairs, session, warehouse.dialect)
        alone = measure(block.labels, block.x[:, 0].astype("float64") / 365).auc
        assert alone == pytest.approx(0.656, abs=0.01)
        assert test["auc"] > alone + 0.08

        scored = score(CHURN, session, warehouse.dialect, store, as_of=LAST_DAY)
        assert session.rows("SELECT count(*), count(DISTINCT customer_id) FROM predictions.churn_90d") == [
            (scored.rows, scored.rows)
        ]
