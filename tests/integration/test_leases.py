"""Leases between real processes that die, sleep and race, on every database that can hold a state."""

from __future__ import annotations

import datetime as dt
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, select, update

from connectors.errors import AlreadyRunning, LeaseLost, StateError
from models.state import State, open_state
from models.state.tables import leases
from syncs.lease import Lease, _try, hold
from syncs.process import has_ended, this_process

_HOLDER = """
import sys
from connectors.errors import LeaseLost
from models.state import open_state
from syncs.lease import hold

with open_state(sys.argv[1]) as state, hold(state, "sync:crm", "delivering", float(sys.argv[2])) as lease:
    print(lease.token, flush=True)
    for _ in sys.stdin:
        try:
            lease.check()
        except LeaseLost as error:
            print("lost", flush=True)
        else:
            print("ours", flush=True)
"""

_RACER = """
import os, sys
from models.state import open_state
from syncs.lease import hold

note = os.open(sys.argv[2], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
with open_state(sys.argv[1]) as state:
    for _ in range(4):
        with hold(state, "sync:crm", wait_seconds=60) as lease:
            lease.check()
            os.write(note, b"%d " % lease.token)
            lease.check()
            os.write(note, b"%d\\n" % lease.token)
"""

Start = Callable[..., "subprocess.Popen[str]"]


def _url(state: State) -> str:
    return state.engine.url.render_as_string(hide_password=False)


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts a program with arguments, its pipes open; ends it after the test."""
    with ExitStack() as stack:

        def _start(program: str, *arguments: object) -> subprocess.Popen[str]:
            process = subprocess.Popen(
                [sys.executable, "-c", program, *map(str, arguments)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            stack.enter_context(process)
            stack.callback(process.kill)
            return process

        yield _start


def _ask(process: subprocess.Popen[str]) -> str:
    assert process.stdin
    assert process.stdout
    process.stdin.write("?\n")
    process.stdin.flush()
    return process.stdout.readline().strip()


def _token(process: subprocess.Popen[str]) -> int:
    assert process.stdout
    return int(process.stdout.readline())


def test_one_holder_at_a_time(state: State) -> None:
    """A second holder is told who holds the lease, since when and why; other names are free."""
    with hold(state, "sync:crm", "planning") as lease:
        lease.check()
        lease.tell("settling")
        with pytest.raises(AlreadyRunning, match=r"sync:crm .* process \d+ on .* since \d{4}.*\(settling\)"):
            hold(state, "sync:crm").__enter__()
        with hold(state, "sync:ads") as other:
            other.check()
        lease.check()


def test_tokens_only_grow(state: State) -> None:
    """Each acquisition has the next token, also after releases, and a released lease is lost."""
    tokens = []
    for _ in range(3):
        with hold(state, "sync:crm") as lease:
            tokens.append(lease.token)
    assert tokens == [1, 2, 3]
    with pytest.raises(LeaseLost):
        lease.check()


def test_release_after_an_error(state: State) -> None:
    """A holder that fails frees its lease, and its own error is the one that is told."""
    with pytest.raises(ZeroDivisionError), hold(state, "sync:crm"):
        _ = 1 / 0
    with hold(state, "sync:crm") as lease:
        assert lease.token == 2


def test_the_heartbeat_keeps_a_lease(state: State) -> None:
    """A lease outlives its time for as long as its holder's heart beats."""
    with hold(state, "sync:crm", ttl_seconds=1.5) as lease:
        time.sleep(2.5)
        lease.check()
        with pytest.raises(AlreadyRunning):
            hold(state, "sync:crm").__enter__()


def test_a_killed_holder_is_replaced_at_once(state: State, start: Start) -> None:
    """A holder that was killed on this host loses its lease at once, reaped or not."""
    process = start(_HOLDER, _url(state), 600)
    token = _token(process)
    with pytest.raises(AlreadyRunning, match=f"process {process.pid} .*delivering"):
        hold(state, "sync:crm").__enter__()
    process.kill()
    with hold(state, "sync:crm", wait_seconds=10) as lease:
        assert lease.token == token + 1
    process.wait()


def test_a_holder_that_died_elsewhere_is_waited_for(state: State, start: Start) -> None:
    """Nothing is known of another host's process: its lease ends by time."""
    process = start(_HOLDER, _url(state), 3)
    token = _token(process)
    process.kill()
    process.wait()
    with state.write() as connection:
        connection.execute(update(leases).values(process="another/boot 1 1"))
    with pytest.raises(AlreadyRunning):
        hold(state, "sync:crm").__enter__()
    with hold(state, "sync:crm", wait_seconds=10) as lease:
        assert lease.token == token + 1


