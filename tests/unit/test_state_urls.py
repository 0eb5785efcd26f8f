"""What `open_state` says to URLs and files that cannot hold a state."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.errors import ConfigError, StateError
from models.state import open_state


def test_file_and_folder_are_the_owners_alone(tmp_path: Path) -> None:
    """A new state is readable by its owner only, and so is the folder made for it."""
    with open_state("sqlite:///.headrace/state.db", tmp_path) as state:
        state.engine.connect().close()
        folder = tmp_path / ".headrace"
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in [folder, *folder.iterdir()]}
    assert modes[".headrace"] == 0o700
    assert modes["state.db"] == 0o600
    assert set(modes.values()) == {0o600, 0o700}


def test_sqlite_is_durable(tmp_path: Path) -> None:
    """The file is in WAL mode, and every connection syncs fully and enforces foreign keys."""
    with open_state(f"sqlite:///{tmp_path}/state.db") as state, state.read() as connection:
        pragmas = [
            connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        ]
    assert pragmas == ["wal", 2, 1, 30_000]


@pytest.mark.parametrize(
    "url",
    [
        "",
        "state.db",
        "mysql://root@127.0.0.1/test",
        "duckdb:///x.duckdb",
        "nosuch+driver://x",
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite:///file:x?uri=true",
        "sqlite:///state.db?timeout=soon",
        "postgresql://user:pa55word@host:port/x",
    ],
)
def test_urls_that_are_no_state(url: str, tmp_path: Path) -> None:
    """A URL that cannot hold a state is a configuration error that says what to write."""
    with pytest.raises(ConfigError, match="state: ") as caught:
        open_state(url, tmp_path)
    assert "pa55word" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@settings(max_examples=100)
@given(st.one_of(st.text(), st.text().map("nosuch://{}".format), st.text().map("postgres://u:p@{}".format)))
def test_any_text_is_answered_clearly(url: str) -> None:
    """No text makes the opening of a state fail in another way than by a clear error."""
    if url.startswith(("sqlite", "postgresql")):
        return
    with pytest.raises(ConfigError):
        open_state(url)


def test_damaged_files(tmp_path: Path) -> None:
    """What is no database, or a damaged one, is told by the state's URL and the database's words."""
    (tmp_path / "noise.db").write_bytes(b"these bytes are no database at all, whatever their name says" * 99)
    with open_state(f"sqlite:///{tmp_path}/torn.db"):
        pass
    torn = (tmp_path / "torn.db").read_bytes()
    (tmp_path / "torn.db").write_bytes(torn[:4096] + b"\xff" * 8192 + torn[12288:])
    (tmp_path / "folder.db").mkdir()
    for name in ("noise.db", "torn.db", "folder.db", "noise.db/under.db"):
        with pytest.raises(StateError, match=f"the state sqlite:///.*{name}"):
            open_state(f"sqlite:///{name}", tmp_path)


def test_a_folder_that_cannot_be_made() -> None:
    """A path where nothing can be written is told with the system's words."""
    with pytest.raises(StateError, match=r"the state sqlite:////proc/nowhere/state\.db cannot be opened"):
        open_state("sqlite:////proc/nowhere/state.db")


def test_a_server_that_does_not_answer() -> None:
    """A refused connection names the state without its password or options."""
    with pytest.raises(StateError, match=r"postgresql\+psycopg://me:\*\*\*@127\.0\.0\.1:1/x fails") as caught:
        open_state("postgresql://me:hunter22@127.0.0.1:1/x?application_name=secret99")
    assert "hunter22" not in str(caught.value)
    assert "secret99" not in str(caught.value)


def test_missing_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without PostgreSQL's driver the error says what to install."""
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(ConfigError, match=r"pip install headrace\[postgres\]"):
        open_state("postgresql://me@127.0.0.1/x")


def test_opening_a_current_state_imports_little(tmp_path: Path) -> None:
    """Neither alembic, nor the ORM, nor another database's dialect is imported to open a current SQLite."""
    url = f"sqlite:///{tmp_path}/state.db"
    open_state(url).close()
    program = (
        "import sys, syncs.journal, syncs.lease, models.state.runs, models.state as s\n"
        f"s.open_state({url!r}).close()\n"
        "heavy = ('alembic', 'sqlalchemy.orm', 'sqlalchemy.dialects.postgresql', 'psycopg', 'pydantic')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    answer = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert answer.stdout.strip() == "[]"
