"""Renders what library code logs: for people, or as JSON lines with HEADRACE_LOG=json."""

from __future__ import annotations

import logging
import os
import sys
from functools import cached_property
from typing import Any

__all__ = ["configure_logs"]

_OURS = ("headrace", "syncs", "scoring", "models", "connectors")


def configure_logs() -> None:
    """Send every log record to stderr: our own from INFO on, others' from WARNING on.

    `HEADRACE_LOG_LEVEL` sets another level for our own.
    """
    logging.captureWarnings(capture=True)
    root = logging.getLogger()
    root.handlers[:] = [_StderrHandler()]
    root.setLevel(logging.WARNING)
    level = logging.getLevelNamesMapping().get(os.environ.get("HEADRACE_LOG_LEVEL", "").upper(), logging.INFO)
    for name in _OURS:
        logging.getLogger(name).setLevel(level)


class _StderrHandler(logging.Handler):
    """Writes records without secrets. structlog is imported by the first one, which most runs never have."""

    def emit(self, record: logging.LogRecord) -> None:
        from connectors.redaction import redactor

        try:
            # sys.stderr is looked up each time: a progress bar stands in for it while it is shown.
            sys.stderr.write(redactor.redact(self._rendering.format(record)) + "\n")
            sys.stderr.flush()
        except Exception:  # noqa: BLE001 - a log line that cannot be written ends nothing
            self.handleError(record)

    @cached_property
    def _rendering(self) -> logging.Formatter:
        import structlog

        shared: list[Any] = [
            structlog.stdlib.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
        ]
        if os.environ.get("HEADRACE_LOG") == "json":
            shared.append(structlog.stdlib.add_logger_name)
            last: list[Any] = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
        else:
            plain = structlog.dev.plain_traceback
            last = [
                structlog.dev.ConsoleRenderer(
                    colors=sys.stderr.isatty(), exception_formatter=plain, pad_event_to=0
                )
            ]
        return structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
