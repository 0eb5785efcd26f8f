"""The demo's story: the whole chain on a generated shop, again a day later, and what was sent each time."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from connectors.sandboxes.page import html_page
from connectors.sandboxes.server import Sandbox
from headrace.demo.chain import Chain, Round
from headrace.demo.day import ShopDay, change_by_a_day
from headrace.demo.ending import things_to_look_at, things_to_type
from headrace.demo.shop import Clock, Shop, make_shop
from headrace.demo.workplace import prepare

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["Story", "tell"]

_FAULTS = "500:0.04,drop_after:0.04"
"""What the sandbox does wrong: some requests fail, some are done and their answer is lost."""


@dataclass(frozen=True, slots=True)
class Story:
    """What happened: first with everything new, then a day later, then with nothing changed."""

    folder: Path
    shop: Shop
    day: ShopDay
    first: Round
    later: Round
    unchanged: Round
    crm: dict[str, Any]
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """The document that `--json` prints."""
        rounds = {"first": self.first, "later": self.later, "unchanged": self.unchanged}
        return {
            "folder": str(self.folder),
            "seconds": round(self.seconds, 1),
            "shop": {
                "customers": self.shop.customers,
                "orders": self.shop.orders,
                "events": self.shop.events,
            },
            "day": {**asdict(self.day), "day": str(self.day.day)},
            "loaded": {name: each.loaded for name, each in rounds.items() if each.loaded},
            "traits": self.later.traits,
            "verdicts": self.first.verdicts,
            "syncs": {
                sync: {name: each.syncs[sync].to_json() for name, each in rounds.items()}
                for sync in self.first.syncs
            },
            "crm": self.crm["counts"],
            "look_at": things_to_look_at(self.folder),
            "type_next": things_to_type(self.folder),
        }


def tell(folder: Path, console: Console, *, customers: int = 50_000, seed: int = 7, port: int = 0) -> Story:
    """Run the demo in a folder and tell of it.

    Args:
        folder: where; the demo project is copied there if it is not there yet.
        console: where the story is told.
        customers: how many the shop has.
        seed: the shop is the same from the same seed.
        port: of the sandbox CRM on 127.0.0.1; 0 takes a free one.

    Raises:
        HubError: a step failed, or the folder holds something that no demo made.
    """
    from headrace.demo.telling import tell_of_day, tell_of_syncs

    began = time.monotonic()
    folder = folder.absolute()
    prepare(folder)
    token = secrets.token_urlsafe(16)
    with Sandbox(port, token=token, faults=_FAULTS, seed=seed) as sandbox, _environment(sandbox.url, token):
        console.rule("A shop, and a CRM")
        with _step(console, "generate the shop"):
            shop = make_shop(folder / ".headrace" / "shop", customers=customers, seed=seed)
        console.print(
            f"  {shop.customers:,} customers, {shop.orders:,} orders, {shop.events:,} clicks; "
            f"their last day is {shop.today}"
        )
        console.print(f"  A sandbox CRM that sometimes fails; look while this runs: {sandbox.page_url}")
        with _chain(folder, console) as chain:
            console.rule("The first time: everything is new")
            first = chain.go_round(_midnight(shop.folder), train=True)
            for name, verdict in first.verdicts.items():
                console.print(f"  {name}: {verdict}")
            console.rule("A day later: what changed, and nothing else")
            with _step(console, "change the shop by a day"):
                day = change_by_a_day(shop.folder)
            tell_of_day(console, day)
            later = chain.go_round(_midnight(shop.folder))
            console.rule("Once more, with nothing changed")
            unchanged = Round()
            chain.sync(unchanged)
        crm = sandbox.state()
    (folder / ".headrace" / "crm.html").write_text(html_page(crm), encoding="utf-8")
    story = Story(folder, shop, day, first, later, unchanged, crm, time.monotonic() - began)
    tell_of_syncs(console, story)
    return story


@contextmanager
def _chain(folder: Path, console: Console) -> Iterator[Chain]:
    from models.loading import load_project
    from models.state.database import open_state

    project = load_project(folder)
    with contextlib.closing(open_state(project.state_url)) as state:
        yield Chain(project, state, lambda words: _step(console, words))


def _midnight(shop: Path) -> dt.datetime:
    """The end of the shop's day: what the chain takes as now."""
    return dt.datetime.fromtimestamp(Clock.read(shop).midnight, dt.UTC)


@contextmanager
def _step(console: Console, words: str) -> Iterator[None]:
    """Tell of a step while it runs and how long it took."""
    began = time.monotonic()
    with console.status(words):
        yield
    console.print(f"  [green]✓[/] {words:<28}[dim]{time.monotonic() - began:6.1f} s[/]", highlight=False)


@contextmanager
def _environment(url: str, token: str) -> Iterator[None]:
    """What destinations/crm.yml asks of the environment, for as long as the sandbox runs."""
    ours = {"HEADRACE_DEMO_CRM_URL": url, "HEADRACE_DEMO_CRM_TOKEN": token}
    before = {name: os.environ.get(name) for name in ours}
    os.environ.update(ours)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value
