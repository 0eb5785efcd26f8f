"""Where the program starts: `headrace` and `python -m headrace`."""

from __future__ import annotations

import atexit
import gc
import os
import sys
from contextlib import suppress
from typing import NoReturn

__all__ = ["main"]

_ALLOCATIONS_BETWEEN_COLLECTIONS = 50_000


def main() -> NoReturn:
    """Run the command that the arguments name, and end the process with its exit code."""
    # Nearly all that a short command allocates is modules and models that live until it ends. With Python's
    # default of 700 the collector goes over them hundreds of times and finds nothing.
    gc.set_threshold(_ALLOCATIONS_BETWEEN_COLLECTIONS, 20, 100)
    # Looking for pydantic's plugins reads the metadata of every installed package.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    from headrace.cli import run

    _leave(run(sys.argv[1:]))


def _leave(code: int) -> NoReturn:
    """End the process without taking a thousand modules apart first, which takes a tenth of a second.

    Every file, connection and thread of a command is closed by the command itself, before it returns.
    """
    atexit._run_exitfuncs()  # noqa: SLF001 - what libraries have asked for still happens
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # nobody listens any more
            stream.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
