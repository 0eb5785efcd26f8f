"""Scoring: the population as of a time through the champion, into `predictions.<name>`."""

from __future__ import annotations

import datetime as dt
import tempfile
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from connectors.errors import ScoringError
from connectors.warehouses.base import Dialect, Session
from models.declarations.prediction import Prediction
from scoring.binding import naive_utc, time_literal
from scoring.inputs import Inputs
from scoring.matrix import read_blocks
from scoring.pairs import Pairs, make_pairs
from scoring.registry import ModelStore, ModelVersion
from scoring.tables import replace_table

if TYPE_CHECKING:
    from scoring.classification import Classifier

__all__ = ["SCHEMA", "ScoreResult", "score"]

SCHEMA = "predictions"
_SCORES = "headrace_scores"


@dataclass(frozen=True, slots=True)
class ScoreResult:
    """What a scoring run wrote. `as_of` is in UTC, without zone; `warning` is for a person to look at."""

    rows: int
    model_version: int
    as_of: dt.datetime
    seconds: float
    warning: str | None = None


def score(
    prediction: Prediction,
    session: Session,
    dialect: Dialect,
    store: ModelStore,
    *,
    as_of: dt.datetime | None = None,
) -> ScoreResult:
    """Score everybody in the population, with the features that the champion was trained on.

    The table has the entity's key columns, `score` (probability), `percentile` (above 0, up to 100; equal
    scores have equal ones), `model_version`, `scored_at` and `as_of` (timestamps in UTC). It is built aside:
    after any failure the last one stays.

    Args:
        prediction: what is declared.
        session: a session of a writable warehouse.
        dialect: the warehouse's.
        store: where the model versions are.
        as_of: the time as of which features and population are taken; now where left out.

    Raises:
        NotTrained: the prediction has no champion.
        ScoringError: the population is empty, or the model or a feature cannot be used.
    """
    started = time.perf_counter()
    version = store.champion(prediction.name)
    model = store.load(version)
    moment = naive_utc(as_of or dt.datetime.now(dt.UTC))
    with make_pairs(prediction, [moment], session, dialect, labelled=False) as pairs:
        if not session.rows(f"SELECT 1 FROM {pairs.relation} LIMIT 1"):
            raise ScoringError(
                f"{prediction.name}: the population as of {moment:%Y-%m-%d %H:%M} UTC is empty"
            )
        try:
            infinite = _score_pairs(model, Inputs.from_json(version.features), pairs, session, dialect)
            query = _table(pairs, version, dialect)
            rows = replace_table(session, dialect, SCHEMA, prediction.name, query)
        finally:
            session.run(f"DROP TABLE IF EXISTS {_SCORES}")
    warning = f"{infinite} infinite values were taken as missing" if infinite else None
    return ScoreResult(rows, version.version, moment, time.perf_counter() - started, warning)


def _score_pairs(model: Classifier, inputs: Inputs, pairs: Pairs, session: Session, dialect: Dialect) -> int:
    """Fill the session's table of scores, by way of a file: a session reads or writes, not both at once."""
    import pyarrow as pa

    schema = pa.schema([("pair", pa.int64()), ("score", pa.float64())])
    infinite = 0
    session.run(f"DROP TABLE IF EXISTS {_SCORES}")
    session.run(f"CREATE TEMPORARY TABLE {_SCORES} (pair BIGINT, score DOUBLE PRECISION)")
    with tempfile.TemporaryFile() as file:
        with pa.ipc.new_stream(file, schema) as waiting:
            for block in read_blocks(inputs, pairs, session, dialect):
                infinite += block.infinite
                waiting.write_batch(pa.record_batch([block.pair, model.predict(block.x)], schema=schema))
        file.seek(0)
        session.load(_SCORES, pa.ipc.open_stream(file))
    return infinite


def _table(pairs: Pairs, version: ModelVersion, dialect: Dialect) -> str:
    keys = ", ".join(f"p.{dialect.quote(key)}" for key in pairs.keys)
    now = time_literal(dt.datetime.now(dt.UTC))
    return (
        f"SELECT {keys}, s.score, 100 * cume_dist() OVER (ORDER BY s.score) AS percentile,\n"
        f"  {version.version} AS model_version, {now} AS scored_at, p.as_of\n"
        f"FROM {pairs.relation} AS p JOIN {_SCORES} AS s ON s.pair = p.pair"
    )
