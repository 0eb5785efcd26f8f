"""Every field of every kind of file, filled with anything: a declaration or a clear error."""

from __future__ import annotations

import copy
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.errors import ConfigError
from models.check import check_project
from models.loading import load_project
from models.project import Project

_EXAMPLES: dict[str, list[dict[str, Any]]] = {
    "headrace.yml": [
        {
            "warehouse": "duckdb:///w.duckdb",
            "state": "sqlite:///s.db",
            "defaults": {
                "guards": {"max_removed": "5%", "min_rows": 1},
                "nulls": "omit",
                "retry_rejected": "never",
            },
            "log": {"keep_rows_days": 3, "keep_runs_days": 5},
            "duckdb": {"memory_limit": "2GB", "threads": 2},
        }
    ],
    "sources/x.yml": [
        {
            "type": "sql_database",
            "url": "sqlite:///shop.db",
            "schema": "main",
            "dataset": "shop",
            "schema_contract": {"tables": "evolve", "columns": "freeze", "data_type": "discard"},
            "tables": {
                "t": {"incremental": {"cursor": "id", "initial": 1}, "primary_key": ["id"], "columns": ["id"]}
            },
            "schedule": {"every": "15m"},
        },
        {
            "type": "filesystem",
            "path": "data",
            "schema_contract": "freeze",
            "files": {
                "t": {"glob": "*.csv", "format": "csv", "primary_key": "id", "write_disposition": "merge"}
            },
        },
        {
            "type": "rest_api",
            "base_url": "http://127.0.0.1",
            "auth": {"type": "api_key", "name": "k", "value": "v", "location": "query"},
            "headers": {"a": "b"},
            "resources": {
                "t": {
                    "path": "x",
                    "params": {"a": 1},
                    "data_path": "data.items",
                    "pagination": {"type": "page", "param": "p", "first": 0, "size_param": "n", "size": 5},
                    "incremental": {"cursor": "at", "param": "since", "initial": "2020-01-01"},
                }
            },
        },
    ],
    "models/x.yml": [{"sql": "select 1 as id", "primary_key": "id", "description": "words"}],
    "traits/x.yml": [
        {
            "entity": "e",
            "key": ["id"],
            "sql": "select 1 as id",
            "schedule": {"cron": "0 6 * * *", "timezone": "UTC"},
        }
    ],
    "features/x.yml": [
        {
            "entity": "e",
            "key": "id",
            "from": "shop.t",
            "where": "a > 1",
            "at": "at",
            "created": "seen",
            "aggregate": {
                "count": ["*"],
                "sum": ["a"],
                "mean": ["a"],
                "min": ["a"],
                "max": ["a"],
                "distinct": ["a"],
            },
            "windows": ["7d", "90d"],
            "also": ["mean_gap"],
        },
        {"entity": "e", "key": "id", "sql": "select id from t where at < :as_of"},
    ],
    "predictions/x.yml": [
        {
            "type": "classification",
            "entity": "e",
            "key": "id",
            "population": "select id from t where at < :as_of",
            "features": ["base.*"],
            "label": {"sql": "select id from t where at > :as_of and at <= :until", "horizon": "90d"},
            "cutoffs": {"every": "30d", "count": 5},
            "split": {"by": "time", "test": "last"},
            "baseline": "logistic_regression",
            "algorithm": {"lightgbm": {"num_leaves": 7, "learning_rate": 0.1, "rounds": 10}},
            "seed": 7,
            "schedule": {"after": ["base_sync"]},
        }
    ],
    "audiences/x.yml": [{"model": "base", "where": "a > 1", "traits": [], "predictions": []}],
    "destinations/x.yml": [{"type": "webhook", "url": "http://127.0.0.1", "batch_size": 3}],
    "syncs/x.yml": [
        {
            "model": "base",
            "destination": "base_hook",
            "object": "contacts",
            "mode": "mirror",
            "match_on": {"email": "email"},
            "fields": {"a.b": "lower(email)", "c": {"value": {"x": [1]}}, "d": {"sql": "a", "nulls": "omit"}},
            "on_removed": "clear",
            "nulls": "send",
            "deadband": {"d": 0.5},
            "guards": {"min_rows": 1, "max_removed": "5%", "max_changed": 7, "max_invalid": "0.1%"},
            "schedule": {"every": "15m"},
            "retry_rejected": "never",
            "backfill": False,
            "enabled": True,
        },
        {
            "model": {"table": "shop.t", "primary_key": ["id"]},
            "destination": "base_hook",
            "mode": "append",
            "fields": {"a": "b"},
        },
        {
            "model": {"sql": "select 1 as id", "primary_key": "id"},
            "destination": "base_hook",
            "mode": "upsert",
            "fields": {"a": "b"},
        },
    ],
}
_BASE = {
    "headrace.yml": {},
    "models/base.yml": {"sql": "select 1 as id", "primary_key": "id"},
    "features/base.yml": {"entity": "e", "key": "id", "sql": "select 1 as id where now() < :as_of"},
    "destinations/base_hook.yml": {"type": "webhook", "url": "http://127.0.0.1"},
    "syncs/base_sync.yml": {
        "model": "base",
        "destination": "base_hook",
        "mode": "upsert",
        "fields": {"a": "b"},
    },
}
_CASES = [(file, number) for file, examples in _EXAMPLES.items() for number in range(len(examples))]

