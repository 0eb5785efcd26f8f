"""Where the program starts: `headrace` and `python -m headrace`."""

from __future__ import annotations

import gc
import sys

__all__ = ["main"]

_ALLOCATIONS_BETWEEN_COLLECTIONS = 50_000


def main() -> int:
    """Run the command that the arguments name; the exit code."""
    # Nearly all that a short command allocates is modules and models that live until it ends. With Python's
    # default of 700 the collector goes over them hundreds of times and finds nothing.
    gc.set_threshold(_ALLOCATIONS_BETWEEN_COLLECTIONS, 20, 100)
    from headrace.cli import run

    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
