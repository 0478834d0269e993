"""The findings on a code table, on the screen or as json."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

    from tokbench.errors import DatasetError
    from tokbench.ids.audit import Audit, Coverage

FIRST = 5  # of a list that may be long


def as_json(audit: Audit, faults: Sequence[DatasetError]) -> str:
    """Every figure, and the lists of items in full."""
    return json.dumps(asdict(audit) | {"faults": [str(fault) for fault in faults]}, indent=1)


def print_audit(audit: Audit, faults: Sequence[DatasetError]) -> None:
    """Tables, and under them what keeps the table from being benchmarked."""
    from tokbench.cli.screen import screen

    console = screen()

    def say(text: str, style: str = "") -> None:
        console.print(text, style=style, markup=False, highlight=False)

    for table in (_collisions(audit), _levels(audit), _prefixes(audit), _groups(audit)):
        if table.row_count:
            console.print(table)
    if not audit.sizes_known:
        say("level sizes are the largest codes + 1: codes above them may be dead too", "dim")
    for fault in faults[:FIRST]:
        say(f"fault: {fault}", "red")
    if len(faults) > FIRST:
        say(f"fault: and {len(faults) - FIRST} more, all in --format json", "red")
    _say_coverage(audit.coverage, say)


def _say_coverage(coverage: Coverage, say: Callable[..., None]) -> None:
    found = coverage.items - len(coverage.missing)
    say(f"{found} of the dataset's {coverage.items} items have codes")
    for name, items in (("missing", coverage.missing), ("unknown", coverage.unknown)):
        if items:
            more = ", ..." if len(items) > FIRST else ""
            style = "red" if name == "missing" else ""
            say(f"{name}: {len(items)} items: {', '.join(items[:FIRST])}{more}", style)


def _collisions(audit: Audit) -> Table:
    found, chance = audit.collisions, audit.collisions.chance
    table = _titled("collisions", "", "here", "random codes")
    table.add_row("distinct tuples", str(found.distinct), "")
    table.add_row("duplicate rate (N - G) / N", _share(found.duplicate_rate),
                  _share(chance.duplicate_rate))  # fmt: skip
    table.add_row("items in collision", str(found.items_in_collision),
                  f"{chance.items_in_collision:.1f}")  # fmt: skip
    table.add_row("as a share", _share(found.collision_share), _share(chance.collision_share))
    table.add_row("of them with an item of equal text", str(found.same_text), "")
    table.add_row("largest group", str(found.largest_group), "")
    table.add_row("mean group", f"{found.mean_group:.4f}", "")
    table.add_row("Gini of group sizes", f"{found.gini:.4f}", "")
    return table


def _levels(audit: Audit) -> Table:
    table = _titled("levels", "level", "codes", "used", "dead", "use", "entropy", "of ln K",
                    "perplexity", "Gini", "top code")  # fmt: skip
    for number, level in enumerate(audit.levels, 1):
        table.add_row(
            str(number), str(level.size), str(level.used), str(level.dead), _share(level.use),
            f"{level.entropy:.3f}", f"{level.normalized_entropy:.3f}", f"{level.perplexity:.1f}",
            f"{level.gini:.3f}", _share(level.top_share),
        )  # fmt: skip
    return table


def _prefixes(audit: Audit) -> Table:
    table = _titled("prefixes", "depth", "distinct", "branching", "most items",
                    "entropy of the code given its prefix")  # fmt: skip
    for row in audit.prefixes:
        table.add_row(str(row.depth), str(row.prefixes), f"{row.branching:.2f}",
                      str(row.largest), f"{row.conditional_entropy:.3f}")  # fmt: skip
    return table


def _groups(audit: Audit) -> Table:
    from rich.markup import escape

    table = _titled("largest groups", "codes", "items", "titles")
    for group in audit.groups:
        titles = [f"{item}: {title[:60]}" for item, title in
                  zip(group.item_ids[:FIRST], group.titles[:FIRST], strict=True)]  # fmt: skip
        titles += ["..."] if len(group.item_ids) > FIRST else []
        codes = ",".join(str(code) for code in group.codes)
        table.add_row(codes, str(len(group.item_ids)), escape("\n".join(titles)))
    return table


def _titled(title: str, *columns: str) -> Table:
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    for column in columns:
        words = column in ("", "titles", "codes") and title != "levels"
        table.add_column(column, justify="left" if words else "right")
    return table


def _share(value: float) -> str:
    return f"{100 * value:.2f} %"