_KEYS = ["type", "sql", "value", "every"]
_ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([2**70, -1, 0, 10**300])
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from(
        ["", " ", "\x00", "x" * 5_000, "'; drop table t; --", "${env:}", "${", "(" * 400, "../../etc/passwd",
         "5%", "15m", "\u202e", "💧", "\ud7ff", "a.b", "*", "1) or (1=1"]
    ),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.text(max_size=8) | st.sampled_from(_KEYS), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


def _paths(data: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    if isinstance(data, dict | list):
        for key, value in data.items() if isinstance(data, dict) else enumerate(data):
            yield from _paths(value, (*path, key))


def _changed(data: Any, path: tuple[Any, ...], value: Any, renamed: str | None) -> Any:
    if not path:
        return value
    data = copy.deepcopy(data)
    inner = data
    for part in path[:-1]:
        inner = inner[part]
    if renamed is not None and isinstance(inner, dict):
        inner[renamed] = inner.pop(path[-1])
    else:
        inner[path[-1]] = value
    return data


def _load(file: str, content: Any) -> Project:
    with tempfile.TemporaryDirectory() as folder:
        for name, data in {**_BASE, file: content}.items():
            path = Path(folder) / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(json.dumps(data))  # JSON is YAML
        return load_project(Path(folder))


@pytest.mark.parametrize(("file", "number"), _CASES)
def test_the_examples_are_right(file: str, number: int) -> None:
    """What the fuzzing starts from loads and checks without a problem."""
    assert check_project(_load(file, _EXAMPLES[file][number])) == []


@pytest.mark.parametrize(("file", "number"), _CASES)
@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_anything_in_any_field_is_taken_or_refused_with_its_place(
    file: str, number: int, data: st.DataObject
) -> None:
    """A wrong type, a huge value, odd text or nesting never ends in another error than ConfigError."""
    example = _EXAMPLES[file][number]
    path = data.draw(st.sampled_from(list(_paths(example))))
    renamed = data.draw(st.none() | st.text(max_size=10))
    content = _changed(example, path, data.draw(_ANYTHING), renamed)
    try:
        project = _load(file, content)
        problems = check_project(project)
    except ConfigError as error:
        problems = list(error.problems)
        assert problems
    for problem in problems:
        assert problem.message
        assert problem.file is not None
        assert problem.line is not None
        assert (
            problem.key or path == () or len(path) == 1 or problem.file != file or "YAML" in problem.message
        )
        assert len(str(problem)) < 2_000
