"""Names a process so that its death can be told with certainty by others on the same host."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

__all__ = ["has_ended", "this_process"]


def this_process() -> str:
    """This process's name, `world pid start`; empty where the system does not tell (no Linux `/proc`)."""
    world, start = _world(), _start(os.getpid())
    return f"{world} {os.getpid()} {start}" if world and start else ""


def has_ended(process: str | None) -> bool:
    """Whether a process named by `this_process` is certainly dead.

    It is where it ran since the same boot of the same kernel and in our own PID namespace, and its number is
    free, a zombie's, or belongs to a process that started at another time (a number used again). Such a
    process writes nothing more; what it left on its way is fenced by the lease's token. Of a process of
    another host, boot or container nothing is certain, so the answer is no.
    """
    world, _, rest = (process or "").partition(" ")
    pid, _, start = rest.partition(" ")
    if not start or world != _world():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:  # it lives, under another user
        pass
    found = _start(int(pid))
    return found is not None and found != start


@cache
def _world() -> str:
    # Kernel boot, and the namespaces in which PIDs and start times mean what they mean to us.
    proc = Path("/proc")
    try:
        boot = (proc / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot}/{(proc / 'self/ns/pid').readlink()}/{(proc / 'self/ns/time').readlink()}"
    except OSError:
        return ""


def _start(pid: int) -> str | None:
    # Field 22 of /proc/PID/stat (proc_pid_stat(5)): start time in clock ticks since boot; field 3: state.
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    return "dead" if fields[0] in {"Z", "X"} else fields[19]
