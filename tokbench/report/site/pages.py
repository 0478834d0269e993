"""The templates, and how numbers are written in them."""

from __future__ import annotations

from pathlib import Path

import jinja2
from markupsafe import Markup

from tokbench.report.board import heading, runs_words
from tokbench.report.narrow_board import short
from tokbench.report.outcomes import FIGURES, HEADLINE
from tokbench.report.site.scatter import short_name
from tokbench.report.tables import Table, html

HERE = Path(__file__).parent
ASSETS = ("site.css", "site.js")


def environment() -> jinja2.Environment:
    """Templates that escape every value and stop at an unknown name."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "four": lambda value: f"{value:.4f}",
        "signed": signed,
        "p": lambda value: "p < 0.0001" if value < 0.0001 else f"p {value:.4f}",
        "compact": lambda value: f"{value:.4g}",
        "count": lambda value: f"{value:,.0f}",
        "percent": lambda share: f"{100 * share:.1f} %",
        "seconds": seconds,
        "short": short_name,
        "label": short,
        "heading": heading,
        "runs_words": runs_words,
        "html": table,
    }
    made.globals |= {"FIGURES": FIGURES, "HEADLINE": HEADLINE}
    return made


def table(shown: Table, label: str) -> Markup:
    """A table with its note; its words are escaped already."""
    return Markup(html([shown], label))


def signed(value: float) -> str:
    """`+0.0123`, a true minus sign, and no sign for what rounds to nothing."""
    text = f"{value:+.4f}"
    return "0.0000" if float(text) == 0 else text.replace("-", "\N{MINUS SIGN}")


def seconds(value: float) -> str:
    """A time that can be read: 0.03, 4.4, 467, 1,250."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 1 else f"{value:.3f}"
