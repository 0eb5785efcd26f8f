"""docs/cli.md and the README's list of commands."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

__all__ = ["command_list", "help_pages"]

_WIDTH = 100


def help_pages() -> str:
    """Every command's `--help`."""
    lines = ["# The command line", ""]
    for path, command, context in _commands():
        text = command.get_help(context)
        title = f"{'#' * min(len(path) + 1, 3)} {' '.join(path)}"
        lines += [title, "", "```text", text.rstrip(), "```", ""]
    return "\n".join(lines)


def command_list() -> str:
    """One line a command."""
    entries = [
        (context.command_path.removeprefix("headrace "), _usage(command, context), _first_line(command))
        for path, command, context in _commands()
        if len(path) > 1 and not hasattr(command, "commands")
    ]
    shown = [(f"headrace {path} {usage}".rstrip(), words) for path, usage, words in entries]
    width = max(len(command) for command, _ in shown)
    return "\n".join(
        ["```text", *(f"{command.ljust(width)}  {words}" for command, words in shown), "```", ""]
    )


def _commands() -> Iterator[tuple[tuple[str, ...], Any, Any]]:
    """Each command that is not hidden, with its path and a context of fixed width."""
    import typer

    from headrace.cli import app

    yield from _walk((), "headrace", typer.main.get_command(app), None)


def _walk(
    before: tuple[str, ...], name: str, command: Any, parent: Any
) -> Iterator[tuple[tuple[str, ...], Any, Any]]:
    context = command.make_context(
        name,
        [],
        parent=parent,
        resilient_parsing=True,
        terminal_width=_WIDTH,
        max_content_width=_WIDTH,
        color=False,
    )
    path = (*before, name)
    yield path, command, context
    for inner in command.list_commands(context) if hasattr(command, "list_commands") else ():
        found = command.get_command(context, inner)
        if not found.hidden:
            yield from _walk(path, inner, found, context)


def _usage(command: Any, context: Any) -> str:
    pieces = (piece for piece in command.collect_usage_pieces(context) if piece != "[OPTIONS]")
    return " ".join(pieces).replace("{", "").replace("}", "")


def _first_line(command: Any) -> str:
    return str((command.help or "").partition("\n")[0])
