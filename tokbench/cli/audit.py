"""The findings on a code table, on the screen or as json."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokbench.errors import DatasetError
    from tokbench.ids.audit import Audit, Coverage
    from tokbench.report.tables import Entry, Table

FIRST = 5  # of a list that may be long


def as_json(audit: Audit, faults: Sequence[DatasetError]) -> str:
    """Every figure, and the lists of items in full."""
    return json.dumps(asdict(audit) | {"faults": [str(fault) for fault in faults]}, indent=1)


def print_audit(audit: Audit, faults: Sequence[DatasetError]) -> None:
    """Tables, and under them what keeps the table from being benchmarked."""
    from tokbench.cli.report import show
    from tokbench.cli.screen import screen

    console = screen()

    def say(text: str, style: str = "") -> None:
        console.print(text, style=style, markup=False, highlight=False)

    tables = (_collisions(audit), _levels(audit), _prefixes(audit), _groups(audit))
    show([table for table in tables if table.rows])
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
    rows = (
        ("distinct tuples", str(found.distinct), ""),
        ("duplicate rate (N - G) / N", _share(found.duplicate_rate), _share(chance.duplicate_rate)),
        ("items in collision", str(found.items_in_collision), f"{chance.items_in_collision:.1f}"),
        ("as a share", _share(found.collision_share), _share(chance.collision_share)),
        ("of them with an item of equal text", str(found.same_text), ""),
        ("largest group", str(found.largest_group), ""),
        ("mean group", f"{found.mean_group:.4f}", ""),
        ("Gini of group sizes", f"{found.gini:.4f}", ""),
    )
    return _table("collisions", ("", "here", "random codes"), rows)


def _levels(audit: Audit) -> Table:
    heads = ("level", "codes", "used", "dead", "use", "entropy", "of ln K", "perplexity", "Gini",
             "top code")  # fmt: skip
    rows = [
        (number, level.size, level.used, level.dead, _share(level.use), f"{level.entropy:.3f}",
         f"{level.normalized_entropy:.3f}", f"{level.perplexity:.1f}", f"{level.gini:.3f}",
         _share(level.top_share))
        for number, level in enumerate(audit.levels, 1)
    ]  # fmt: skip
    return _table("levels", heads, rows)


def _prefixes(audit: Audit) -> Table:
    heads = ("depth", "distinct", "branching", "most items",
             "entropy of the code given its prefix")  # fmt: skip
    rows = [
        (row.depth, row.prefixes, f"{row.branching:.2f}", row.largest,
         f"{row.conditional_entropy:.3f}")
        for row in audit.prefixes
    ]  # fmt: skip
    return _table("prefixes", heads, rows)


def _groups(audit: Audit) -> Table:
    rows = []
    for group in audit.groups:
        pairs = zip(group.item_ids[:FIRST], group.titles[:FIRST], strict=True)
        titles = [f"{item}: {title[:60]}" for item, title in pairs]
        titles += ["..."] if len(group.item_ids) > FIRST else []
        codes = ",".join(str(code) for code in group.codes)
        rows.append((codes, len(group.item_ids), "\n".join(titles)))
    return _table("largest groups", ("codes", "items", "titles"), rows)


def _table(title: str, heads: Sequence[str], rows: Sequence[tuple[Entry, ...]]) -> Table:
    from tokbench.report.tables import Column, Table

    words = ("", "titles") if title == "levels" else ("", "titles", "codes")
    columns = (Column(head, "text" if head in words else "count") for head in heads)
    return Table(title, tuple(columns), tuple(rows))


def _share(value: float) -> str:
    return f"{100 * value:.2f} %"
