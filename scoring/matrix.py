"""Inputs as a matrix, the same way for training and for scoring."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from connectors.errors import ScoringError
from connectors.warehouses.base import Dialect, Session
from scoring.features import feature_sql
from scoring.inputs import Inputs, inputs_sql
from scoring.pairs import Pairs

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    Matrix: TypeAlias = NDArray[np.float32]
    Numbers: TypeAlias = NDArray[np.float64]

__all__ = ["Block", "read_blocks", "read_matrix"]


@dataclass(frozen=True, slots=True)
class Block:
    """Some pairs and their inputs.

    `pair` (rows,) are their numbers, `x` (rows, columns) their inputs with NaN for a missing one, `labels`
    (rows,) 0 or 1, NaN where there is none. `infinite` counts the values that were taken as missing because
    no 32-bit float holds them.
    """

    pair: NDArray[np.int64]
    x: Matrix
    labels: Numbers
    infinite: int


def read_blocks(inputs: Inputs, pairs: Pairs, session: Session, dialect: Dialect) -> Iterator[Block]:
    """The inputs of every pair, block by block, in no order, with memory that does not grow with the pairs.

    Raises:
        ScoringError: a feature has several rows for one entity and time.
    """
    expected = int(session.rows(f"SELECT count(*) FROM {pairs.relation}")[0][0])
    read = 0
    for batch in session.stream(inputs_sql(inputs, pairs, session, dialect)):
        read += batch.num_rows
        yield _block(batch, inputs)
    if read != expected:
        raise ScoringError(_who_repeats(inputs, pairs, session, dialect))


def read_matrix(inputs: Inputs, pairs: Pairs, session: Session, dialect: Dialect) -> Block:
    """The inputs of every pair at once, ordered by `pair`."""
    import numpy as np

    blocks = list(read_blocks(inputs, pairs, session, dialect))
    if not blocks:
        empty = np.empty(0)
        return Block(empty.astype(np.int64), np.empty((0, len(inputs.columns)), np.float32), empty, 0)
    pair = np.concatenate([block.pair for block in blocks])
    order = np.argsort(pair)
    x = np.concatenate([block.x for block in blocks])[order]
    labels = np.concatenate([block.labels for block in blocks])[order]
    return Block(pair[order], x, labels, sum(block.infinite for block in blocks))


def _block(batch: pa.RecordBatch, inputs: Inputs) -> Block:
    import numpy as np

    x = np.empty((batch.num_rows, len(inputs.columns)), dtype=np.float32)
    with np.errstate(over="ignore"):  # what a 32-bit float cannot hold becomes infinite, and that missing
        for position, column in enumerate(inputs.columns):
            x[:, position] = batch.column(column).to_numpy(zero_copy_only=False)
    infinite = np.isinf(x)
    x[infinite] = np.nan
    labels = batch.column("label").to_numpy(zero_copy_only=False).astype(np.float64)
    pair = batch.column("pair").to_numpy(zero_copy_only=False)
    return Block(pair, x, labels, int(infinite.sum()))


def _who_repeats(inputs: Inputs, pairs: Pairs, session: Session, dialect: Dialect) -> str:
    keys = ", ".join([*map(dialect.quote, pairs.keys), "as_of"])
    for feature in inputs.features:
        repeated = session.rows(
            f"SELECT count(*) FROM (SELECT {keys} FROM (\n{feature_sql(feature, pairs, dialect)}\n) AS f "
            f"GROUP BY {keys} HAVING count(*) > 1) AS repeated"
        )[0][0]
        if repeated:
            return f"features/{feature.name} gives several rows a key for {repeated} keys; give one"
    return "the data changed while it was read; try again"
