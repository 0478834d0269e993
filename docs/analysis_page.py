"""Write docs/analysis.md from the records under results/: `make board` runs this.

Every sentence is computed: the figures, the intervals and the verdicts. Where the records do not
hold what a question needs, the page says what is missing.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path
from shlex import quote

import numpy as np
from scipy.stats import chi2, spearmanr

from tokbench.report.board import (
    FIGURES,
    HEADLINE,
    Board,
    Row,
    finished,
    make_boards,
    per_user,
    tables,
)
from tokbench.report.compare import Comparison, compare, row_name
from tokbench.report.everywhere import everywhere, everywhere_sheets
from tokbench.report.intrinsic import intrinsic_sheets
from tokbench.report.sheet import as_markdown
from tokbench.report.slices import slices_of
from tokbench.schema.grid_file import read_grid_file
from tokbench.schema.record import Record, read_records
from tokbench.schema.run_spec import BASELINES
from tokbench.stats.bootstrap import bootstrap
from tokbench.stats.correlation import FEWEST
from tokbench.stats.paired import differences

ROOT = Path(__file__).parent.parent
LOSSES = ("rqvae", "cost", "cost:with-reconstruction")
SHELF = (
    "residual-kmeans", "residual-kmeans:balanced", "product-quantization", "lsh",
    "category-prefix", "finite-scalar", "residual-vq", "letter", "cost-topk", "cost-behaviour",
)  # fmt: skip
WANTED = (*read_grid_file(ROOT / "benchmarks/board.toml").run["tokenizers"], *SHELF)
SEEDS = 3  # at least


class Page:
    """One board's records and rows, and the sentences about them."""

    def __init__(self, table: Sequence[Record], board: Board) -> None:
        self.records, self.board = table, board
        self.done = finished(table)
        self.rows = {row_name(row.method): row for row in board.rows}
        self.dataset = table[0].spec.dataset.name

    def lines(self) -> Iterator[str]:
        """The whole section."""
        yield f"## {self.board.title}\n"
        sections = {
            "The ranking": self.ranking,
            "L_co against L_re": self.losses,
            "Codes against items": self.code_level,
            "What collisions cost": self.collisions,
            "What the codes predict": self.intrinsic,
            "Same-day targets": self.same_day,
            "Seeds against users": self.variance,
            "Cost against quality": self.cost,
            "Gaps": self.gaps,
        }
        for heading, section in sections.items():
            found = list(section())
            if found:
                yield f"### {heading}\n"
                yield from (line if line.startswith("|") else f"- {line}" for line in found)
                yield ""

    def ranking(self) -> Iterator[str]:
        """Groups, best first."""
        first = self.board.rows[0]
        tied = [name(row) for row in self.board.rows[1:] if set(row.group) & set(first.group)]
        yield (
            f"{name(first)} stands first with Recall@10 {figure(first)}"
            + (f"; it cannot be told from {', '.join(tied)}." if tied else ", alone in its group.")
        )
        learned = [row for row in self.board.rows if row.generator not in BASELINES]
        floor = [row for row in self.board.rows if row.generator in BASELINES]
        if learned and floor:
            beaten = [row for row in learned if row.intervals[HEADLINE][0] > top(floor)]
            below = [row for row in learned if row.intervals[HEADLINE][1] < top(floor)]
            best = max(floor, key=lambda row: row.values[HEADLINE])
            yield (
                f"The best baseline is {best.generator} with {figure(best)}: of {len(learned)} "
                f"generated rows {len(beaten)} lie above it and {len(below)} below it, by their "
                "own intervals."
            )

    def losses(self) -> Iterator[str]:
        """The paper's question, under every policy and recipe that has both."""
        for a, b in (("cost", "rqvae"), ("cost:with-reconstruction", "rqvae"),
                     ("cost", "cost:with-reconstruction")):  # fmt: skip
            for row in self.rows.values():
                recipe = "tuned" if row.tokenizer == with_recipe(a, "tuned") else ""
                other = row_name((with_recipe(b, recipe), row.policy, row.generator))
                if row.tokenizer == with_recipe(a, recipe) and other in self.rows:
                    yield self.versus(row_name(row.method), other)

    def code_level(self) -> Iterator[str]:
        """Does scoring codes instead of items change the order?"""
        rows = [row for row in self.rows.values() if row.generator not in BASELINES]
        flipped = [
            (a, b, self.both_ways(a, b))
            for a, b in combinations(rows, 2)
            if (a.values[HEADLINE] - b.values[HEADLINE]) * (coded(a) - coded(b)) < 0
        ]
        turned = [pair for pair in flipped if all(low * high > 0 for _, low, high in pair[2])]
        pairs = len(rows) * (len(rows) - 1) // 2
        if pairs:
            yield (
                f"Of {pairs} pairs of rows, {len(flipped)} stand in the other order when codes "
                f"are scored instead of items; in {len(turned)} of them both orders are beyond "
                "their 95 % interval over users."
            )
        for a, b, (item, code) in sorted(turned, key=lambda found: -abs(found[2][1][0]))[:3]:
            yield (
                f"{name(a)} against {name(b)}: {signed(item)} scored on items, {signed(code)} "
                "scored on codes."
            )

    def both_ways(self, a: Row, b: Row) -> list[tuple[float, float, float]]:
        """Difference of Recall@10 and its interval: on items, and on codes."""
        users = [np.mean([per_user(r) for r in self.done[row.method]], axis=0) for row in (a, b)]
        found = []
        for column in (FIGURES.index(HEADLINE), len(FIGURES)):
            d = differences(users[0][:, column], users[1][:, column])
            low, high = bootstrap(d)
            found.append((float(d.mean()), float(low), float(high)))
        return found

    def collisions(self) -> Iterator[str]:
        """A unique address, an extra token, or nothing."""
        for row in self.rows.values():
            raw = row_name((row.tokenizer, "none", row.generator))
            if row.policy != "none" and raw in self.rows:
                yield self.versus(row_name(row.method), raw)
            if row.tokenizer == "random:unique":
                other = row_name(("random", row.policy, row.generator))
                if other in self.rows:
                    yield self.versus(row_name(row.method), other)

    def intrinsic(self) -> Iterator[str]:
        """Does a measure of the codes alone tell how the tokenizer will do?"""
        for sheet in intrinsic_sheets(self.records):
            policy = sheet.title.split(" · ")[-2:]
            said = sheet.words.partition(" Measures of the codes")[0]
            yield f"{', '.join(policy)}: {said} `tokbench report --intrinsic`"

    def same_day(self) -> Iterator[str]:
        """How much of a row comes from targets that share the day of the last history item."""
        lines = []
        for row in self.rows.values():
            outcomes = [r.outcome for r in self.done[row.method] if r.outcome is not None]
            masks = [slices_of(outcome).get("same day") for outcome in outcomes if outcome.queries]
            if not masks or len(masks) < len(outcomes) or masks[0] is None or not masks[0].any():
                continue
            users = np.mean([per_user(r) for r in self.done[row.method]], axis=0)
            column = users[:, FIGURES.index(HEADLINE)]
            inside, elsewhere = column[masks[0]], column[~masks[0]]
            lines.append(f"| {name(row)} | {inside.mean():.4f} | {elsewhere.mean():.4f} |")
        if lines:
            yield f"| row | same day ({len(inside)} users) | elsewhere ({len(elsewhere)} users) |"
            yield "| --- | --- | --- |"
            yield from lines

    def variance(self) -> Iterator[str]:
        """Which is larger: what another run gives, or what other users give?"""
        sums, df, halves = 0.0, 0, []
        for row in self.rows.values():
            if row.seeds > 1:
                values = [per_user(r)[:, FIGURES.index(HEADLINE)].mean()
                          for r in self.done[row.method]]  # fmt: skip
                sums += (len(values) - 1) * float(np.var(values, ddof=1))
                df += len(values) - 1
                halves.append(user_error(self.done[row.method]))
            if row.axes:
                words = ", ".join(f"{axis} {sd:.4f}" for axis, sd in row.axes.items())
                yield f"{name(row)}, crossed seeds: standard deviation by axis: {words}."
        if df:
            sd = np.sqrt(sums / df)
            low, high = (np.sqrt(sums / chi2.ppf(q, df)) for q in (0.975, 0.025))
            yield (
                f"Between runs of one method, Recall@10 has a standard deviation of {sd:.4f} "
                f"[{low:.4f}, {high:.4f}] (pooled, {df} degrees of freedom); the sampling of users "
                f"alone gives a row's mean a standard error of {np.mean(halves):.4f}."
            )
        if not any(row.axes for row in self.rows.values()):
            yield (
                "Tokenizer seed or generator seed? Cannot tell: no row here crosses them "
                "(`--tokenizer-seed 0 --tokenizer-seed 1 --generator-seed 0 --generator-seed 1`)."
            )

    def cost(self) -> Iterator[str]:
        """Do dearer tokenizers do better?"""
        alike = [row for row in self.rows.values() if row.policy != "none"]
        for generator in sorted({row.generator for row in alike} - set(BASELINES)):
            rows = [row for row in alike if row.generator == generator]
            if len(rows) < FEWEST:
                continue
            seconds = [row.seconds["tokenize"] for row in rows]
            found = spearmanr(seconds, [row.values[HEADLINE] for row in rows])
            yield (
                f"Over {len(rows)} rows of {generator} the rank correlation of tokenizer seconds "
                f"with Recall@10 is {found.statistic:+.2f} (p = {found.pvalue:.2f})."
            )
            best = max(rows, key=lambda row: row.values[HEADLINE])
            near = [row for row in rows if set(row.group) & set(best.group)]
            cheap = min(near, key=lambda row: row.seconds["tokenize"])
            if cheap is not best:
                yield (
                    f"Of the rows that cannot be told from the best, {name(cheap)} is made in the "
                    f"least time, {cheap.seconds['tokenize']:.1f} s against "
                    f"{best.seconds['tokenize']:.1f} s."
                )

    def gaps(self) -> Iterator[str]:
        """What a complete board would have."""
        have: dict[str, int] = {}
        for row in self.rows.values():
            have[row.tokenizer] = max(row.seeds, have.get(row.tokenizer, 0))
        missing = [label for label in WANTED if label not in have]
        few = [f"{label} ({have[label]})" for label in WANTED if 0 < have.get(label, 0) < SEEDS]
        if missing:
            yield f"Not run yet: {', '.join(missing)}."
        if few:
            yield f"Fewer than {SEEDS} seeds: {', '.join(few)}."
        for method, error in self.board.failed:
            yield f"Failed: {method}: {error}"

    def versus(self, a: str, b: str) -> str:
        """One comparison, with the command that repeats it."""
        found = compare(self.records, a, b, dataset=self.dataset)
        return f"{verdict(found)} `tokbench compare {quote(a)} {quote(b)} --dataset {self.dataset}`"


