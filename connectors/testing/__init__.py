"""For tests of connectors and of projects: a conformance suite, a destination in memory, a small HTTP server.

Only tests import this: it needs pytest.
"""

import pytest

# The suite's asserts are to tell values, as those of a test file do: pytest must know before it is imported.
pytest.register_assert_rewrite("connectors.testing.suite", "connectors.testing.hooks")

from connectors.testing.recorder import Recorder, RecorderSettings, RecorderStore  # noqa: E402  pytest is told first
from connectors.testing.sink import Received, Reply, Sink, serve  # noqa: E402  pytest is told first
from connectors.testing.suite import DestinationSuite  # noqa: E402  pytest is told first

__all__ = [
    "DestinationSuite",
    "Received",
    "Recorder",
    "RecorderSettings",
    "RecorderStore",
    "Reply",
    "Sink",
    "serve",
]
