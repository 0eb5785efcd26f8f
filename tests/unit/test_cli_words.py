"""What the command line says: tables, run summaries, and the worst of several ends."""

from __future__ import annotations

import logging

import pytest

from connectors.operation import Kind
from connectors.redaction import redactor
from headrace.cli.lazy import COMMANDS
from headrace.cli.output import table
from headrace.cli.sync_words import result
from headrace.graph import Step, exit_code
from headrace.logs import configure_logs
from headrace.schema_keys import keys_of
from syncs.result import Result


def test_a_table_is_aligned_with_numbers_to_the_right() -> None:
    """Columns are as wide as their longest value; a column of numbers ends where its head ends."""
    assert table(("name", "rows"), [("a", 1), ("longer", 12_000)]) == (
        "name      rows\na            1\nlonger  12,000"
    )


def test_a_cell_stays_on_its_line() -> None:
    """A value with line breaks cannot break the table, and None is nothing."""
    assert table(("a", "b"), [("x\ny", None)]) == "a    b\nx y"


def test_a_held_run_says_by_how_much_and_what_to_type() -> None:
    """The summary of a held run names its guards, and the commands that go on."""
    held = Result(
        "R1", "churn", "held", held_by=["max_removed: 8 of 10 delivered rows (80.0%), 50% are allowed"]
    )
    held.planned[Kind.REMOVE] = held.pending = 8
    words = result(held)
    assert "max_removed: 8 of 10" in words
    assert "headrace sync approve R1" in words
    assert "headrace sync cancel R1" in words


def test_an_interrupted_run_says_what_is_pending() -> None:
    """The summary of a stopped run counts what was not sent and says how to go on."""
    stopped = Result("R1", "churn", "interrupted", pending=40, error="stopped by a signal")
    stopped.planned[Kind.ADD] = 100
    stopped.delivered[Kind.ADD] = 60
    words = result(stopped)
    assert "40 rows pending" in words
    assert "headrace sync run churn" in words


@pytest.mark.parametrize(
    ("statuses", "code"),
    [
        (("done", "done"), 0),
        (("rejected", "done"), 3),
        (("rejected", "held"), 4),
        (("held", "failed", "rejected", "skipped"), 1),
        ((), 0),
    ],
)
def test_the_worst_end_is_the_exit_code(statuses: tuple[str, ...], code: int) -> None:
    """Failed is worse than held, held than rejected, rejected than done."""
    steps = [Step(f"syncs/s{number}", status) for number, status in enumerate(statuses)]  # type: ignore[arg-type]  # pytest gives texts
    assert exit_code(steps) == code


def test_nested_keys_are_spelled_as_one_writes_them() -> None:
    """A key of a mapping's values stands below NAME, one of a list's items below []."""
    schema = {
        "required": ["tables"],
        "properties": {
            "tables": {"type": "object", "additionalProperties": {"$ref": "#/$defs/T"}},
            "steps": {"type": "array", "items": {"$ref": "#/$defs/T"}},
            "when": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None},
        },
        "$defs": {"T": {"type": "object", "properties": {"key": {"type": "integer", "default": 1}}}},
    }
    assert [(key["name"], key["type"], key["required"]) for key in keys_of(schema)] == [
        ("tables", "mapping", True),
        ("tables.NAME.key", "integer", False),
        ("steps", "list of mapping", False),
        ("steps[].key", "integer", False),
        ("when", "text", False),
    ]


def test_every_command_is_where_the_table_says() -> None:
    """Each name leads to a function or a group of commands that tells what it does."""
    from typer.main import get_command

    from headrace.cli import app

    root = get_command(app)
    for name in COMMANDS:
        found = root.get_command(None, name)  # type: ignore[attr-defined]  # our group takes any context
        assert found.help
    assert root.get_command(None, "frobnicate") is None  # type: ignore[attr-defined]  # as above


def test_log_lines_hold_no_secret(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A secret in a log record, in its arguments or its exception, is masked on stderr."""
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    redactor.register("unit-secret-1")
    try:
        configure_logs()
        log = logging.getLogger("headrace.test")
        log.info("the token is %s", "unit-secret-1")
        try:
            int("unit-secret-1")
        except ValueError:
            log.exception("it broke")
    finally:
        logging.captureWarnings(capture=False)
    err = capsys.readouterr().err
    assert "the token is ***" in err
    assert "unit-secret-1" not in err
