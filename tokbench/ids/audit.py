"""What a code table is like, before anything is trained on it.

Axes: N items, M levels, K codes of a level, G distinct tuples (groups), T = K_1 ... K_M tuples
that the levels could name. Entropies are in nats. Everything is counted over the dataset's items
that the table lists; rows of other items play no part.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tokbench.errors import DatasetError
from tokbench.ids.code_table import CodeTable
from tokbench.scoring.intrinsic.usage import entropy, gini, prefix_members, random_reference
from tokbench.types import Dataset, SemanticIds


@dataclass(frozen=True)
class Coverage:
    """Which items table and dataset have in common."""

    items: int  # of the dataset
    listed: int  # rows of the table
    missing: tuple[str, ...]  # items without codes
    unknown: tuple[str, ...]  # rows without an item


@dataclass(frozen=True)
class CollisionCounts:
    """How often items share a tuple, and how often they would by chance."""

    distinct: int  # G
    duplicate_rate: float  # (N - G) / N: the "collision rate" of LETTER (arXiv 2405.07314)
    items_in_collision: int  # whose tuple another item has too
    collision_share: float  # the same as a share of N (Coll.% of arXiv 2605.25330)
    largest_group: int
    mean_group: float  # N / G
    same_text: int  # items in collision with an item of equal text: no encoder can part them
    gini: float  # of the groups' sizes
    chance: Chance


@dataclass(frozen=True)
class Chance:
    """What is expected of N tuples drawn at random, uniform and independent, from T."""

    duplicate_rate: float
    items_in_collision: float
    collision_share: float


@dataclass(frozen=True)
class Group:
    """Items that share a tuple."""

    codes: tuple[int, ...]
    item_ids: tuple[str, ...]
    titles: tuple[str, ...]


@dataclass(frozen=True)
class LevelUse:
    """How a level's K codes are used."""

    size: int  # K
    used: int
    dead: int  # codes that no item carries
    use: float  # used / K
    entropy: float
    normalized_entropy: float  # entropy / ln K; 0 where K is 1
    perplexity: float  # exp(entropy): as many equally frequent codes would be as hard to guess
    gini: float  # over all K codes, dead ones included
    top_share: float  # share of the items that carry the most frequent code


@dataclass(frozen=True)
class PrefixDepth:
    """The prefix tree at one depth; prefixes are the first `depth` codes of a tuple."""

    depth: int
    prefixes: int  # distinct ones
    branching: float  # prefixes / prefixes one level up
    largest: int  # items under the most crowded prefix
    conditional_entropy: float  # H(c_depth | c_1 .. c_(depth - 1))


@dataclass(frozen=True)
class Audit:
    """All findings on one table."""

    sizes_known: bool  # False: K is the largest code + 1, so dead codes may be undercounted
    coverage: Coverage
    collisions: CollisionCounts
    groups: tuple[Group, ...]  # the largest ones
    levels: tuple[LevelUse, ...]
    prefixes: tuple[PrefixDepth, ...]


def audit_table(table: CodeTable, dataset: Dataset, *, groups: int = 10) -> Audit:
    """Everything this module finds; `groups` is how many of the largest groups are listed.

    Raises DatasetError when the table has none of the dataset's items.
    """
    rows = table.rows_of(dataset.item_ids)
    listed = np.flatnonzero(rows >= 0)
    if not len(listed):
        raise DatasetError(
            f"the table has none of the {len(rows)} items of {dataset.name!r}: its ids are such "
            f"as {table.item_ids[0]!r}, the dataset's such as {dataset.item_ids[0]!r}",
            remedy="audit it with the dataset whose items it codes",
        )
    ids = SemanticIds(table.ids.codes[rows[listed]], table.ids.level_sizes)
    return Audit(
        sizes_known=table.sizes_known,
        coverage=compare_items(table.item_ids, dataset.item_ids),
        collisions=count_collisions(ids, [dataset.texts[n] for n in listed]),
        groups=tuple(
            Group(
                codes,
                tuple(dataset.item_ids[listed[n]] for n in members),
                tuple(dataset.titles[listed[n]] for n in members),
            )
            for codes, members in largest_groups(ids, groups)
        ),
        levels=tuple(use_of_level(ids, level) for level in range(ids.levels)),
        prefixes=prefix_depths(ids),
    )


def compare_items(listed: Sequence[str], items: Sequence[str]) -> Coverage:
    """Items of a dataset without codes, and codes without an item, each in file order."""
    coded, known = set(listed), set(items)
    return Coverage(
        items=len(items),
        listed=len(listed),
        missing=tuple(item for item in items if item not in coded),
        unknown=tuple(item for item in listed if item not in known),
    )


def count_collisions(ids: SemanticIds, texts: Sequence[str]) -> CollisionCounts:
    """Collisions among items; both common meanings of "collision rate", since papers differ."""
    _, member, sizes = ids.groups()
    n, shared = len(ids), int(sizes[sizes > 1].sum())
    alike = Counter(zip(member.tolist(), texts, strict=True))
    return CollisionCounts(
        distinct=len(sizes),
        duplicate_rate=(n - len(sizes)) / n,
        items_in_collision=shared,
        collision_share=shared / n,
        largest_group=int(sizes.max()),
        mean_group=n / len(sizes),
        same_text=sum(count for count in alike.values() if count > 1),
        gini=gini(sizes),
        chance=expect_by_chance(n, ids.level_sizes),
    )


def expect_by_chance(items: int, level_sizes: Sequence[int]) -> Chance:
    """Exact expectations for N items on T tuples, uniform and independent."""
    figures = random_reference(items, level_sizes)
    share = figures["random/items_in_collision"]
    return Chance(figures["random/duplicate_rate"], items * share, share)


def largest_groups(ids: SemanticIds, most: int) -> list[tuple[tuple[int, ...], list[int]]]:
    """(codes, rows) of the `most` largest groups of at least two items, larger first, then by
    codes."""
    tuples, member, sizes = ids.groups()
    order = np.argsort(-sizes, kind="stable")[:most]
    return [
        (tuple(tuples[group].tolist()), np.flatnonzero(member == group).tolist())
        for group in order
        if sizes[group] > 1
    ]


def use_of_level(ids: SemanticIds, level: int) -> LevelUse:
    """Use, entropy and balance of a level's codes over the items (level from 0)."""
    size = ids.level_sizes[level]
    counts = np.bincount(ids.codes[:, level], minlength=size)
    used, nats = int((counts > 0).sum()), entropy(counts)
    return LevelUse(
        size=size,
        used=used,
        dead=size - used,
        use=used / size,
        entropy=nats,
        normalized_entropy=nats / math.log(size) if size > 1 else 0.0,
        perplexity=math.exp(nats),
        gini=gini(counts),
        top_share=float(counts.max() / len(ids)),
    )


def prefix_depths(ids: SemanticIds) -> tuple[PrefixDepth, ...]:
    """The prefix tree at depth 1..M.

    By the chain rule H(c_m | c_1 .. c_(m-1)) = H(c_1 .. c_m) - H(c_1 .. c_(m-1)).
    """
    depths = []
    above, known = 1, 0.0
    for depth, members in enumerate(prefix_members(ids), 1):
        counts = np.bincount(members)
        nats = entropy(counts)
        depths.append(
            PrefixDepth(
                depth=depth,
                prefixes=len(counts),
                branching=len(counts) / above,
                largest=int(counts.max()),
                conditional_entropy=max(0.0, nats - known),
            )
        )
        above, known = len(counts), nats
    return tuple(depths)
