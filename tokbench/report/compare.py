"""Two rows of a board, user by user: how far apart, how surely, and in how many hits."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from tokbench.errors import RecordError, listed
from tokbench.report.difference import Difference
from tokbench.report.narrow_board import short
from tokbench.report.outcomes import BITS, HEADLINE, family_of, named
from tokbench.report.result_set import Board, ResultSet
from tokbench.report.rows import Row
from tokbench.schema.notebook import html_table
from tokbench.stats.estimate import LEVEL, Estimate
from tokbench.stats.pairs import Ratio, ratio
from tokbench.stats.sample import ROUNDING


@dataclass(frozen=True)
class Comparison:
    """A against B on the same users, seeds averaged per user."""

    board: str
    figure: str
    a: str
    b: str
    users: int
    seeds: tuple[int, int]
    means: tuple[float, float]
    estimate: Estimate  # A - B
    ratio: Ratio  # A / B
    run_sd: dict[str, float]  # of a run of either, by family; without those of unknown variance
    lacking: tuple[str, ...]  # which of the two nobody knows of what another run would change
    hits: tuple[float, float]  # users whose target is within the cutoff, expected
    better: tuple[int, int]  # users who do better with A, with B
    bits: Comparison | None = None  # the same in bits per item, where both rows have them
    choice: str = ""  # why these two rows of several that go by the names

    @property
    def difference(self) -> Difference:
        """A - B with its interval and p, of this pair alone."""
        return Difference.of(self.estimate)

    def __repr__(self) -> str:
        return f"Comparison({self.a} - {self.b}: {self.figure} {self.difference})"

    def _repr_html_(self) -> str:
        sides = zip((self.a, self.b), self.means, self.seeds, self.hits, strict=True)
        lines = {
            name: f"{mean:.4f}, seeds {seeds}, {hits:.1f} hits" for name, mean, seeds, hits in sides
        }
        difference = f"{self.difference}, p = {self.difference.p:.4f}"
        return html_table(
            f"{self.board}: {self.figure}", {**lines, "difference": difference}, self.verdict
        )

    @property
    def ruled_out(self) -> float | None:
        """The relative gain of A over B beyond which every larger one is ruled out; None where
        none is, or where training runs are not covered."""
        gain = self.ratio.ruled_out_above - 1
        return gain if self.ratio.covers_runs and np.isfinite(gain) else None

    def __str__(self) -> str:
        """A line each: the two rows, their difference, the verdict, and both in bits per item."""
        k = self.figure.partition("@")[2]
        width = max(len(self.a), len(self.b))
        sides = [
            f"  {name:{width}}  {named(self.figure)} {mean:.4f}, {hits:.1f} hits at {k or 10}, "
            f"{seeds} {'seed' if seeds == 1 else 'seeds'}"
            for name, mean, hits, seeds in zip(
                (self.a, self.b), self.means, self.hits, self.seeds, strict=True
            )
        ]
        lines = [
            f"{self.board}, {self.users} users",
            *sides,
            f"Difference {self.difference} with p = {self.difference.p:.4f} ({self.covers}).",
            f"{self.better[0]} users are better off with the first, {self.better[1]} with the "
            "second.",
            self.verdict,
        ]
        return "\n".join(
            [*lines, *filter(None, (self.bits.in_bits if self.bits else "", self.choice))]
        )

    @property
    def in_bits(self) -> str:
        """One more sentence, of a comparison in bits per item."""
        return (
            f"In bits per item (fewer are better): {self.means[0]:.4f} and {self.means[1]:.4f}, "
            f"{self.difference} with p = {self.difference.p:.4f}. {self.verdict}"
        )

    @property
    def seen(self) -> str:
        """The difference that this test finds four times in five, in words; empty without one."""
        found, base = self.estimate.detectable(), abs(self.means[1])
        if found is None:
            return ""
        share = f" ({100 * found / base:.1f} %)" if base else ""
        return f"{found:.4f}{share}"

    @property
    def verdict(self) -> str:
        """What can be said of the two, or why nothing can."""
        if self.lacking:
            return (
                f"No claim can be made: what another training run would change is not known of "
                f"{' and '.join(self.lacking)}; run it with other seeds too (--seeds 3)."
            )
        said = f"They are {self.difference.verdict} at the {100 * LEVEL:.0f} % level"
        if not self.difference.different and self.ruled_out is not None and self.ruled_out > 0:
            said += f"; that the first is more than {100 * self.ruled_out:.1f} % above is ruled out"
        if self.seen:
            said += f"; a true difference of {self.seen} is found four times in five"
        return f"{said}."

    @property
    def covers(self) -> str:
        """What interval and p take into account."""
        if self.lacking:
            return "95 % over users only"
        if not self.run_sd:
            return "95 % over users; neither row is trained"
        sds = ", ".join(f"{sd:.4f} ({family})" for family, sd in self.run_sd.items())
        return f"95 % over users and training runs; standard deviation of a run: {sds}"


def compare(
    results: ResultSet,
    a: str,
    b: str,
    *,
    dataset: str,
    board: str = "",
    figure: str = HEADLINE,
) -> Comparison:
    """Compare rows `a` and `b` of a board of `dataset`.

    A row is named by its tokenizer, or by tokenizer/policy/generator; a baseline by its generator.
    Of several pairs of rows of these names under one policy and generator, that with the most runs
    in common is taken, and of several rows to compare with one, that with the most runs; `choice`
    says so.
    `board` is a part of a board's title, needed where several boards have both rows. Raises
    RecordError for a dataset, board or row that is not there, or for a name that fits several.
    """
    boards = _boards_of(results, dataset, board)
    for name in (a, b):
        if not any(matches(name, one) for one in boards):
            known = {row.name for one in boards for row in one.rows}
            raise RecordError(_unknown(name, sorted(known), dataset))
    shared = [one for one in boards if matches(a, one) and matches(b, one)]
    if not shared:
        raise RecordError(f"no board has both {a!r} and {b!r}, and boards never mix: "
                          f"{_titles(boards)}")  # fmt: skip
    if len(shared) > 1:
        raise RecordError(f"{len(shared)} boards have both rows; name one with --board: "
                          f"{_titles(shared)}")  # fmt: skip
    first, second, choice = _pair(a, b, shared[0])
    if first is second:
        raise RecordError(f"{a!r} and {b!r} name the same row, {first.name}")
    return replace(compare_rows(shared[0], first, second, figure=figure), choice=choice)


def compare_rows(board: Board, a: Row, b: Row, *, figure: str = HEADLINE) -> Comparison:
    """Compare two rows of a board. Raises RecordError where their users are not the same."""
    outcomes = [board.outcomes(row) for row in (a, b)]
    if outcomes[0].users != outcomes[1].users:
        raise RecordError(
            f"{a.name!r} and {b.name!r} were not tested on the same users ({a.users} and {b.users} "
            "of them); see `tokbench verify`"
        )
    for row, one in zip((a, b), outcomes, strict=True):
        if figure not in one.figures:
            raise RecordError(f"{a.name!r} against {b.name!r}: {row.name!r} has no {figure}; it "
                              f"has: {listed(sorted(one.figures))}")  # fmt: skip
    first, second = (one.column(figure) for one in outcomes)
    d = first - second if figure != BITS else second - first  # above 0: better with the first
    hits = [one.column(f"recall@{figure.partition('@')[2] or 10}") for one in outcomes]
    samples = [board.sample(row, figure) for row in (a, b)]
    families = [family_of(one.specs[0]) for one in outcomes]
    return Comparison(
        board=str(board.title),
        figure=figure,
        a=a.name,
        b=b.name,
        users=len(d),
        seeds=(a.seeds, b.seeds),
        means=(float(first.mean()), float(second.mean())),
        estimate=board.difference(a, b, figure),
        ratio=ratio(samples[0], samples[1]),
        run_sd={family: sample.variance.sd for family, sample in zip(families, samples, strict=True)
                if family and sample.covers_runs},
        lacking=tuple(row.name for row, sample in zip((a, b), samples, strict=True)
                      if not sample.covers_runs),
        hits=(float(hits[0].sum()), float(hits[1].sum())),
        better=(int(np.sum(d > ROUNDING)), int(np.sum(d < -ROUNDING))),
        bits=compare_rows(board, a, b, figure=BITS)
        if figure != BITS and all(BITS in one.figures for one in outcomes) else None,
    )  # fmt: skip


def _boards_of(results: ResultSet, dataset: str, board: str) -> list[Board]:
    here = results.of([dataset]).boards
    if not here:
        known = listed(sorted({record.spec.dataset.label for record in results.records}))
        raise RecordError(f"no records of dataset {dataset!r}; there are records of: {known}")
    found = [one for one in here if board in str(one.title)]
    if not found:
        raise RecordError(f"no board's title holds {board!r}: {_titles(here)}")
    return found


def _titles(boards: Sequence[Board]) -> str:
    return "; ".join(str(board.title) for board in boards)


def matches(name: str, board: Board) -> list[Row]:
    """The rows that a user may call `name`."""
    return [row for row in board.rows if name in _names(row)]


def _names(row: Row) -> set[str]:
    """Tokenizer and whole name, as a terminal's board has them too; a baseline goes by its
    generator's name."""
    both = f"{short(row.tokenizer)} · {short(row.generator)}"
    return {row.tokenizer, row.name, short(row.tokenizer), both} | (
        {row.generator} if row.is_baseline else set()
    )


