"""Local stand-ins of APIs, with faults on demand: to learn with, to demonstrate with, to test against."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING

from connectors.errors import ConfigError

if TYPE_CHECKING:
    from connectors.sandboxes.server import Sandbox

__all__ = ["SANDBOX_TYPES", "serve"]

SANDBOX_TYPES = ("crm",)
"""The APIs that have a stand-in."""


def serve(
    sandbox_type: str,
    port: int,
    *,
    seed: int = 0,
    faults: str = "",
    token: str | None = None,
    on_ready: Callable[[Sandbox], None] = lambda _: None,
) -> Sandbox:
    """Run a sandbox until Ctrl-C or SIGTERM, and give it back for a last look.

    Args:
        sandbox_type: one of `SANDBOX_TYPES`.
        port: where to listen on 127.0.0.1; 0 takes a free one.
        seed: the same seed brings the same faults in the same order.
        faults: `name:share,…`, see `connectors.sandboxes.faults`.
        token: the bearer token that is accepted; None accepts any.
        on_ready: called once when it listens.

    Raises:
        ConfigError: no such sandbox, faults that cannot be read, or a port that is taken.
    """
    from connectors.sandboxes.server import Sandbox

    if sandbox_type not in SANDBOX_TYPES:
        raise ConfigError(f"there is no sandbox of '{sandbox_type}'; there are: {', '.join(SANDBOX_TYPES)}")
    ended = threading.Event()

    def end(_signal: int, _frame: FrameType | None) -> None:
        ended.set()

    with Sandbox(port, seed=seed, faults=faults, token=token) as sandbox:
        before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            on_ready(sandbox)
            ended.wait()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
    return sandbox
