"""`python -m benchmarks [PART…] [--markdown]`: every part but the peers, or those that are named."""

from __future__ import annotations

import argparse
from importlib import import_module

from rich.console import Console

from benchmarks.report import Report

PARTS = ("startup", "plan", "settle", "delivery", "memory")


def main() -> None:
    """Run parts one after another and show what each found."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("parts", nargs="*", help=f"some of: {', '.join(PARTS)}, peers; all but peers")
    parser.add_argument("--markdown", action="store_true", help="print as in BENCHMARKS.md")
    wanted = parser.parse_args()
    console = Console(width=120)
    for part in wanted.parts or PARTS:
        if part not in (*PARTS, "peers"):
            parser.error(f"there is no part {part!r}")
        report: Report = import_module(f"benchmarks.{part}").run()
        if wanted.markdown:
            print(report.markdown(), flush=True)
        else:
            report.show(console)


if __name__ == "__main__":
    main()
