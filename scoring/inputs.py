"""What a model takes: columns of features, in their order, each as a double."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from pydantic import ValidationError

from connectors.errors import ScoringError
from connectors.warehouses.base import Column, Dialect, Session
from models.declarations.feature import Feature
from models.nearest import guess
from scoring.features import feature_sql
from scoring.pairs import Pairs
from scoring.places import errors_of

__all__ = ["Inputs", "choose_inputs", "inputs_sql"]

_NUMBERS = {"integer", "decimal", "float", "boolean"}
_NOT_IN_A_MODEL_FILE = set('",:[]{} \t\r\n')


@dataclass(frozen=True, slots=True)
class Inputs:
    """Columns, named `<feature>.<column>`, and the features as they were declared when they were chosen.

    A version keeps its inputs, so that it is scored with the features it was trained on, whatever the
    project's files say by then.
    """

    columns: tuple[str, ...]
    features: tuple[Feature, ...]

    def only(self, columns: Sequence[str]) -> Inputs:
        """Some of the columns, and of the features those that give them."""
        needed = {_feature_of(column) for column in columns}
        return Inputs(tuple(columns), tuple(f for f in self.features if f.name in needed))

    def to_json(self) -> dict[str, Any]:
        """Plain values, for the registry."""
        return {
            "columns": list(self.columns),
            "declared": [
                f.model_dump(mode="json", by_alias=True, exclude_defaults=True) for f in self.features
            ],
        }

    @classmethod
    def from_json(cls, kept: Any) -> Inputs:
        """What `to_json` gave.

        Raises:
            ScoringError: this headrace reads the features otherwise than the one that kept them.
        """
        try:
            features = tuple(Feature.model_validate(declared) for declared in kept["declared"])
            columns = tuple(kept["columns"])
        except (KeyError, TypeError, ValidationError) as error:
            raise ScoringError(
                "the features kept with this model version cannot be read: train again"
            ) from error
        return cls(columns, features)


def choose_inputs(
    wanted: Sequence[str], declared: Mapping[str, Feature], pairs: Pairs, session: Session, dialect: Dialect
) -> Inputs:
    """The columns that a prediction names: `activity` and `activity.*` are all of a feature file's.

    Raises:
        ScoringError: a name fits nothing, a column is no number, or a model file cannot hold its name.
    """
    columns: dict[str, None] = {}
    features: dict[str, Feature] = {}
    for name in wanted:
        feature_name, _, pattern = name.partition(".")
        if feature_name not in declared:
            raise ScoringError(f"there is no features/{feature_name}.yml{guess(feature_name, declared)}")
        feature = features[feature_name] = declared[feature_name]
        has = {column.name: column for column in _described(feature, pairs, session, dialect)}
        chosen = [each for each in has if fnmatchcase(each, pattern or "*")]
        if not chosen:
            raise ScoringError(f"features/{feature_name} has no column {pattern}{guess(pattern, has)}")
        for each in chosen:
            _refuse_what_is_no_input(feature_name, has[each])
            columns[f"{feature_name}.{each}"] = None
    return Inputs(tuple(columns), tuple(features.values()))


def inputs_sql(inputs: Inputs, pairs: Pairs, session: Session, dialect: Dialect) -> str:
    """A query of each pair's `pair` and `label` with its inputs as doubles, null where there is none."""
    chosen, joins = [], []
    for feature in inputs.features:
        alias = dialect.quote(feature.name)
        types = {column.name: column.logical for column in _described(feature, pairs, session, dialect)}
        same = [f"_p.{dialect.quote(key)} = {alias}.{dialect.quote(key)}" for key in pairs.keys]
        joins.append(
            f"LEFT JOIN (\n{feature_sql(feature, pairs, dialect)}\n) AS {alias} "
            f"ON {' AND '.join(same)} AND _p.as_of = {alias}.as_of"
        )
        for column in inputs.columns:
            name = column.partition(".")[2]
            if _feature_of(column) == feature.name:
                value = f"{alias}.{dialect.quote(name)}"
                value = f"CAST({value} AS INTEGER)" if types.get(name) == "boolean" else value
                chosen.append(f"CAST({value} AS DOUBLE PRECISION) AS {dialect.quote(column)}")
    return f"SELECT _p.pair, _p.label,\n  {', '.join(chosen)}\nFROM {pairs.relation} AS _p\n" + "\n".join(
        joins
    )


def _feature_of(column: str) -> str:
    return column.partition(".")[0]


def _described(feature: Feature, pairs: Pairs, session: Session, dialect: Dialect) -> list[Column]:
    """The feature's own columns, without the keys and `as_of`."""
    first = Pairs(pairs.keys, pairs.cutoffs[:1], pairs.relation)
    not_inputs = {*feature.key, *pairs.keys, "as_of"}
    with errors_of(f"features/{feature.name}"):
        described = session.columns(feature_sql(feature, first, dialect))
    return [column for column in described if column.name not in not_inputs]


def _refuse_what_is_no_input(feature: str, column: Column) -> None:
    if column.logical not in _NUMBERS:
        raise ScoringError(
            f"features/{feature}: {column.name} is {column.native}; an input must be a number or a boolean"
        )
    if _NOT_IN_A_MODEL_FILE & set(column.name):
        raise ScoringError(
            f"features/{feature}: a model file cannot hold the name {column.name!r}; "
            "rename the column with AS, without spaces, quotes, commas, colons and brackets"
        )
