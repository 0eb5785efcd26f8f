"""What a part of the benchmarks found, for a terminal and for BENCHMARKS.md."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field

from rich.console import Console
from rich.table import Table

__all__ = ["Report", "goal", "seconds"]


@dataclass(slots=True)
class Report:
    """A table. The first column says what was measured; the notes say what a reader must know to judge it."""

    title: str
    columns: Sequence[str]
    rows: list[Sequence[str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, *cells: str) -> None:
        """One more row."""
        self.rows.append(cells)

    def show(self, console: Console) -> None:
        """Print it as a table."""
        table = Table(title=self.title, title_justify="left")
        for i, column in enumerate(self.columns):
            table.add_column(column, justify="right" if i else "left")
        for row in self.rows:
            table.add_row(*(_coloured(cell) for cell in row))
        console.print(table)
        for note in [*self.notes, _load()]:
            console.print(f"  {note}", style="dim", highlight=False)

    def markdown(self) -> str:
        """The same in Markdown."""
        lines = [f"| {' | '.join(self.columns)} |", f"| --- |{' ---: |' * (len(self.columns) - 1)}"]
        lines += [f"| {' | '.join(row)} |" for row in self.rows]
        notes = "".join(f"\n{note}\n" for note in self.notes)
        return f"### {self.title}\n\n" + "\n".join(lines) + f"\n{notes}"


def seconds(value: float) -> str:
    """Seconds, with as many digits as mean something."""
    return f"{value:.2f} s" if value >= 0.1 else f"{value * 1000:.0f} ms"


def goal(measured: float, bound: float, words: str, *, at_least: bool = False) -> str:
    """The goal, and whether it is met."""
    met = measured >= bound if at_least else measured <= bound
    return f"{words}: {'met' if met else 'missed'}"


def _coloured(cell: str) -> str:
    for ending, colour in ((": met", "green"), (": missed", "red")):
        if cell.endswith(ending):
            return f"[{colour}]{cell}[/]"
    return cell


def _load() -> str:
    one, five, _ = os.getloadavg()
    return f"load average {one:.1f} now, {five:.1f} over five minutes, {os.cpu_count()} cores"
