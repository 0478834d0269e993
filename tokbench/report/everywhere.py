"""Two tokenizers on every board that has both: a line per pair of rows, and the mean over them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tokbench.errors import RecordError, listed
from tokbench.report.board import HEADLINE, Method, Title, finished, tables, title_of
from tokbench.report.compare import Comparison, compare_rows, matches
from tokbench.report.sheet import Cell, Sheet
from tokbench.schema.record import Record
from tokbench.schema.run_spec import is_baseline
from tokbench.stats.bootstrap import mean_interval


@dataclass(frozen=True)
class Pair:
    """Two rows of one board."""

    title: Title
    a: Method
    b: Method
    found: Comparison


def everywhere(
    records: Sequence[Record], a: str, b: str, *, board: str = "", figure: str = HEADLINE
) -> list[Pair]:
    """Rows of `a` against those of `b` that differ in the tokenizer alone, board by board; a
    baseline, whose policy and generator are its own, against all. `board` is a part of the titles
    of the boards to look at. Raises RecordError where none has such a pair."""
    named = [table for table in tables(records) if board in str(title_of(table))]
    boards = [(table, finished(table)) for table in named]
    pairs = [
        Pair(title_of(table), one, other, compare_rows(table, one, other, figure=figure))
        for table, done in boards
        for one in sorted(matches(a, done))
        for other in sorted(matches(b, done))
        if one != other and _comparable(one, other)
    ]
    if not pairs:
        known = sorted({method[0] for _, done in boards for method in done})
        raise RecordError(
            f"no board has {a!r} and {b!r} under one collision policy and generator; there are "
            f"records of: {listed(known)}; rows that differ in more need --dataset"
        )
    return pairs


def everywhere_sheets(pairs: Sequence[Pair]) -> list[Sheet]:
    """A sheet for each setting, all but the data: pairs and words."""
    settings: dict[str, list[Pair]] = {}
    for pair in pairs:
        settings.setdefault(pair.title.setting, []).append(pair)
    return [_sheet(setting, found) for setting, found in settings.items()]


def verdict(pairs: Sequence[Pair]) -> str:
    """How often A is above B, where they can be told apart, and the mean over datasets."""
    a, b = _name(pairs[0].a), _name(pairs[0].b)
    told = [pair.found.difference > 0 for pair in pairs if pair.found.told_apart]
    said = (
        f"{a} stands above {b} in {sum(pair.found.difference > 0 for pair in pairs)} of "
        f"{len(pairs)} pairs. They can be told apart in {len(told)}: {a} is the better in "
        f"{sum(told)}, the worse in {len(told) - sum(told)}."
    )
    best = list(most_run(pairs))
    if len(best) > 1:
        mean, (low, high) = mean_interval(
            [(pair.found.difference, pair.found.interval) for pair in best]
        )
        said += (
            f" Mean over {len(best)} datasets, of each the pair with the most runs: {mean:+.4f} "
            f"[{low:+.4f}, {high:+.4f}]."
        )
    if any(pair.found.run_sd is None for pair in pairs):
        said += (
            " Where no row of a board was run twice, its intervals do not cover training runs: "
            "read them as too narrow."
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


def _comparable(a: Method, b: Method) -> bool:
    return a[1:] == b[1:] or _is_baseline(a) or _is_baseline(b)


def _is_baseline(method: Method) -> bool:
    return is_baseline(method[0], method[2])


def _name(method: Method) -> str:
    return method[2] if _is_baseline(method) else method[0]


def _sheet(setting: str, pairs: Sequence[Pair]) -> Sheet:
    names = _name(pairs[0].a), _name(pairs[0].b)
    heads = ("dataset", "policy", "generator", "users", "runs", *names,
             "difference", "95 %", "relative", "p")  # fmt: skip
    return Sheet(
        f"{names[0]} against {names[1]} · {pairs[0].found.figure} · {setting}",
        heads,
        tuple(_cells(pair) for pair in pairs),
        verdict(pairs),
    )


def _cells(pair: Pair) -> tuple[Cell, ...]:
    found = pair.found
    shown = pair.b if _is_baseline(pair.a) else pair.a
    return (
        pair.title.dataset,
        *shown[1:],
        found.users,
        "{} / {}".format(*found.seeds),
        *found.means,
        f"{found.difference:+.4f}",
        found.interval,
        f"{100 * found.difference / found.means[1]:+.1f} %" if found.means[1] else "",
        found.p,
    )
