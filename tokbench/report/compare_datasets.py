"""Two tokenizers on every board that has both: a line per pair of rows, and the mean over them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tokbench.errors import RecordError, listed
from tokbench.report.compare import Comparison, compare_rows, matches
from tokbench.report.difference import Difference
from tokbench.report.outcomes import HEADLINE
from tokbench.report.result_set import ResultSet, Title
from tokbench.report.rows import USERS_ONLY, Row
from tokbench.report.tables import Column, Entry, Table
from tokbench.stats.estimate import mean

SEEN = "seen: the true difference that such a test finds four times in five."
IN_BITS = "bits: difference in bits per item, fewer are better."


@dataclass(frozen=True)
class Pair:
    """Two rows of one board."""

    title: Title
    a: Row
    b: Row
    found: Comparison


def compare_datasets(
    results: ResultSet, a: str, b: str, *, board: str = "", figure: str = HEADLINE
) -> list[Pair]:
    """Rows of `a` against those of `b` that differ in the tokenizer alone, board by board; a
    baseline, whose policy and generator are its own, against all. `board` is a part of the titles
    of the boards to look at. Raises RecordError where none has such a pair."""
    boards = [one for one in results.boards if board in str(one.title)]
    pairs = [
        Pair(one.title, first, second, compare_rows(one, first, second, figure=figure))
        for one in boards
        for first in sorted(matches(a, one), key=lambda row: row.method)
        for second in sorted(matches(b, one), key=lambda row: row.method)
        if first is not second and _comparable(first, second)
    ]
    if not pairs:
        known = sorted({row.tokenizer for one in boards for row in one.rows})
        raise RecordError(
            f"no board has {a!r} and {b!r} under one collision policy and generator; there are "
            f"records of: {listed(known)}; rows that differ in more need --dataset"
        )
    return pairs


def tables(pairs: Sequence[Pair]) -> list[Table]:
    """A table for each setting, all but the data: pairs and what follows."""
    settings: dict[str, list[Pair]] = {}
    for pair in pairs:
        settings.setdefault(pair.title.setting, []).append(pair)
    return [_table(setting, found) for setting, found in settings.items()]


def verdict(pairs: Sequence[Pair]) -> str:
    """How often A is above B, and significantly, and the mean over datasets."""
    a, b = _name(pairs[0].a), _name(pairs[0].b)
    found = [pair.found.difference for pair in pairs]
    signs = [difference.sign for difference in found]
    said = (
        f"{a} stands above {b} in {sum(difference.mean > 0 for difference in found)} of "
        f"{len(pairs)} pairs. {len(signs) - signs.count(0)} are significantly different, each "
        f"tested alone: {a} is the better in {signs.count(1)}, the worse in {signs.count(-1)}."
    )
    blind = sum(not difference.covers_runs for difference in found)
    if blind:
        said += (
            f" Of {blind} nothing can be claimed (users only): no row of the family was run twice, "
            "so intervals and p do not cover training runs."
        )
    best = list(most_run(pairs))
    if len(best) > 1:
        over = Difference.of(mean([pair.found.estimate for pair in best]))
        said += (
            f" Mean over {len(best)} datasets, of each the pair with the most runs: {over}"
            f"{'' if over.covers_runs else ', not covering the training runs of all'}."
        )
    return said


def most_run(pairs: Sequence[Pair]) -> Iterator[Pair]:
    """Of each dataset the pair with the most runs, the first of those: its users count once."""
    datasets: dict[tuple[str, str], list[Pair]] = {}
    for pair in pairs:
        key = (pair.title.dataset, pair.title.dataset_digest)
        datasets.setdefault(key, []).append(pair)
    for found in datasets.values():
        yield max(found, key=lambda pair: sorted(pair.found.seeds))


def _comparable(a: Row, b: Row) -> bool:
    return a.method[1:] == b.method[1:] or a.is_baseline or b.is_baseline


def _name(row: Row) -> str:
    return row.generator if row.is_baseline else row.tokenizer


def _table(setting: str, pairs: Sequence[Pair]) -> Table:
    names = _name(pairs[0].a), _name(pairs[0].b)
    columns = (
        Column("dataset"), Column("policy"), Column("generator"), Column("users", "count"),
        Column("runs"), *(Column(name, "figure") for name in names),
        Column("difference", "difference"), Column("95 %", "interval"), Column("relative"),
        Column("gain ruled out"), Column("p", "figure"), Column("seen"), Column("remark"),
    )  # fmt: skip
    title = f"{names[0]} against {names[1]} · {pairs[0].found.figure} · {setting}"
    bits = any(pair.found.bits for pair in pairs)
    if bits:
        columns += (Column("bits", "difference"), Column("95 %, bits", "interval"),
                    Column("seen, bits"))  # fmt: skip
    rows = (_entries(pair) + (_bits(pair) if bits else ()) for pair in pairs)
    said = verdict(pairs) + (f" {SEEN} {IN_BITS}" if bits else f" {SEEN}")
    return Table(title, columns, tuple(rows), said)


def _bits(pair: Pair) -> tuple[Entry, ...]:
    """Difference in bits per item, its interval, and what would have been found."""
    found = pair.found.bits
    if found is None:
        return None, None, ""
    return found.difference.mean, found.difference.interval, found.seen


def _entries(pair: Pair) -> tuple[Entry, ...]:
    found = pair.found
    shown = pair.b if pair.a.is_baseline else pair.a
    difference, base = found.difference, found.means[1]
    return (
        pair.title.dataset,
        *shown.method[1:],
        found.users,
        "{} / {}".format(*found.seeds),
        *found.means,
        difference.mean,
        difference.interval,
        f"{100 * difference.mean / base:+.1f} %" if base else "",
        "" if found.ruled_out is None else f"> {100 * found.ruled_out:.1f} %",
        difference.p,
        found.seen,
        "" if difference.covers_runs else USERS_ONLY,
    )
