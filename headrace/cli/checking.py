"""`headrace check` and `doctor`: what is wrong, with the project and with the machine."""


# ruff: noqa: FBT002  an option of the command line is a parameter with a default

from __future__ import annotations

import sys
from typing import Annotated

import typer

from headrace.cli.options import JsonOption, ProjectOption
from headrace.cli.output import count, show, table

__all__ = ["check", "doctor"]


def check(
    offline: Annotated[
        bool, typer.Option("--offline", help="Connect to nothing: only what the files say.")
    ] = False,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> int:
    """Parse, resolve and connect; report everything wrong.

    Everything, not only the first. What needs tables that nobody ingested yet is left alone.
    """
    from dataclasses import asdict

    from headrace.check import check_project_folder
    from headrace.cli.failures import problem_json
    from headrace.workspace import project_folder

    report = check_project_folder(project_folder(project), offline=offline)
    document = {
        "ok": report.exit_code == 0,
        "checked": [asdict(checked) for checked in report.checked],
        "problems": [problem_json(problem) for problem in report.problems],
        "failures": report.failures,
    }
    rows = [(checked.what, checked.outcome, checked.words) for checked in report.checked]
    show(document, lambda: table(("what", "", ""), rows), as_json=as_json)
    wrong = [str(problem) for problem in report.problems] + report.failures
    if wrong and not as_json:
        from connectors.redaction import redactor

        told = "\n".join(["", *wrong, count(len(wrong), "problem")])
        sys.stderr.write(redactor.redact(told) + "\n")
    return report.exit_code


def doctor(project: ProjectOption = None, as_json: JsonOption = False) -> int:
    """Examine the installation, the project and the machine.

    Versions, extras, databases, permissions, disk space, and what is sent home: nothing.
    """
    from dataclasses import asdict

    from headrace.doctor import examine
    from headrace.workspace import project_folder

    findings = examine(project_folder(project))
    well = all(finding.ok for finding in findings)
    document = {"ok": well, "findings": [asdict(finding) for finding in findings]}
    rows = [(finding.topic, "ok" if finding.ok else "wrong", finding.words) for finding in findings]
    show(document, lambda: table(("what", "", ""), rows), as_json=as_json)
    return 0 if well else 1
