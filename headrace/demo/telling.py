"""The parts of the story that are tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from connectors.operation import Kind
from headrace.demo.day import ShopDay
from headrace.demo.ending import things_to_look_at, things_to_type

if TYPE_CHECKING:
    from headrace.demo.story import Story
    from syncs.result import Result

__all__ = ["tell_of_day", "tell_of_syncs"]


def tell_of_day(console: Console, day: ShopDay) -> None:
    """What people did in the shop."""
    console.print(
        f"  {day.day}: {day.new_customers} people signed up, {day.erased_customers} had themselves erased, "
        f"{day.changed_emails} changed their e-mail,\n  {day.withdrawn_consents} withdrew their consent; "
        f"{day.new_orders} orders, {day.returned_orders} came back, {day.events:,} clicks"
    )


def tell_of_syncs(console: Console, story: Story) -> None:
    """What each sync sent each time, what was not sent and why, and how to go on."""
    table = Table(title="What was sent", title_justify="left", caption_justify="left")
    table.add_column("sync", no_wrap=True)
    for title in ("first time", "a day later", "nothing changed", "refused", "invalid"):
        table.add_column(title, justify="right", no_wrap=True)
    for name, first in story.first.syncs.items():
        later, unchanged = story.later.syncs[name], story.unchanged.syncs[name]
        table.add_row(
            name,
            _sent(first),
            _sent(later),
            f"{unchanged.requests:,} requests",
            f"{max(later.rejected + later.kept_back, first.rejected):,}",
            f"{later.invalid:,}",
        )
    console.print()
    console.print(table)
    _tell_of_the_rest(console, story)
    _tell_how_to_go_on(console, story)


def _sent(result: Result) -> str:
    """Operations that were accepted, such as `+74 ~7,541 -10`."""
    signs = {Kind.ADD: "+", Kind.CHANGE: "~", Kind.REMOVE: "-"}
    parts = [f"{sign}{result.delivered[kind]:,}" for kind, sign in signs.items() if result.delivered[kind]]
    return " ".join(parts) or "nothing"


def _tell_of_the_rest(console: Console, story: Story) -> None:
    counts, requests = story.crm["counts"], story.crm["requests"]
    console.print(
        "[dim]+ added  ~ changed  - removed\n"
        "refused: the CRM takes no mistyped addresses, and says so row by row\n"
        "invalid: rows whose key, the address, stands for two accounts; neither is guessed at[/]",
        highlight=False,
    )
    failed = sum(requests["faults"].values())
    console.print(
        f"The CRM failed in {failed} of {requests['total']} requests, on purpose. It holds "
        f"{counts['contacts']:,} contacts and {counts['archived_contacts']:,} archived ones: "
        "what was accepted, each once."
    )


def _tell_how_to_go_on(console: Console, story: Story) -> None:
    console.rule("Look at")
    for words, where in things_to_look_at(story.folder).items():
        console.print(Text(f"  {words}:\n    {where}"), soft_wrap=True)
    console.rule("Type next")
    for line in things_to_type(story.folder):
        console.print(Text(f"  {line}"), soft_wrap=True)
    console.print(f"\nDone in {story.seconds:.0f} s.")
