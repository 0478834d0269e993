"""A table as a value, and the one place where tables become text.

A report returns tables; the column's kind says how an entry is written for people. csv and json
keep every digit, and give an interval two fields, NAME/low and NAME/high.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from html import escape
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from rich.table import Table as RichTable

Kind = Literal["text", "count", "figure", "interval", "difference", "percent", "curve"]
Entry = str | int | float | tuple[float, ...] | None  # two bounds, or a curve; None: empty
LEAST = 1e-4  # a smaller figure is printed as such
BLOCKS = "▁▂▃▄▅▆▇█"
LEFT = ("text", "interval", "curve")


@dataclass(frozen=True)
class Column:
    """What stands in one column, and how it is written."""

    head: str
    kind: Kind = "text"
    key: str = ""  # its name in csv and json; empty: the head

    @property
    def name(self) -> str:
        """In csv and json."""
        return self.key or self.head


@dataclass(frozen=True)
class Table:
    """Rows under columns, and a note that says what they show; an empty title continues the table
    before. `grouped`: rows whose first entries are equal belong together."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Entry, ...], ...]
    note: str = ""
    grouped: bool = False
    always: int = 0  # columns that a narrow terminal shows too; 0: all, folded

    def texts(self) -> list[list[str]]:
        """Every row as people read it."""
        return [
            [written(entry, column.kind) for entry, column in zip(row, self.columns, strict=True)]
            for row in self.rows
        ]

    def starts_group(self, row: int) -> bool:
        """Does another group of rows begin here?"""
        return self.grouped and row > 0 and self.rows[row][0] != self.rows[row - 1][0]


METHOD = tuple(Column(name) for name in ("tokenizer", "policy", "generator"))


def written(entry: Entry, kind: Kind) -> str:
    """An entry for people. Figures: four decimals below 1, four digits above."""
    if entry is None:
        return ""
    if isinstance(entry, tuple):
        return sparkline(entry) if kind == "curve" else f"[{_bound(entry[0])}, {_bound(entry[1])}]"
    if isinstance(entry, str):
        return entry
    if kind == "difference":
        return f"{entry:+.4f}"
    if kind == "percent":
        return f"{100 * entry:.1f} %"
    if kind == "count" or isinstance(entry, int):
        return f"{entry:.0f}"
    if 0 < entry < LEAST:
        return f"<{LEAST:.4f}"
    return _bound(entry)


def _bound(value: float) -> str:
    return f"{value:.4f}" if abs(value) < 1 else f"{value:.4g}"


