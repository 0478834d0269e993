"""Category prefix: the control without learning that learned codes have to beat.

SIDInspector (arXiv 2606.10375) reports that codes which begin with the item's category agree with
co-occurrence better than learned ones. Here level 1 is the category, or a group of similar ones
where there are more than K; level 2 starts anew for each category of a group; the levels below
number the items of a category.

The tuples of a group are slots 0 .. K^(M-1) - 1, written in base K below level 1. A category takes
whole blocks of slots, each of which is one code of level 2:

    group:      | category a      | category b | free ...
    level 2:      0        1        2            3
    level 3:      0 .. 63  0 .. 9   0 .. 41

Axes: N items, C categories, M levels, K codes, B blocks.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

import tokbench
from tokbench import Catalog, Runtime, SemanticIds, Tokenizer, hookimpl, option
from tokbench.errors import ConfigError
from tokbench.types import Floats, Ints


class CategoryPrefix(Tokenizer):
    """The category first, then a number inside it."""

    name = "category-prefix"
    citation = "the category-prefix control of SIDInspector, arXiv 2606.10375"
    presets = {"kmeans": {"within": "kmeans"}}

    class Config(tokbench.Config):
        """The shape of the tuples, and what follows the category."""

        levels: int = option(3, ge=2, le=8, symbol="M", description="codes per item")
        codebook_size: int = option(64, ge=2, le=4096, symbol="K", description="codes per level")
        within: Literal["enumerate", "kmeans"] = option(
            "enumerate",
            description="enumerate: the items of a category are numbered in an order drawn from "
            "the seed, so nothing but the category is told; kmeans: the codes of level 2 that a "
            "category has are clusters of its items' embeddings",
        )

    config: Config

    def tokenize(self, catalog: Catalog, *, seed: int, runtime: Runtime) -> SemanticIds:
        """Number the items group by group.

        Raises ConfigError where the catalogue has no categories, or more than K^2.
        """
        levels, size = self.config.levels, self.config.codebook_size
        category = self.numbered(catalog)
        group = self.groups(catalog, category, seed)
        chance = np.random.default_rng(seed)
        slots = np.zeros(len(catalog), np.int64)
        for one in np.unique(group):
            members = chance.permutation(np.flatnonzero(group[category] == one))
            slots[members] = self.slots(catalog.embeddings[members], category[members], seed)
        powers = size ** np.arange(levels - 2, -1, -1)
        digits = slots[:, None] % (size ** (levels - 1)) // powers % size
        codes = np.column_stack([group[category], digits]).astype(np.int32)
        return SemanticIds(codes, (size,) * levels)

    def numbered(self, catalog: Catalog) -> Ints:
        """[N] the category of each item in [0, C), by name; items without one share one."""
        if catalog.categories is None:
            raise ConfigError(
                f"{self.name}: the dataset has no categories, so there is no prefix to make (give "
                "items a 'category' or 'categories' field in items.jsonl, or leave this row out)"
            )
        names, number = np.unique(np.array(catalog.categories), return_inverse=True)
        most = self.config.codebook_size**2
        if len(names) > most:
            raise ConfigError(
                f"{self.name}: {len(names)} categories do not fit into two levels of "
                f"codebook_size={self.config.codebook_size}, {most} at most (raise it)"
            )
        return number.astype(np.int64)

    def groups(self, catalog: Catalog, category: Ints, seed: int) -> Ints:
        """[C] the first code of each category: its own number, or, where categories outnumber
        codes, the cluster of its mean embedding, K categories to a cluster at most."""
        from tokbench.nn.kmeans import bounded_kmeans, means

        size, count = self.config.codebook_size, int(category.max()) + 1
        if count <= size:
            return np.arange(count)
        width = catalog.embeddings.shape[1]
        centres = means(catalog.embeddings, category, np.zeros((count, width), np.float32))
        return bounded_kmeans(centres, size, lower=0, upper=size, seed=seed).astype(np.int64)

    def slots(self, embeddings: Floats, category: Ints, seed: int) -> Ints:
        """A slot for each item of a group, in blocks of one category.

        Where the categories need more blocks than there are, slots go on past the last one:
        the surplus shares tuples, which is for the collision policy to resolve.
        """
        from tokbench.nn.kmeans import bounded_kmeans

        block = self.config.codebook_size ** (self.config.levels - 2)  # slots to a code of level 2
        found, sizes = np.unique(category, return_counts=True)
        blocks = self.blocks(sizes, block)
        slots = np.zeros(len(category), np.int64)
        for one, first, count in zip(found, np.cumsum(blocks) - blocks, blocks, strict=True):
            members = np.flatnonzero(category == one)
            place = np.arange(len(members)) // block
            if self.config.within == "kmeans":
                place = bounded_kmeans(
                    embeddings[members], int(count), lower=0, upper=block, seed=seed
                )
            slots[members] = (first + place) * block + running(place)
        return slots

    def blocks(self, sizes: Ints, block: int) -> Ints:
        """How many blocks each category of a group gets: what its items need, and for clusters
        its share of those that are left over (never more than it has items)."""
        need = -(-sizes // block)
        left = max(self.config.codebook_size - int(need.sum()), 0)
        if self.config.within == "enumerate":
            left = 0
        blocks: Ints = np.minimum(need + left * sizes // sizes.sum(), sizes)
        return blocks


def running(place: Ints) -> Ints:
    """[N] how many earlier entries have the same value: 0 0 1 2 for a b b b."""
    order = place.argsort(kind="stable")
    _, starts, counts = np.unique(place[order], return_index=True, return_counts=True)
    numbers = np.empty_like(place)
    numbers[order] = np.arange(len(place)) - np.repeat(starts, counts)
    return numbers


@hookimpl
def register_tokenizers() -> list[type[Tokenizer]]:
    """What this package offers."""
    return [CategoryPrefix]
