"""From events to scores: training, the registry, and the tables of predictions and traits."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from connectors.errors import NotTrained, ScoringError, WarehouseError
from connectors.warehouses import Dialect, Session, open_warehouse
from models.declarations.feature import Feature
from models.declarations.prediction import Prediction
from models.declarations.trait import Trait
from models.state.database import open_state
from scoring.inputs import Inputs
from scoring.matrix import read_matrix
from scoring.pairs import make_pairs
from scoring.predicting import score
from scoring.registry import ModelStore
from scoring.report import as_dict, as_text
from scoring.training import TrainResult, train
from scoring.traits import materialise

NOW = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
CUSTOMERS, DAYS = 400, 400


def activity(**changed: Any) -> Feature:
    """Windowed counts and sums of orders, and their recency."""
    declared = {
        "name": "activity",
        "entity": "customer",
        "key": "customer_id",
        "from": "shop.orders",
        "at": "ordered_at",
        "aggregate": {"count": ["*"], "mean": ["amount"]},
        "windows": ["30d", "90d"],
        "also": ["days_since_last", "mean_gap"],
    }
    return Feature.model_validate(declared | changed)


def churn(**changed: Any) -> Prediction:
    """Who orders nothing in the next 30 days, of those who ordered in the last 90."""
    declared = {
        "name": "churn",
        "type": "classification",
        "entity": "customer",
        "key": "customer_id",
        "population": "select customer_id from shop.orders "
        "where ordered_at < :as_of and ordered_at >= :as_of - interval '90 days'",
        "features": ["activity"],
        "label": {
            "horizon": "30d",
            "sql": "select id as customer_id from shop.customers where id not in (select customer_id "
            "from shop.orders where ordered_at >= :as_of and ordered_at < :until)",
        },
        "cutoffs": {"every": "15d", "count": 12},
        "algorithm": {"lightgbm": {"num_leaves": 7, "learning_rate": 0.1, "rounds": 60}},
    }
    return Prediction.model_validate(declared | changed)


def fill(session: Session, *, signal: bool = True) -> None:
    """A shop: with `signal`, each customer orders at a pace of their own; without, by the toss of a coin."""
    generator = np.random.default_rng(11)
    rows = []
    for customer in range(CUSTOMERS):
        gap = generator.uniform(3, 80) if signal else 25.0
        day = generator.uniform(0, gap)
        while day < DAYS:
            rows.append(f"({customer}, {day:.4f}, {generator.uniform(1, 9):.2f})")
            day += generator.exponential(gap) + 0.01
    session.run("CREATE SCHEMA shop")
    session.run(
        "CREATE TABLE shop.orders (customer_id integer, ordered_at timestamp, amount double precision)"
    )
    session.run(
        f"INSERT INTO shop.orders SELECT c, TIMESTAMP '{NOW.replace(tzinfo=None)}' - INTERVAL '1 day' * "
        f"({DAYS} - d), a FROM (VALUES {', '.join(rows)}) AS drawn(c, d, a)"
    )
    session.run("CREATE TABLE shop.customers AS SELECT DISTINCT customer_id AS id FROM shop.orders")


@dataclass
class Shop:
    """A filled warehouse with a model store beside it."""

    session: Session
    dialect: Dialect
    store: ModelStore
    home: Path

    def train(self, prediction: Prediction | None = None, feature: Feature | None = None) -> TrainResult:
        """Train as of `NOW`."""
        features = {"activity": feature or activity()}
        return train(prediction or churn(), features, self.session, self.dialect, self.store, as_of=NOW)

    def scores(self) -> list[tuple[Any, ...]]:
        """The prediction's table, by customer."""
        return self.session.rows("SELECT * FROM predictions.churn ORDER BY customer_id")


def opened(url: str, home: Path, *, signal: bool = True) -> Iterator[Shop]:
    """A shop in a warehouse."""
    warehouse = open_warehouse(url)
    with (
        warehouse.connect("a test") as session,
        open_state(f"sqlite:///{home / 'state.db'}") as state,
    ):
        fill(session, signal=signal)
        yield Shop(session, warehouse.dialect, ModelStore(state, home, threads=2), home)


