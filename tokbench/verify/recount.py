"""Every figure of a record once more, by counting: the second opinion that `verify` compares with.

Deliberately not the code that made the figures (scoring/metrics.py works on whole arrays with
prefix sums): here a query's credit is a sum over the ranks that the tie rule allows, written out,
and sums are exact (`math.fsum`). Slow and plain, yet a record takes a fraction of a second, since
users with the same three integers are counted once.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from tokbench.types import Placement, SemanticIds

CUTOFFS = (5, 10, 20, 40)
TIES = ("expected", "code-level", "optimistic", "pessimistic", "cce")

Triple = tuple[int, int, int]  # position, ahead, group of one query
Query = TypeVar("Query", Triple, int, bool)


def recalls(placement: Placement, owners: list[int] | None) -> Iterator[tuple[str, float, float]]:
    """(name, mean over users, standard error) of Recall and NDCG at every cutoff and tie rule.

    `owners` is the user of each query; None where every user has one.
    """
    columns = (placement.position, placement.ahead, placement.group)
    users = _by_user(list(zip(*(column.tolist() for column in columns), strict=True)), owners)
    worths: dict[str, Callable[[int], float]] = {"recall": lambda rank: 1.0, "ndcg": _discount}
    for metric, k, ties in itertools.product(worths, CUTOFFS, TIES):
        name = f"{metric}@{k}" if ties == "expected" else f"{metric}@{k}/{ties}"
        yield name, *_mean_and_error([
            (_mean([_credit(query, worths[metric], k, ties) for query in user]), n)
            for user, n in users.items()
        ])  # fmt: skip


def bits(millibits: list[int], owners: list[int] | None) -> tuple[float, float]:
    """(mean over users, standard error) of the bits per item."""
    users = _by_user(millibits, owners)
    return _mean_and_error([(_mean([one / 1000 for one in user]), n) for user, n in users.items()])


def share(queries: list[bool], owners: list[int] | None) -> float:
    """Of the queries for which it holds, mean over users."""
    users = _by_user(queries, owners)
    shares = [(_mean([float(one) for one in user]), n) for user, n in users.items()]
    return _mean_and_error(shares)[0]


def _by_user(queries: list[Query], owners: list[int] | None) -> Counter[tuple[Query, ...]]:
    """How many users have these queries, in their order."""
    found: dict[int, list[Query]] = {}
    for owner, query in zip(owners or range(len(queries)), queries, strict=True):
        found.setdefault(owner, []).append(query)
    return Counter(map(tuple, found.values()))


def _mean(values: list[float]) -> float:
    return math.fsum(values) / len(values)


def _discount(rank: int) -> float:
    return 1.0 / math.log2(rank + 1)


def _credit(query: Triple, worth: Callable[[int], float], k: int, ties: str) -> float:
    """What one query adds: the mean worth of the ranks (from 1) the target may stand at."""
    position, ahead, group = query
    if position < 0:
        return 0.0
    # Ranks beyond k are worth nothing: a group of any size is a range of at most k.
    ranks, share = {
        "expected": (range(ahead + 1, min(ahead + group, k) + 1), group),
        "code-level": (range(position + 1, position + 2), 1),
        "optimistic": (range(ahead + 1, ahead + 2), 1),
        "pessimistic": (range(ahead + group, ahead + group + 1), 1),
        "cce": (range(position + 1, position + 2), group),
    }[ties]
    return math.fsum(worth(rank) for rank in ranks if 1 <= rank <= k) / share


def _mean_and_error(credits: list[tuple[float, int]]) -> tuple[float, float]:
    """Of (value, how many users have it)."""
    q = sum(count for _, count in credits)
    mean = math.fsum(value * count for value, count in credits) / q
    variance = math.fsum(count * (value - mean) ** 2 for value, count in credits) / q
    return mean, math.sqrt(variance / q)


def collisions(ids: SemanticIds) -> dict[str, float]:
    """Duplicates, crowding and use of codes, counted tuple by tuple."""
    n = len(ids)
    rows = [tuple(row) for row in ids.codes.tolist()]
    sizes = Counter(rows)
    figures = {
        "duplicate_rate": (n - len(sizes)) / n,
        "items_in_collision": sum(sizes[row] > 1 for row in rows) / n,
        "max_group": float(max(sizes.values())),
    }
    for level, size in enumerate(ids.level_sizes):
        counts = Counter(row[level] for row in rows).values()
        nats = -math.fsum(count / n * math.log(count / n) for count in counts)
        figures[f"use/level{level + 1}"] = len(counts) / size
        figures[f"entropy/level{level + 1}"] = nats / math.log(size) if size > 1 else 0.0
    return figures


def usage(ids: SemanticIds) -> dict[str, float]:
    """The intrinsic figures that follow from codes alone, counted row by row."""
    rows = [tuple(row) for row in ids.codes.tolist()]
    n, total = len(rows), math.prod(ids.level_sizes)
    figures = {"gini/tuples": _gini(list(Counter(rows).values()))}
    if total < 10**6:  # beyond, this form of the expectation loses digits
        figures["random/duplicate_rate"] = 1 - total * (1 - (1 - 1 / total) ** n) / n
        figures["random/items_in_collision"] = 1 - (1 - 1 / total) ** (n - 1)
    before: Counter[tuple[int, ...]] = Counter({(): n})
    for level, size in enumerate(ids.level_sizes):
        counts = Counter(row[level] for row in rows)
        prefixes = Counter(row[: level + 1] for row in rows)
        nats, most = _nats(counts, n), math.log(size) if size > 1 else math.inf
        name = f"level{level + 1}"
        figures[f"use/{name}"] = len(counts) / size
        figures[f"entropy/{name}"] = nats / most
        figures[f"perplexity/{name}"] = math.exp(nats)
        figures[f"gini/{name}"] = _gini(list(counts.values()), unused=size - len(counts))
        figures[f"conditional_entropy/{name}"] = (_nats(prefixes, n) - _nats(before, n)) / most
        figures[f"prefixes/depth{level + 1}"] = float(len(prefixes))
        figures[f"branching/depth{level + 1}"] = len(prefixes) / len(before)
        before = prefixes
    return figures


def _nats(counts: Counter[Any], n: int) -> float:
    return -math.fsum(count / n * math.log(count / n) for count in counts.values())


def _gini(counts: list[int], unused: int = 0) -> float:
    """Half the mean absolute difference over all ordered pairs of these counts and so many 0s, by
    the mean; pairs of equal counts differ by 0, so distinct counts are paired once."""
    kinds = Counter(counts) + Counter({0: unused})
    pairs = itertools.product(kinds.items(), kinds.items())
    differences = sum(m * n * abs(a - b) for (a, m), (b, n) in pairs)
    return differences / (2 * (len(counts) + unused) * sum(counts))


def group_sizes(ids: SemanticIds) -> list[int]:
    """Items per tuple, largest first."""
    return sorted(Counter(tuple(row) for row in ids.codes.tolist()).values(), reverse=True)