def verdict(found: Comparison) -> str:
    """The comparison in a line."""
    told = "differ" if found.told_apart else "cannot be told apart"
    seeds = min(found.seeds)
    return (
        f"{found.a} {found.means[0]:.4f}, {found.b} {found.means[1]:.4f}: "
        f"{signed((found.difference, *found.interval))}, p = {found.p:.3f}: they {told} "
        f"({found.hits[0]:.0f} against {found.hits[1]:.0f} hits, {seeds} "
        f"seed{'s' if seeds > 1 else ''})."
    )


def with_recipe(loss: str, recipe: str) -> str:
    """The tokenizer of a loss with a recipe: `cost:tuned`, `cost:with-reconstruction-tuned`."""
    return f"{loss}{'-' if ':' in loss else ':'}{recipe}" if recipe else loss


def name(row: Row) -> str:
    """Tokenizer, policy and any generator but tiger, or the baseline's name."""
    if row.generator in BASELINES:
        return row.generator
    other = "" if row.generator == "tiger" else f"/{row.generator}"
    return f"{row.tokenizer}/{row.policy}{other}"


def figure(row: Row) -> str:
    """Recall@10 with its interval."""
    low, high = row.intervals[HEADLINE]
    return f"{row.values[HEADLINE]:.4f} [{low:.4f}, {high:.4f}]"


