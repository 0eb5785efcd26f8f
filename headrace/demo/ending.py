"""What to look at when the demo is done, and what to type next."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path

__all__ = ["things_to_look_at", "things_to_type"]

_QUESTION = "select country, count(*), round(sum(spend)) from customers group by country order by 3 desc"
_PORT = 8787


def things_to_look_at(folder: Path) -> dict[str, str]:
    """What there is: a word for it, and its path or the command that shows it."""
    home = _near(folder / ".headrace")
    return {
        "the CRM's page, as it ended": f"{home}/crm.html",
        "the table of customers": f'sqlite3 {shlex.quote(f"{home}/mart.db")} "{_QUESTION}"',
        "the files for the mailing house": f"{home}/drop/daily_drop/",
        "the declarations": f"{_near(folder)}/syncs/at_risk_to_crm.yml",
    }


def things_to_type(folder: Path) -> list[str]:
    """Commands that go on from here, ready to be pasted into a shell."""
    command = "headrace" if shutil.which("headrace") else _near(Path(sys.executable).parent / "headrace")
    here = Path.cwd()
    project = "" if folder in {here, here / "sync_configs"} else f" --project {shlex.quote(_near(folder))}"
    return [
        f"{command} sandbox crm --port {_PORT} &",
        f"export HEADRACE_DEMO_CRM_URL=http://127.0.0.1:{_PORT} HEADRACE_DEMO_CRM_TOKEN=any",
        f"{command}{project} check",
        f"{command}{project} sync rejected at_risk_to_crm",
        f"{command}{project} sync explain customer_mart 42",
        f"{command}{project} sync resync at_risk_to_crm",
    ]


def _near(path: Path) -> str:
    """A path as it is shortest from here."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