@pytest.fixture(params=["duckdb", "postgres"])
def any_shop(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shop]:
    """A shop in each kind of warehouse."""
    url = "duckdb:///:memory:" if request.param == "duckdb" else request.getfixturevalue("postgres_url")
    yield from opened(url, tmp_path)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    """A shop in DuckDB."""
    yield from opened("duckdb:///:memory:", tmp_path)


def test_a_known_signal_is_learnt_and_scored(any_shop: Shop) -> None:
    """Training finds the signal, its AUC is scikit-learn's, and the table holds the model's own words."""
    trained = any_shop.train().version
    test = trained.metrics["test"][trained.metrics["kept"]]
    assert test["auc"] > 0.7
    assert test["log_loss"] < -(
        test["base_rate"] * np.log(test["base_rate"])
        + (1 - test["base_rate"]) * np.log(1 - test["base_rate"])
    )
    assert trained.status == "champion"

    model, inputs = any_shop.store.load(trained), Inputs.from_json(trained.features)
    cutoff = dt.datetime.fromisoformat(trained.data["test"])
    with make_pairs(churn(), [cutoff], any_shop.session, any_shop.dialect, labelled=True) as pairs:
        block = read_matrix(inputs, pairs, any_shop.session, any_shop.dialect)
    assert roc_auc_score(block.labels, model.predict(block.x)) == pytest.approx(test["auc"])

    result = score(churn(), any_shop.session, any_shop.dialect, any_shop.store, as_of=NOW)
    rows = any_shop.scores()
    assert result.rows == len(rows) > 300
    with make_pairs(churn(), [NOW], any_shop.session, any_shop.dialect, labelled=False) as pairs:
        block = read_matrix(inputs, pairs, any_shop.session, any_shop.dialect)
    assert [row[1] for row in rows] == pytest.approx(model.predict(block.x).tolist(), abs=0)
    percentiles = [percentile for _, percentile in sorted((row[1], row[2]) for row in rows)]
    assert percentiles == sorted(percentiles)
    assert 0 < percentiles[0] <= percentiles[-1] == 100
    assert {row[3] for row in rows} == {1}
    assert {row[5] for row in rows} == {NOW.replace(tzinfo=None)}


def test_trees_are_kept_as_lightgbms_own_text(shop: Shop) -> None:
    """A LightGBM champion can be read and run by LightGBM alone, on columns named as declared."""
    trained = shop.train(churn(baseline=None)).version
    assert trained.metrics["kept"] == "lightgbm"
    booster = lightgbm.Booster(model_file=str(shop.home / trained.model_file))
    assert booster.feature_name() == trained.features["columns"]  # type: ignore[call-overload]  # it is a dict
    score(churn(baseline=None), shop.session, shop.dialect, shop.store, as_of=NOW)
    with make_pairs(churn(), [NOW], shop.session, shop.dialect, labelled=False) as pairs:
        block = read_matrix(Inputs.from_json(trained.features), pairs, shop.session, shop.dialect)
    assert [row[1] for row in shop.scores()] == pytest.approx(
        np.asarray(booster.predict(block.x)).tolist(), abs=1e-12
    )


def test_noise_is_called_noise(tmp_path: Path) -> None:
    """Where nothing can be known the verdict claims nothing."""
    for shop in opened("duckdb:///:memory:", tmp_path, signal=False):
        noise = activity(
            **{"from": None, "at": None, "aggregate": None, "windows": [], "also": []}, sql=NOISE
        )
        version = shop.train(feature=noise).version
        assert "do not act on these scores" in version.metrics["verdict"]
        assert version.metrics["test"]["lightgbm"]["auc"] == pytest.approx(0.5, abs=0.1)


NOISE = (
    "select id as customer_id, hash(id * 7 + epoch(:as_of)) % 1000 as x, "
    "hash(id * 3 + epoch(:as_of)) % 1000 as y from shop.customers"
)


def test_the_same_data_and_seed_give_the_same_file(shop: Shop) -> None:
    """Two trainings keep one file, with one fingerprint; the second, no worse, takes over."""
    first, second = shop.train().version, shop.train().version
    assert first.model_file == second.model_file
    assert first.data["fingerprint"] == second.data["fingerprint"]
    assert len(list((shop.home / "models" / "churn").iterdir())) == 1
    assert [(v.version, v.status) for v in shop.store.versions("churn")] == [(2, "champion"), (1, "retired")]