def user_error(records: Sequence[Record]) -> float:
    """Standard error of a row's Recall@10 from the sampling of users."""
    users = np.mean([per_user(record)[:, FIGURES.index(HEADLINE)] for record in records], axis=0)
    return float(users.std(ddof=1) / np.sqrt(len(users)))


def coded(row: Row) -> float:
    """Recall@10 as most papers score it."""
    return row.values[f"{HEADLINE}/code-level"]


def top(rows: Sequence[Row]) -> float:
    """The highest Recall@10."""
    return max(row.values[HEADLINE] for row in rows)


def signed(found: tuple[float, float, float]) -> str:
    """A difference and its interval."""
    return f"{found[0]:+.4f} [{found[1]:+.4f}, {found[2]:+.4f}]"


def question(records: Sequence[Record]) -> Iterator[str]:
    """L_co against L_re on every board, under every policy and generator that has both."""
    labels = {record.spec.tokenizer.label for record in records}
    if {"cost", "rqvae"} <= labels:
        yield "## Is L_co better than L_re?\n"
        yield as_markdown(everywhere_sheets(everywhere(records, "cost", "rqvae")))
        yield "`tokbench compare cost rqvae`\n"


def pages(records: Sequence[Record]) -> list[Page]:
    """One per board that has rows."""
    made = zip(tables(records), make_boards(records), strict=True)
    return [Page(table, board) for table, board in made if board.rows]


def page(records: Sequence[Record]) -> str:
    """The whole page."""
    lines = [
        "# What the boards say",
        "",
        "Written by `python docs/analysis_page.py` from the records under results/; not edited by "
        "hand. Figures are Recall@10 over items on the test split, seeds averaged; [low, high] and "
        "p, for that pair alone, cover users and, where the board knows them, training runs.",
        "",
    ]
    lines += question(records)
    for one in pages(records):
        lines += one.lines()
    return "\n".join(lines)


def main() -> None:
    """Write the page."""
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs/analysis.md"
    path.write_text(page(read_records(ROOT / "results")), encoding="utf-8")


if __name__ == "__main__":
    main()
