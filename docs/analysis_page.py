"""Write docs/analysis.md from the records under results/: `make board` runs this.

Every sentence is computed: the figures, the intervals and the verdicts. Where the records do not
hold what a question needs, the page says what is missing.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from shlex import quote

import numpy as np
from scipy.stats import spearmanr

from tokbench.report import agreement, intrinsic
from tokbench.report.compare import Comparison, compare_rows
from tokbench.report.compare_datasets import compare_datasets
from tokbench.report.compare_datasets import tables as comparison_tables
from tokbench.report.outcomes import CODE_LEVEL, HEADLINE
from tokbench.report.result_set import Board, ResultSet
from tokbench.report.rows import Row, method_of
from tokbench.report.slices import slices_of
from tokbench.report.tables import markdown
from tokbench.schema.grid_file import read_grid_file
from tokbench.schema.run_spec import BASELINES
from tokbench.stats.correlation import FEWEST

ROOT = Path(__file__).parent.parent
LOSSES = ("rqvae", "cost", "cost:with-reconstruction")
CATALOGUE = (
    "residual-kmeans", "residual-kmeans:balanced", "product-quantization", "lsh",
    "category-prefix", "finite-scalar", "residual-vq", "letter", "cost-topk", "cost-behaviour",
)  # fmt: skip
WANTED = (*read_grid_file(ROOT / "benchmarks/board.toml").run["tokenizers"], *CATALOGUE)
SEEDS = 3  # at least


class Page:
    """One board's rows, and the sentences about them."""

    def __init__(self, board: Board) -> None:
        self.board = board
        self.rows = {row.name: row for row in board.rows}
        self.dataset = board.records[0].spec.dataset.name

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
        if not first.group:
            said = ", over users only: what another training run would give is not known."
        else:
            said = (
                f"; not significantly different: {', '.join(tied)}."
                if tied
                else ", alone in its group."
            )
        yield f"{name(first)} stands first with Recall@10 {figure(first)}{said}"
        learned = [row for row in self.board.rows if row.generator not in BASELINES]
        floor = [row for row in self.board.rows
                 if row.generator in BASELINES and not row.is_diagnostic]  # fmt: skip
        if learned and floor:
            best = max(floor, key=lambda row: row.values[HEADLINE])
            n = self.board.rows.index(best)
            pairs = [self.board.pairs.get((self.board.rows.index(row), n)) for row in learned]
            signs = [pair.sign for pair in pairs if pair is not None and pair.covers_runs]
            yield (
                f"The best baseline is {best.generator} with {figure(best)}: of {len(learned)} "
                f"generated rows {signs.count(1)} are significantly above it and {signs.count(-1)} "
                f"below it; of {len(learned) - len(signs)} nothing can be claimed."
            )

    def losses(self) -> Iterator[str]:
        """The paper's question, under every policy and recipe that has both."""
        for a, b in (("cost", "rqvae"), ("cost:with-reconstruction", "rqvae"),
                     ("cost", "cost:with-reconstruction")):  # fmt: skip
            for row in self.rows.values():
                recipe = "tuned" if row.tokenizer == with_recipe(a, "tuned") else ""
                other = "/".join((with_recipe(b, recipe), row.policy, row.generator))
                if row.tokenizer == with_recipe(a, recipe) and other in self.rows:
                    yield self.versus(row, self.rows[other])

    def code_level(self) -> Iterator[str]:
        """Does the ranking reverse when codes are scored instead of items?"""
        rows = [(n, row) for n, row in enumerate(self.board.rows)
                if row.generator not in BASELINES]  # fmt: skip
        items, codes = (self.board.methods.pairs(name) for name in (HEADLINE, CODE_LEVEL))
        if not items:
            return
        turned = [
            (a, b, items[i, j], codes[i, j])
            for (i, a), (j, b) in combinations(rows, 2)
            if (a.values[HEADLINE] - b.values[HEADLINE]) * (coded(a) - coded(b)) < 0
        ]
        sure = [pair for pair in turned if pair[2].sign and pair[3].sign]
        pairs = len(rows) * (len(rows) - 1) // 2
        if pairs:
            yield (
                f"Of {pairs} pairs of rows, the ranking of {len(turned)} reverses when codes are "
                f"scored instead of items; in {len(sure)} of them both differences are "
                "significant, corrected for all pairs."
            )
        for a, b, item, code in sorted(sure, key=lambda found: -abs(found[3].mean))[:3]:
            yield f"{name(a)} against {name(b)}: {item} scored on items, {code} scored on codes."

    def collisions(self) -> Iterator[str]:
        """A unique address, an extra token, or nothing."""
        for row in self.rows.values():
            raw = "/".join((row.tokenizer, "none", row.generator))
            if row.policy != "none" and raw in self.rows:
                yield self.versus(row, self.rows[raw])
            if row.tokenizer == "random:unique":
                other = "/".join(("random", row.policy, row.generator))
                if other in self.rows:
                    yield self.versus(row, self.rows[other])

    def intrinsic(self) -> Iterator[str]:
        """Does a measure of the codes alone tell how the tokenizer will do?"""
        for table in intrinsic.of_board(self.board):
            policy = table.title.split(" · ")[-2:]
            said = table.note.partition(" Measures of the codes")[0]
            yield f"{', '.join(policy)}: {said} `tokbench report intrinsic`"

    def same_day(self) -> Iterator[str]:
        """How much of a row comes from targets that share the day of the last history item."""
        lines = []
        for row in self.rows.values():
            outcomes = [run.outcome for run in row.runs if run.outcome is not None]
            masks = [slices_of(outcome).get("same day") for outcome in outcomes if outcome.queries]
            if not masks or len(masks) < len(outcomes) or masks[0] is None or not masks[0].any():
                continue
            column = self.board.outcomes(row).column(HEADLINE)
            inside, elsewhere = column[masks[0]], column[~masks[0]]
            lines.append(f"| {name(row)} | {inside.mean():.4f} | {elsewhere.mean():.4f} |")
        if lines:
            yield f"| row | same day ({len(inside)} users) | elsewhere ({len(elsewhere)} users) |"
            yield "| --- | --- | --- |"
            yield from lines

    def variance(self) -> Iterator[str]:
        """Which is larger: what another run gives, or what other users give?"""
        for row in self.rows.values():
            if row.axes:
                words = ", ".join(f"{axis} {sd:.4f}" for axis, sd in row.axes.items())
                yield f"{name(row)}, crossed seeds: standard deviation by axis: {words}."
        methods = self.board.methods
        for family, one in sorted(methods.variances(HEADLINE).items()):
            users = [
                sample.estimate.users**0.5
                for n, sample in methods.samples(HEADLINE).items()
                if methods.families[n] == family
            ]
            yield (
                f"Between runs of one {family} row, Recall@10 has a standard deviation of "
                f"{one.sd:.4f} ({one.df:g} degrees of freedom); {one.net_sd:.4f} is the run's own, "
                "the rest each user's chance, which more users average out. Other users give a "
                f"row's mean a standard error of {np.mean(users):.4f}."
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
            near = [row for row in rows if row is best or set(row.group) & set(best.group)]
            cheap = min(near, key=lambda row: row.seconds["tokenize"])
            if cheap is not best:
                yield (
                    f"Of the rows not significantly different from the best, {name(cheap)} is made "
                    f"in the least time, {cheap.seconds['tokenize']:.1f} s against "
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
        for record in self.board.failed:
            yield f"Failed: {'/'.join(method_of(record))}: {record.error}"

    def versus(self, a: Row, b: Row) -> str:
        """One comparison, with the command that repeats it."""
        found = verdict(compare_rows(self.board, a, b))
        names = f"{quote(a.name)} {quote(b.name)}"
        return f"{found} `tokbench compare {names} --dataset {self.dataset}`"


def verdict(found: Comparison) -> str:
    """The comparison in a line."""
    seeds = min(found.seeds)
    return (
        f"{found.a} {found.means[0]:.4f}, {found.b} {found.means[1]:.4f}: "
        f"{found.difference}, p = {found.difference.p:.3f}: {found.difference.verdict}"
        f"{', over users only ' if found.lacking else ' '}"
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


def coded(row: Row) -> float:
    """Recall@10 as most papers score it."""
    return row.values[CODE_LEVEL]


def question(results: ResultSet) -> Iterator[str]:
    """L_co against L_re on every board, under every policy and generator that has both."""
    labels = {record.spec.tokenizer.label for record in results.records}
    if {"cost", "rqvae"} <= labels:
        yield "## Is L_co better than L_re?\n"
        yield markdown(comparison_tables(compare_datasets(results, "cost", "rqvae")))
        yield "`tokbench compare cost rqvae`\n"


def bits(results: ResultSet) -> Iterator[str]:
    """How well bits per item order rows, and where not."""
    found = agreement.tables(results)
    if found:
        yield "## Do bits per item order rows as Recall@10 does?\n"
        yield markdown(found)
        yield "`tokbench report agreement`\n"


def pages(results: ResultSet) -> list[Page]:
    """One per board that has rows."""
    return [Page(board) for board in results.boards if board.rows]


def page(results: ResultSet) -> str:
    """The whole page."""
    lines = [
        "# What the boards say",
        "",
        "Written by `python docs/analysis_page.py` from the records under results/; not edited by "
        "hand. Figures are Recall@10 over items on the test split, seeds averaged; [low, high] and "
        "p, for that pair alone, cover users and training runs, or users only where it says so.",
        "",
    ]
    lines += question(results)
    lines += bits(results)
    for one in pages(results):
        lines += one.lines()
    return "\n".join(lines)


def main() -> None:
    """Write the page."""
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs/analysis.md"
    path.write_text(page(ResultSet.read(ROOT / "results")), encoding="utf-8")


if __name__ == "__main__":
    main()