def test_a_worse_version_stays_a_candidate_until_promoted(shop: Shop) -> None:
    """A challenger is held against the champion with the champion's own features, on the same rows."""
    champion = shop.train().version
    worse = shop.train(churn(features=["activity.mean_amount_30d"]))
    assert worse.version.status == "candidate"
    assert worse.version.metrics["champion_auc"] == pytest.approx(
        champion.metrics["test"][champion.metrics["kept"]]["auc"]
    )
    assert "stays a candidate" in worse.promotion
    assert score(churn(), shop.session, shop.dialect, shop.store, as_of=NOW).model_version == 1
    shop.store.promote("churn", 2, by="a person")
    assert score(churn(), shop.session, shop.dialect, shop.store, as_of=NOW).model_version == 2
    assert shop.store.champion("churn").promoted_by == "a person"


def test_a_version_is_scored_with_the_features_it_was_trained_on(shop: Shop) -> None:
    """An edit of the feature file changes nothing before the next training."""
    shop.train()
    score(churn(), shop.session, shop.dialect, shop.store, as_of=NOW)
    before = [row[1] for row in shop.scores()]
    kept = Inputs.from_json(shop.store.champion("churn").features)
    assert kept.features == (activity(),)
    score(churn(features=["another"]), shop.session, shop.dialect, shop.store, as_of=NOW)
    assert [row[1] for row in shop.scores()] == before


def test_failed_scoring_leaves_the_last_table(any_shop: Shop) -> None:
    """A missing column, an empty population and a changed model file each leave what was there."""
    any_shop.train()
    score(churn(), any_shop.session, any_shop.dialect, any_shop.store, as_of=NOW)
    before = any_shop.scores()
    with pytest.raises(ScoringError, match="population as of 1999-01-01 00:00 UTC is empty"):
        score(
            churn(),
            any_shop.session,
            any_shop.dialect,
            any_shop.store,
            as_of=dt.datetime(1999, 1, 1, tzinfo=dt.UTC),
        )
    any_shop.session.run("ALTER TABLE shop.orders RENAME COLUMN amount TO price")
    with pytest.raises(WarehouseError, match="amount"):
        score(churn(), any_shop.session, any_shop.dialect, any_shop.store, as_of=NOW)
    any_shop.session.run("ALTER TABLE shop.orders RENAME COLUMN price TO amount")
    (any_shop.home / any_shop.store.champion("churn").model_file).write_text("{}")
    with pytest.raises(ScoringError, match="was changed since it was kept"):
        score(churn(), any_shop.session, any_shop.dialect, any_shop.store, as_of=NOW)
    assert any_shop.scores() == before
    assert any_shop.session.tables("predictions") == {"churn"}


def test_scoring_before_training_says_what_to_do(shop: Shop) -> None:
    """Without a model there is nothing to score with."""
    with pytest.raises(NotTrained, match="headrace score train churn"):
        score(churn(), shop.session, shop.dialect, shop.store, as_of=NOW)


NOBODY = {"horizon": "30d", "sql": "select id as customer_id from shop.customers where id < 0"}
FEW = {"horizon": "30d", "sql": "select id as customer_id from shop.customers where id = 1"}
EVERYBODY = {"horizon": "30d", "sql": "select id as customer_id from shop.customers"}


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"label": NOBODY}, "one class only: the label holds for none"),
        ({"label": EVERYBODY}, "one class only: the label holds for all"),
        ({"label": FEW}, "at least 20 of each are needed"),
        ({"population": "select id as customer_id from shop.customers where id < 0"}, "empty population"),
        ({"cutoffs": {"every": "15d", "count": 2}}, r"raise cutoffs\.count"),
        ({"features": ["actvity"]}, "did you mean 'activity'"),
        (
            {"population": "select id as customer_id from shop.customers where :asof > id"},
            "predictions/churn: population: unknown parameter :asof",
        ),
        ({"label": NOBODY | {"sql": "select nr from shop.customers"}}, "predictions/churn: label: "),
    ],
)
def test_what_teaches_nothing_is_refused_in_words(shop: Shop, changed: dict[str, Any], words: str) -> None:
    """Empty, one-sided and small training sets are errors that say what to look at; no version is kept."""
    with pytest.raises((ScoringError, WarehouseError), match=words):
        shop.train(churn(**changed))
    assert shop.store.versions() == []