def sparkline(values: Sequence[float]) -> str:
    """A curve in one line: its shape in at most 12 blocks, its first and best value."""
    if not values:
        return ""
    step = max(1, -(-len(values) // 12))
    top = max(values) or 1.0
    shape = "".join(BLOCKS[round(7 * max(value, 0.0) / top)] for value in values[::step])
    best = max(range(len(values)), key=values.__getitem__)
    return f"{shape} {values[0]:.3f} to {values[best]:.3f}, best {best + 1} of {len(values)}"


def markdown(tables: Sequence[Table]) -> str:
    """A heading, the table and its note, one after the other."""
    parts = []
    for table in tables:
        heads = [column.head for column in table.columns]
        lines = [_piped(heads), "|" + " --- |" * len(heads), *map(_piped, table.texts())]
        parts += [f"### {_unmarked(table.title)}\n"] if table.title else []
        parts += ["\n".join(lines) + "\n"]
        parts += [f"{table.note}\n"] if table.note else []
    return "\n".join(parts)


def _piped(cells: Sequence[str]) -> str:
    return "| " + " | ".join(_unmarked(cell).replace("|", "\\|") for cell in cells) + " |"


def _unmarked(text: str) -> str:
    """Text in one line in which markdown sees no html; a lone `<` stays."""
    return re.sub(r"<(?=[A-Za-z/!?])", "&lt;", " ".join(text.splitlines()))


def as_csv(tables: Sequence[Table]) -> str:
    """All rows of all tables under their table's title."""
    rows = [{"table": table.title} | row for table in tables for row in fields(table)]
    names = list(dict.fromkeys(name for row in rows for name in row))
    out = io.StringIO()
    writer = csv.DictWriter(out, names, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow(
            {name: " ".join(map(str, value)) if isinstance(value, list) else _no_formula(value)
             for name, value in row.items()}
        )  # fmt: skip
    return out.getvalue() if rows else ""


def _no_formula(value: Any) -> Any:
    """A text that a spreadsheet does not calculate: one that begins like a formula is quoted."""
    formula = isinstance(value, str) and len(value) > 1 and value[0] in "=+-@\t\r"
    return f"'{value}" if formula else value


def as_json(tables: Sequence[Table]) -> str:
    """Tables with an object per row."""
    found = [
        {"table": table.title, "rows": list(fields(table)), "note": table.note} for table in tables
    ]
    return json.dumps(found, indent=1) + "\n"


def fields(table: Table) -> Iterator[dict[str, Any]]:
    """Each row by the names of its columns."""
    for row in table.rows:
        found: dict[str, Any] = {}
        for column, entry in zip(table.columns, row, strict=True):
            if column.kind == "interval":
                low, high = entry if isinstance(entry, tuple) else (None, None)
                found |= {f"{column.name}/low": low, f"{column.name}/high": high}
            else:
                found[column.name] = list(entry) if isinstance(entry, tuple) else entry
        yield found


ESCAPES = str.maketrans({
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "·": r"$\cdot$",
})  # fmt: skip


class Latex(str):
    """An entry that is LaTeX already."""


def latex(tables: Sequence[Table]) -> str:
    """One table environment each; needs the package booktabs."""
    return "\n".join(["% \\usepackage{booktabs}", *map(_latex, tables)])


def _latex(table: Table) -> str:
    sides = "".join("l" if column.kind in LEFT else "r" for column in table.columns)
    lines = [r"\begin{table}", rf"\caption{{{escaped(table.title)}}}",
             rf"\begin{{tabular}}{{{sides}}}", r"\toprule",
             _ampersands([column.head for column in table.columns]), r"\midrule"]  # fmt: skip
    for n, (row, cells) in enumerate(zip(table.rows, table.texts(), strict=True)):
        lines += [r"\midrule"] if table.starts_group(n) else []
        marked = zip(row, cells, strict=True)
        lines += [_ampersands([e if isinstance(e, Latex) else escaped(text) for e, text in marked],
                              done=True)]  # fmt: skip
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", r"\end{table}", ""])


def _ampersands(cells: Sequence[str], done: bool = False) -> str:
    return " & ".join(cells if done else map(escaped, cells)) + r" \\"


def escaped(text: str) -> str:
    """Text in which LaTeX sees no commands."""
    return text.translate(ESCAPES)


def html(tables: Sequence[Table], label: str = "") -> str:
    """Each a <table> with its note, every word escaped; `label` names it to a screen reader."""
    return "\n".join(_html(table, label or table.title) for table in tables)


def _html(table: Table, label: str) -> str:
    side = [' class="text"' if column.kind in LEFT else "" for column in table.columns]
    heads = "".join(f'<th scope="col"{s}>{escape(column.head)}</th>'
                    for s, column in zip(side, table.columns, strict=True))  # fmt: skip
    lines = []
    for n, (row, cells) in enumerate(zip(table.rows, table.texts(), strict=True)):
        begins = ' class="begins"' if table.starts_group(n) else ""
        tail = "".join(
            f"<td{s}{_sort_key(entry)}>{escape(text)}</td>"
            for s, entry, text in zip(side[1:], row[1:], cells[1:], strict=True)
        )
        lines.append(f'<tr{begins}><th scope="row">{escape(cells[0])}</th>{tail}</tr>')
    rows = "\n".join(lines)
    note = f'\n<p class="note">{escape(table.note)}</p>' if table.note else ""
    kind = "" if table.grouped else ' class="rows"'
    return (
        f'<div class="scroll sheet" role="region" tabindex="0" aria-label="{escape(label)}">\n'
        f"<table{kind}>\n<caption>{escape(table.title)}</caption>\n<thead><tr>{heads}</tr></thead>"
        f"\n<tbody>\n{rows}\n</tbody></table></div>{note}"
    )


def _sort_key(entry: Entry) -> str:
    value = entry[0] if isinstance(entry, tuple) and entry else entry
    return f' data-sort="{value}"' if isinstance(value, float) else ""


def terminal(table: Table, width: int = 0) -> RichTable:
    """For the terminal: numbers whole, words folded, a line between groups of rows; of a table
    that says which columns to show `always`, as many as `width` characters hold."""
    from rich import box
    from rich.table import Table as RichTable
    from rich.text import Text

    if table.always and width:
        table = fitted(table, width)
    made = RichTable(title=Text(table.title), title_justify="left", title_style="bold",
                     box=box.SIMPLE_HEAD if table.always else box.HEAVY_HEAD)  # fmt: skip
    texts = table.texts()
    for n, column in enumerate(table.columns):
        number = column.kind not in ("text", "curve")
        made.add_column(
            Text(column.head),
            justify="left" if column.kind in LEFT else "right",
            overflow="fold",
            min_width=max((len(row[n]) for row in texts), default=0) if number else None,
        )
    for n, row in enumerate(texts):
        ends = n + 1 < len(texts) and table.starts_group(n + 1)
        made.add_row(*map(Text, row), end_section=ends)
    return made


def fitted(table: Table, width: int) -> Table:
    """The table with the first columns that fit: each takes its longest text and two spaces, as
    box.SIMPLE_HEAD draws it, and the frame two more."""
    texts = [[column.head for column in table.columns], *table.texts()]
    room, kept = width - 2, 0
    for n in range(len(table.columns)):
        room -= max(len(row[n]) for row in texts) + 2
        if room < 0 and n >= table.always:
            break
        kept = n + 1
    return replace(
        table, columns=table.columns[:kept], rows=tuple(row[:kept] for row in table.rows)
    )


FORMS: dict[str, Callable[[Sequence[Table]], str]] = {
    "markdown": markdown, "csv": as_csv, "json": as_json, "latex": latex, "html": html,
}  # fmt: skip
