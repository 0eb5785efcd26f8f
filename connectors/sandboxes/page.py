"""A sandbox's state as a page for people."""

from __future__ import annotations

from html import escape
from typing import Any

__all__ = ["PAGE_HEADERS", "html_page"]

PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
_STYLE = """
:root { color-scheme: light dark;
        --line: light-dark(#d8dee4, #3d444d); --soft: light-dark(#59636e, #9198a1); }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem;
       background: light-dark(#fff, #0d1117); color: light-dark(#1f2328, #f0f6fc); }
h1 { font-size: 1.5rem; margin: 0; } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
p { color: var(--soft); margin: .25rem 0; }
dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(9rem, 1fr)); gap: .75rem;
     margin: 1.5rem 0; }
dl div { border: 1px solid var(--line); border-radius: .5rem; padding: .5rem .75rem; }
dt { color: var(--soft); font-size: .85rem; }
dd { margin: 0; font-size: 1.3rem; font-variant-numeric: tabular-nums; }
.wide { overflow-x: auto; } table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .3rem .75rem .3rem 0; vertical-align: top;
         border-bottom: 1px solid var(--line); }
th { color: var(--soft); font-weight: 500; } td { font-variant-numeric: tabular-nums; }
"""


def html_page(shown: dict[str, Any]) -> str:
    """A state as a page. Every value is escaped; it loads and runs nothing."""
    requests = shown["requests"]
    tiles = shown["counts"] | {"requests": requests["total"], "repeats": requests["repeats"]}
    tiles |= {f"answered {status}": times for status, times in sorted(requests["statuses"].items())}
    tiles |= {f"fault {fault}": times for fault, times in sorted(requests["faults"].items())}
    cells = "".join(
        f"<div><dt>{escape(name.replace('_', ' '))}</dt><dd>{escape(f'{value:,}')}</dd></div>"
        for name, value in tiles.items()
    )
    contacts = [
        {"id": row["id"], "state": "archived" if row["archived"] else "active", **row["properties"]}
        for row in shown["sample"]
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Sandbox CRM</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body>'
        "<h1>Sandbox CRM</h1><p>A local stand-in: nothing leaves this machine. "
        "The same as JSON: <code>/_sandbox?format=json</code></p>"
        f"<dl>{cells}</dl><h2>Last requests</h2>{_table(shown['last_requests'])}"
        f"<h2>Latest contacts, masked</h2>{_table(contacts)}</body></html>"
    )


def _table(rows: list[dict[str, Any]]) -> str:
    """Rows as an HTML table with every name that one of them has."""
    if not rows:
        return "<p>None yet.</p>"
    names = list(dict.fromkeys(name for row in rows for name in row))
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in names)
    body = "".join(
        f"<tr>{''.join(f'<td>{_cell(row.get(name))}</td>' for name in names)}</tr>" for row in rows
    )
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _cell(value: Any) -> str:
    return "" if value is None else escape(str(value))
