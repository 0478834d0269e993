"""How a value shows itself in a notebook."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape


def html_table(title: str, lines: Mapping[str, str], note: str = "") -> str:
    """A small html table, a line for each entry; every text is escaped."""
    cells = "".join(
        f'<tr><th style="text-align:left">{escape(name)}</th>'
        f'<td style="text-align:left">{escape(said)}</td></tr>'
        for name, said in lines.items()
    )
    below = f"<p>{escape(note)}</p>" if note else ""
    return f"<table><caption><b>{escape(title)}</b></caption><tbody>{cells}</tbody></table>{below}"