def test_a_paused_holder_notices(state: State, start: Start) -> None:
    """A process that slept through the end of its lease is told so, and the new holder is undisturbed."""
    process = start(_HOLDER, _url(state), 2)
    _token(process)
    assert _ask(process) == "ours"
    process.send_signal(signal.SIGSTOP)
    try:
        with hold(state, "sync:crm", wait_seconds=10) as lease:
            process.send_signal(signal.SIGCONT)
            assert _ask(process) == "lost"
            process.communicate(timeout=10)
            lease.check()
    finally:
        process.send_signal(signal.SIGCONT)


def test_processes_that_race(state: State, start: Start, tmp_path: Path) -> None:
    """Processes that take turns are never inside at the same time, and never share a token."""
    note = tmp_path / "note"
    racers = [start(_RACER, _url(state), note) for _ in range(3)]
    assert [racer.wait(120) for racer in racers] == [0, 0, 0]
    expected = "".join(f"{token} {token}\n" for token in range(1, 13))
    assert note.read_text() == expected


def test_a_lease_that_cannot_be_renewed_is_tried_again(
    state: State, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A heartbeat that fails says so and goes on: a state that is away for a moment costs no lease."""
    prove, failures = Lease.prove, iter([StateError("away")])

    def flaky(lease: Lease, connection: Connection) -> None:
        for failure in failures:
            raise failure
        prove(lease, connection)

    monkeypatch.setattr(Lease, "prove", flaky)
    with hold(state, "sync:crm", ttl_seconds=3) as lease:
        time.sleep(4)
        lease.check()
    assert "could not be renewed, trying again: away" in caplog.text


class _Clocked(State):
    """A state whose clock the test turns."""

    seconds = 0.0

    @staticmethod
    def now(connection: Connection) -> dt.datetime:  # noqa: ARG004 - as in `State`
        return dt.datetime(2026, 1, 1, tzinfo=dt.UTC) + dt.timedelta(seconds=_Clocked.seconds)


_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("advance"), st.integers(1, 12)),
        st.tuples(st.sampled_from(["acquire", "renew", "release"]), st.integers(0, 2)),
    ),
    max_size=25,
)


def _passes(lease: Lease) -> bool:
    try:
        lease.check()
    except LeaseLost:
        return False
    return True


def _step(state: State, held: list[Lease | None], action: str, who: int) -> None:
    lease = held[who]
    if action == "acquire":
        try:
            held[who] = _try(state, "sync:crm", "", ttl_seconds=10)
        except AlreadyRunning:
            return
    elif lease is not None and action == "release":
        lease.release()
    elif lease is not None and action == "renew":
        passed = _passes(lease)
        try:
            lease.renew()
        except LeaseLost:
            assert not passed
        else:
            assert passed


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=_STEPS)
def test_two_never_both_hold(state: State, steps: list[tuple[str, int]]) -> None:
    """Whatever is acquired, renewed, released and waited for: no two leases pass `check` at once."""
    clocked = _Clocked(state.engine)
    with state.write() as connection:
        connection.execute(leases.delete())
    held: list[Lease | None] = [None, None, None]
    handed_out: list[Lease] = []
    for action, number in steps:
        if action == "advance":
            _Clocked.seconds += number
            continue
        _step(clocked, held, action, number)
        handed_out += [lease for lease in held if lease is not None and lease not in handed_out]
        assert sum(map(_passes, handed_out)) <= 1
    tokens = [lease.token for lease in handed_out]
    assert tokens == list(range(1, len(tokens) + 1))


def test_who_has_ended() -> None:
    """Only a process that is certainly gone has ended: a used-again number has, an unknown world has not."""
    me = this_process()
    world, pid, start_ticks = me.split(" ")
    assert not has_ended(me)
    assert has_ended(f"{world} {pid} {int(start_ticks) - 1}")
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    child.wait()
    assert has_ended(f"{world} {child.pid} {start_ticks}")
    assert not has_ended(f"other{world} {child.pid} {start_ticks}")
    assert not has_ended("")
    assert not has_ended(None)


def test_the_row_is_kept(state_url: str) -> None:
    """A released lease keeps its row, so that its token is never given twice."""
    with open_state(state_url) as state:
        with hold(state, "sync:crm"):
            pass
        with state.read() as connection:
            rows = connection.execute(select(leases.c.name, leases.c.token, leases.c.holder)).all()
    assert rows == [("sync:crm", 1, None)]