def _pair(a: str, b: str, board: Board) -> tuple[Row, Row, str]:
    """The rows meant, and why these where there are others under one policy and generator."""
    alike = [(x, y) for x in matches(a, board) for y in matches(b, board)
             if x is not y and x.method[1:] == y.method[1:]]  # fmt: skip
    if not alike:
        return _most_run(a, b, board)
    first, second = max(alike, key=lambda pair: (_common_runs(*pair), pair[0].seeds))
    runs = _common_runs(first, second)
    said = (
        f"Of {len(alike)} pairs of {a} and {b} on this board, under one policy and generator each, "
        f"this one has the most runs in common ({runs}); name another as "
        "tokenizer/policy/generator."
    )
    return first, second, said if len(alike) > 1 else ""


def _common_runs(a: Row, b: Row) -> int:
    """Runs of a that b has with the same seeds."""
    return len({run.spec.seed_pair for run in a.runs} & {run.spec.seed_pair for run in b.runs})


def _most_run(a: str, b: str, board: Board) -> tuple[Row, Row, str]:
    """Rows under different policies or generators, such as a tokenizer and a baseline: of several
    of a name, the one with the most runs, the best of them. Raises RecordError where both names fit
    several rows, or one fits several baselines."""
    found = [matches(name, board) for name in (a, b)]
    for name, rows in zip((a, b), found, strict=True):
        if min(map(len, found)) > 1 or (len(rows) > 1 and rows[0].is_baseline):
            choices = listed(sorted(row.name for row in rows))
            raise RecordError(f"{name!r} names {len(rows)} rows; say which: {choices}")
    first, second = (max(rows, key=lambda row: (row.seeds, row.values[HEADLINE])) for rows in found)
    said = [
        f"Of {len(rows)} rows of {name} on this board {row.name} has the most runs ({row.seeds}); "
        "name another as tokenizer/policy/generator."
        for name, rows, row in zip((a, b), found, (first, second), strict=True)
        if len(rows) > 1
    ]
    return first, second, " ".join(said)


def _unknown(name: str, known: Sequence[str], dataset: str) -> str:
    names = sorted({*known, *(row.partition("/")[0] for row in known)})
    near = difflib.get_close_matches(name, names, n=3)
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are: {listed(known)}"
    return f"no row of {dataset} is called {name!r}; {hint}"
