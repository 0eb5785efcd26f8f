"""`headrace docs`: writes the parts of the documentation that are generated, or tells which are stale."""


# ruff: noqa: FBT002  an option of the command line is a parameter with a default

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from headrace.cli.options import JsonOption, ProjectOption
from headrace.cli.output import show

__all__ = ["docs"]


def docs(
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit 1 and name the files that are stale.")
    ] = False,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> int:
    """Write the generated parts of the documentation.

    They are pages under docs/ and a part of README.md, of the checkout in the current folder.
    """
    from headrace.reference import pages

    del project  # every command takes it
    stale = []
    for path, text in sorted(pages(Path()).items()):
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            continue
        stale.append(str(path))
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    words = "\n".join(f"{'stale' if check else 'written'}: {name}" for name in stale)
    show({"stale" if check else "written": stale}, lambda: words, as_json=as_json)
    if stale and check:
        sys.stderr.write("run `headrace docs` and commit what it writes\n")
    return 1 if stale and check else 0
