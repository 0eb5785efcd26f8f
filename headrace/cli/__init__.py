"""The command line. Commands import what they need when they run, so that `--help` is quick."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType
from typing import Any

import typer
from typer.exceptions import Exit, TyperException

from headrace.cli.lazy import Lazy
from headrace.cli.options import RootProjectOption

__all__ = ["app", "run"]

app = typer.Typer(
    name="headrace",
    cls=Lazy,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


@app.callback()
def _root(project: RootProjectOption = None) -> None:
    """Events and tables become traits and predictions, and reach the tools where people work."""
    del project  # read from the context by each command's own option


def run(arguments: list[str]) -> int:
    """Run one command line; the exit code. All that can go wrong is told here, in words."""
    as_json = "--json" in arguments
    signal.signal(signal.SIGTERM, _stop)
    command = typer.main.get_command(app)
    context: Any = None
    try:
        with command.make_context("headrace", arguments) as context:
            from headrace.logs import configure_logs

            configure_logs()
            code = command.invoke(context)
            sys.stdout.flush()
            return int(code or 0)
    except Exit as end:
        return end.exit_code
    except BrokenPipeError:
        # Who read our output has gone. Python would complain once more when it closes stdout at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except BaseException as error:  # noqa: BLE001 - all ends in words and an exit code
        return _told(error, context, as_json=as_json)


def _told(error: BaseException, context: Any, *, as_json: bool) -> int:
    from connectors.errors import HubError
    from headrace.cli import failures

    if isinstance(error, TyperException):
        where, message = getattr(error, "ctx", None), error.format_message()
        is_help = message.startswith("Usage: ")  # a group without a command
        usage = where.get_usage() if where and not is_help else ""
        return failures.tell_usage(message, usage, as_json=as_json)
    if isinstance(error, HubError):
        return failures.tell_error(error, as_json=as_json)
    if isinstance(error, KeyboardInterrupt | typer.Abort):
        return failures.tell_stop(as_json=as_json)
    return failures.tell_crash(error, context.obj if context else None, as_json=as_json)


def _stop(_number: int, _frame: FrameType | None) -> None:
    """SIGTERM is Ctrl-C from another process; a delivery hears it by itself."""
    raise KeyboardInterrupt
