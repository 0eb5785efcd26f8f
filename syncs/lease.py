"""Leases: one holder of a name at a time, over all processes and hosts that share a state.

A holder renews its lease by a heartbeat. A lease that ran out is lost for good, also where nobody took it:
the process was away for longer than it had promised. Each acquisition takes the next token, and who writes
under a lease proves the token in the same transaction (`Lease.prove`), so that a process that slept through
the end of its lease writes nothing.
"""

from __future__ import annotations

import datetime as dt
import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, bindparam, select, text, update
from sqlalchemy.engine import RowMapping

from connectors.errors import AlreadyRunning, LeaseLost, StateError
from models.state import State
from models.state.tables import UtcDateTime, leases
from syncs.process import has_ended, this_process

__all__ = ["Lease", "hold"]

_LOG = logging.getLogger(__name__)

_POLL_SECONDS = 0.2

_MAKE = text(
    "INSERT INTO headrace_leases (name, token, acquired_at, expires_at, heartbeat_at, doing) "
    "VALUES (:name, 0, :now, :now, :now, '') ON CONFLICT (name) DO NOTHING"
).bindparams(bindparam("now", type_=UtcDateTime()))
"""The one statement that SQLAlchemy spells per dialect only, at the price of importing both dialects."""


class Lease:
    """A lease that this process holds. `token` grows by one with every acquisition of the name, for ever."""

    def __init__(self, state: State, name: str, holder: str, token: int, ttl_seconds: float) -> None:
        self.name = name
        self.token = token
        self.ttl_seconds = ttl_seconds
        self._state = state
        self._holder = holder

    def check(self) -> None:
        """Make sure that the lease is still ours and has not run out.

        Raises:
            LeaseLost: it is not, or it has.
            StateError: the state cannot be asked.
        """
        with self._state.read() as connection:
            now = self._state.now(connection)
            expires_at = connection.scalar(select(leases.c.expires_at).where(*self._ours()))
        if expires_at is None or expires_at <= now:
            raise self._lost()

    def prove(self, connection: Connection) -> None:
        """Renew the lease in the caller's transaction, which then commits only where the lease is ours.

        Nobody can take the lease between this call and the commit.

        Raises:
            LeaseLost: somebody took it, or it ran out.
        """
        now = self._state.now(connection)
        expires_at = now + dt.timedelta(seconds=self.ttl_seconds)
        renewal = update(leases).where(*self._ours(), leases.c.expires_at > now)
        if not connection.execute(renewal.values(expires_at=expires_at, heartbeat_at=now)).rowcount:
            raise self._lost()

    def tell(self, doing: str) -> None:
        """Change what others are told that the holder is doing."""
        with self._state.write() as connection:
            connection.execute(update(leases).where(*self._ours()).values(doing=doing))

    def renew(self) -> None:
        """Renew the lease now; the heartbeat does it by itself.

        Raises:
            LeaseLost: somebody took it, or it ran out.
            StateError: the state cannot be asked.
        """
        with self._state.write() as connection:
            self.prove(connection)

    def release(self) -> None:
        """End the lease where it is still ours."""
        with self._state.write() as connection:
            now = self._state.now(connection)
            connection.execute(update(leases).where(*self._ours()).values(holder=None, expires_at=now))

    def _ours(self) -> tuple[Any, ...]:
        return leases.c.name == self.name, leases.c.token == self.token, leases.c.holder == self._holder

    def _lost(self) -> LeaseLost:
        return LeaseLost(
            f"{self.name}: this process was away for more than {self.ttl_seconds:g} s and lost its lease; "
            "it stops, and the next run goes on where it was"
        )


@contextmanager
def hold(
    state: State,
    name: str,
    doing: str = "running",
    ttl_seconds: float = 30.0,
    wait_seconds: float = 0.0,
) -> Iterator[Lease]:
    """Hold a name's lease, renewed by a thread, and release it at the end.

    A holder that died on this host is known to be dead and its lease is taken at once (see `syncs.process`);
    one that died elsewhere loses it `ttl_seconds` after its last heartbeat.

    Args:
        state: where leases are kept.
        name: what is to be held, such as `sync:churn`.
        doing: told to others who want it meanwhile.
        ttl_seconds: how long the lease outlives the last heartbeat.
        wait_seconds: how long to wait for another holder.

    Raises:
        AlreadyRunning: somebody else holds it, and did so for `wait_seconds`.
        StateError: the state cannot be asked.
    """
    lease = _acquire(state, name, doing, ttl_seconds, wait_seconds)
    ended = threading.Event()
    heartbeat = threading.Thread(target=_beat, args=(lease, ended), name=f"lease {name}", daemon=True)
    heartbeat.start()
    try:
        yield lease
    finally:
        ended.set()
        heartbeat.join()
        _release(lease)


def _release(lease: Lease) -> None:
    try:
        lease.release()
    except StateError as error:
        # What was done under the lease is done; the lease ends by itself.
        _LOG.warning("%s: the lease ends in %g s by itself: %s", lease.name, lease.ttl_seconds, error)


def _acquire(state: State, name: str, doing: str, ttl_seconds: float, wait_seconds: float) -> Lease:
    deadline = time.monotonic() + wait_seconds
    while True:
        try:
            return _try(state, name, doing, ttl_seconds)
        except AlreadyRunning:
            left = deadline - time.monotonic()
            if left <= 0:
                raise
            time.sleep(min(_POLL_SECONDS, left))


def _try(state: State, name: str, doing: str, ttl_seconds: float) -> Lease:
    holder = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
    with state.write() as connection:
        row = _locked(connection, name, state.now(connection))
        now = state.now(connection)
        if row["holder"] is not None and row["expires_at"] > now and not has_ended(row["process"]):
            raise _already(name, row)
        taken = {
            "holder": holder,
            "process": this_process(),
            "token": row["token"] + 1,
            "acquired_at": now,
            "heartbeat_at": now,
            "expires_at": now + dt.timedelta(seconds=ttl_seconds),
            "doing": doing,
        }
        connection.execute(update(leases).where(leases.c.name == name).values(taken))
    return Lease(state, name, holder, row["token"] + 1, ttl_seconds)


def _locked(connection: Connection, name: str, now: dt.datetime) -> RowMapping:
    connection.execute(_MAKE, {"name": name, "now": now})
    query = select(leases).where(leases.c.name == name).with_for_update()
    return connection.execute(query).mappings().one()


def _already(name: str, row: RowMapping) -> AlreadyRunning:
    host, pid, _ = row["holder"].rsplit(":", 2)
    return AlreadyRunning(
        f"{name} is held by process {pid} on {host} since {row['acquired_at']:%Y-%m-%d %H:%M:%S} UTC "
        f"({row['doing']}); wait for it, or stop it"
    )


def _beat(lease: Lease, ended: threading.Event) -> None:
    while not ended.wait(lease.ttl_seconds / 3):
        try:
            lease.renew()
        except LeaseLost:
            _LOG.warning("%s: the lease is lost", lease.name)
            return
        except StateError as error:
            _LOG.warning("%s: the lease could not be renewed, trying again: %s", lease.name, error)
