"""The state's schema on real databases: migrations, versions, values that come back as they went in."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import StatementError

from connectors.errors import StateError
from models.state import State, open_state, schema
from models.state.audit import Audit
from models.state.runs import Run, Runs
from models.state.tables import metadata

_ZONES = st.timezones() | st.sampled_from([dt.timezone(dt.timedelta(hours=h)) for h in (-12, 0, 14)])
_MOMENTS = st.datetimes(dt.datetime(1970, 1, 2), dt.datetime(2200, 1, 1), timezones=_ZONES)  # noqa: DTZ001 - the strategy adds the zone
_SHARED = settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def test_known_head_is_alembics(state: State) -> None:
    """The head that is known without alembic is the head that alembic finds."""
    config = Config()
    config.set_main_option("script_location", f"{schema.__file__.removesuffix('schema.py')}migrations")
    assert ScriptDirectory.from_config(config).get_current_head() == schema.HEAD


def test_migrations_make_the_declared_tables(state: State) -> None:
    """After the migrations nothing differs from the tables that the code declares."""
    options = {"version_table": schema.VERSION_TABLE, "compare_server_default": True}
    with state.read() as connection:
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, metadata) == []


def test_newer_schema_is_refused(state: State) -> None:
    """A state of a newer headrace is left alone, and the error says to upgrade."""
    url = state.engine.url.render_as_string(hide_password=False)
    with state.write() as connection:
        connection.execute(text(f"UPDATE {schema.VERSION_TABLE} SET version_num = '9999'"))
    with pytest.raises(StateError, match=r"schema 9999.*upgrade headrace"):
        open_state(url)


def test_processes_that_open_a_fresh_state_at_once(state_url: str) -> None:
    """Several processes that create the same state at the same moment all succeed."""
    program = (
        "import sys; from models.state import open_state; "
        f"sys.stdin.read(1); open_state({state_url!r}).close()"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(3)
    ]
    for process in processes:
        assert process.stdin
        process.stdin.write(b"!")
        process.stdin.flush()
    told = [process.communicate(timeout=60)[1].decode() for process in processes]
    assert told == ["", "", ""]
    assert [process.returncode for process in processes] == [0, 0, 0]


@_SHARED
@given(moment=_MOMENTS)
def test_moments_come_back_in_utc(state: State, moment: dt.datetime) -> None:
    """A moment of any zone comes back as the same moment, aware and in UTC."""
    run = Run(sync="s", started_at=moment)
    Runs(state).create(run)
    found = Runs(state).get(run.id)
    assert found is not None
    assert found.started_at == moment.astimezone(dt.UTC)
    assert found.started_at.tzinfo == dt.UTC


def test_moments_without_zone_are_refused(state: State) -> None:
    """A datetime without a zone is refused instead of being guessed about, and no value is told."""
    with pytest.raises(StatementError, match="without a time zone") as caught:
        Runs(state).create(Run(sync="Jane", started_at=dt.datetime(2026, 1, 1)))  # noqa: DTZ001 - the point of the test
    assert "Jane" not in str(caught.value)


@_SHARED
@given(words=st.text())
def test_any_words_are_stored(state: State, words: str) -> None:
    """Words from outside are stored whatever they hold, and JSON values unchanged."""
    Audit(state).record(words, "approve", "run", {"words": words})
    deed = Audit(state).history(limit=1)[0]
    assert deed.details == {"words": words}
    assert deed.actor == words.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()


def test_numbers_that_json_has_not(state: State) -> None:
    """NaN and infinities, at any depth, are stored as null."""
    run = Run(sync="s", counts={"auc": float("nan"), "deep": [{"x": float("inf")}, 1.5]})
    Runs(state).create(run)
    found = Runs(state).get(run.id)
    assert found is not None
    assert found.counts == {"auc": None, "deep": [{"x": None}, 1.5]}