def by_sql(sql: str) -> Feature:
    """The activity feature, in SQL."""
    return Feature.model_validate(
        {"name": "activity", "entity": "customer", "key": "customer_id", "sql": sql}
    )


def test_empty_and_infinite_inputs_are_stated(shop: Shop) -> None:
    """A column of nulls is left out, infinities count as missing, and both are said; so is a repeated key."""
    orders = "from shop.orders where ordered_at < :as_of group by customer_id"
    feature = by_sql(
        "select customer_id, count(*) as n, cast(null as integer) as nothing, true as flag, "
        f"case when customer_id % 3 = 0 then cast('inf' as double) else 1e300 end as endless {orders}"
    )
    version = shop.train(feature=feature).version
    assert version.features["columns"] == ["activity.n", "activity.flag"]  # type: ignore[call-overload]  # a dict
    infinite, left_out = version.data["warnings"]
    assert "infinite values were taken as missing" in infinite
    assert left_out == "left out, null in every training row: activity.nothing, activity.endless"
    with pytest.raises(ScoringError, match="features/activity gives several rows a key"):
        shop.train(feature=by_sql("select customer_id, amount from shop.orders where ordered_at < :as_of"))
    with pytest.raises(ScoringError, match="every input is null"):
        shop.train(feature=by_sql("select id as customer_id, cast(null as integer) as x from shop.customers"))


def test_a_champion_that_can_no_longer_be_computed_is_replaced(shop: Shop) -> None:
    """Where the champion's own features are gone, the next version takes over and says so."""
    shop.train()
    shop.session.run("ALTER TABLE shop.orders RENAME COLUMN amount TO price")
    result = shop.train(feature=activity(aggregate={"count": ["*"]}))
    assert result.version.status == "champion"
    assert "version 1, can no longer be used" in result.promotion


def test_the_report_shows_both_models_side_by_side(shop: Shop) -> None:
    """The text has a column a model and the verdict; the values are fit for JSON."""
    import json

    version = shop.train().version
    text = as_text(version)
    assert "lightgbm  logistic_regression" in text
    assert version.metrics["verdict"] in text
    assert json.loads(json.dumps(as_dict(version)))["test"]["lightgbm"]["auc"] > 0.7


SPEND = Trait.model_validate(
    {
        "name": "spend",
        "entity": "customer",
        "key": "customer_id",
        "sql": "select customer_id, sum(amount) as total from shop.orders group by customer_id; -- all of it",
    }
)


def test_a_trait_is_one_table_made_anew(any_shop: Shop) -> None:
    """The table holds the SQL's rows, and replaces the last one."""
    for _ in range(2):
        result = materialise(SPEND, any_shop.session, any_shop.dialect)
        assert (result.rows, result.columns, result.warning) == (CUSTOMERS, ("customer_id", "total"), None)
    assert any_shop.session.tables("traits") == {"spend"}
    empty = SPEND.model_copy(update={"sql": "select 1 as customer_id where 1 = 0"})
    assert materialise(empty, any_shop.session, any_shop.dialect).warning is not None


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("select nullif(id, 3) as customer_id from shop.customers", "is null in 1 rows"),
        (
            "select id % 100 as customer_id from shop.customers",
            "100 keys stand in several rows, one of them in 4",
        ),
        ("select id from shop.customers", "gives no column 'customer_id', which is the key; it gives id"),
    ],
)
def test_a_trait_without_a_proper_key_leaves_the_last_table(any_shop: Shop, sql: str, words: str) -> None:
    """Null, repeated and missing keys are told without their values, and the good table stays."""
    materialise(SPEND, any_shop.session, any_shop.dialect)
    with pytest.raises(ScoringError, match=words):
        materialise(SPEND.model_copy(update={"sql": sql}), any_shop.session, any_shop.dialect)
    assert any_shop.session.rows("SELECT count(*) FROM traits.spend") == [(CUSTOMERS,)]
    assert any_shop.session.tables("traits") == {"spend"}
