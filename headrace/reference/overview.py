"""docs/reference.md: what scripts hold on to, and where the rest is."""

from __future__ import annotations

import inspect

__all__ = ["overview_page"]

_EXIT_CODES = {
    0: "done",
    1: "failed, or stopped before its end",
    2: "configuration or usage",
    3: "done, with rows that were rejected, kept back or invalid",
    4: "held by a guard",
    5: "already running in another process",
}
_VARIABLES = {
    "HEADRACE_PROJECT": "the project's folder, where `--project` is not given",
    "HEADRACE_LOG": "`json` writes log lines as JSON",
    "HEADRACE_LOG_LEVEL": "the least level of headrace's own log lines; INFO by default",
    "HEADRACE_WAREHOUSE_WAIT_SECONDS": "seconds to wait while another process holds a DuckDB file; 120",
}


def overview_page() -> str:
    """Exit codes, variables, the result of a run, errors, and links to the other pages."""
    from connectors import errors
    from connectors.registry import BUILT_IN
    from syncs.result import Result

    example = Result("20260102T030405-ABCDEF", "churn_to_crm").to_json()
    drawing = inspect.cleandoc(errors.__doc__ or "").partition("\n\n")[2]
    lines = [
        "# Reference",
        "",
        "- [The command line](cli.md): every command's `--help`",
        "- [Declarations](declarations.md): every key of every file",
        *(f"- [{name}](connectors/{name}.md): a connector" for name in sorted(BUILT_IN)),
        "- [A connector without Python](connectors/declared.md)",
        "",
        "## Exit codes",
        "",
        *(f"- `{code}` {words}" for code, words in _EXIT_CODES.items()),
        "",
        "## Environment variables",
        "",
        *(f"- `{name}`: {words}" for name, words in _VARIABLES.items()),
        "",
        "## `--json`",
        "",
        "Each command prints one JSON document on stdout and nothing else there. A failing command prints",
        '`{"error": {"kind", "message", "problems": [{"file", "line", "column", "key", "message"}]}}`.',
        "A run of a sync prints:",
        "",
        *(f"- `{name}`" for name in example),
        "",
        inspect.cleandoc(Result.__doc__ or "").partition("\n\n")[2].strip(),
        "",
        "## Errors",
        "",
        "```text",
        drawing,
        "```",
        "",
    ]
    return "\n".join(lines)
