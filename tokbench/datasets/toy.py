"""A small synthetic catalogue whose right answer is known: the demo, and the suite's own ground.

Items live in neighbourhoods of one kind of thing ("Teapots"), and titles tell the kind. A user
stays in a neighbourhood, moves on to the next one, or, by `noise`, goes anywhere. Which
item is taken inside a neighbourhood says nothing about the next one, and most items are rare: so
what can be learnt is learnt about neighbourhoods. Codes that keep them beat codes that do not.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from random import Random
from typing import NamedTuple

from tokbench.api import DatasetSource, Runtime, option
from tokbench.datasets.text import render
from tokbench.types import Dataset, Sequences

TEMPLATE = "Category: {categories}. Title: {title}."
MOVE = 0.3  # probability of moving on to the next neighbourhood
SHORTEST = 5  # items of the shortest sequence

COLOURS = (
    *("amber", "beige", "black", "blue", "brown", "coral", "cream", "green"),
    *("grey", "ivory", "lilac", "orange", "pink", "red", "white", "yellow"),
)
SIZES = ("small", "medium", "large", "extra large")
MATERIALS = {
    "Kitchen": ("ceramic", "enamel", "copper", "cast iron", "glass"),
    "Garden": ("galvanised", "wooden", "terracotta", "plastic", "bamboo"),
    "Stationery": ("leather", "recycled", "linen", "cardboard", "metal"),
    "Clothing": ("cotton", "wool", "silk", "fleece", "denim"),
    "Sports": ("carbon", "rubber", "nylon", "foam", "aluminium"),
    "Toys": ("felt", "beech", "tin", "plush", "cork"),
}
KINDS = {
    "Kitchen": ("teapot", "saucepan", "mixing bowl", "bread knife", "chopping board"),
    "Garden": ("watering can", "planter", "bird feeder", "hand rake", "parasol"),
    "Stationery": ("notebook", "fountain pen", "desk lamp", "stapler", "ring binder"),
    "Clothing": ("scarf", "cardigan", "raincoat", "beanie", "waistcoat"),
    "Sports": ("yoga mat", "tennis racket", "bicycle helmet", "kettlebell", "snorkel"),
    "Toys": ("puzzle", "train set", "kite", "puppet", "spinning top"),
}
NEIGHBOURHOODS = tuple((category, kind) for category, kinds in KINDS.items() for kind in kinds)
VARIANTS = len(COLOURS) * len(SIZES) * 5  # different titles in one neighbourhood


class Dice:
    """Random choices that are the same on every platform and version.

    Only `Random.random()` is used: its sequence is the one that Python promises to keep.
    """

    def __init__(self, seed: int) -> None:
        self.chance = Random(seed).random

    def below(self, stop: int) -> int:
        """A whole number in [0, stop)."""
        return int(self.chance() * stop)

    def weighted(self, cumulative: Sequence[float]) -> int:
        """A position, by weights given as their running sum."""
        return bisect_right(cumulative, self.chance() * cumulative[-1], hi=len(cumulative) - 1)

    def shuffled(self, values: Sequence[int]) -> list[int]:
        """The values in random order (Fisher-Yates)."""
        out = list(values)
        for last in range(len(out) - 1, 0, -1):
            other = self.below(last + 1)
            out[last], out[other] = out[other], out[last]
        return out


class Thing(NamedTuple):
    """An item of the catalogue."""

    title: str
    text: str
    kind: str
    neighbourhood: int


class Toy(DatasetSource):
    """Planted neighbourhoods with readable titles, made from a seed."""

    name = "toy"

    class Config(DatasetSource.Config):
        """Size and difficulty."""

        items: int = option(300, ge=60, le=30 * VARIANTS, description="items in the catalogue")
        users: int = option(1_000, ge=10, le=1_000_000, description="users, one sequence each")
        mean_length: float = option(7.0, ge=SHORTEST, le=50, description="mean items of a sequence")
        noise: float = option(
            0.1, ge=0, le=1, description="probability that the next item is of any neighbourhood"
        )
        seed: int = option(0, ge=0, description="of the catalogue and of the users")

    def load(self, *, runtime: Runtime) -> Dataset:
        """The catalogue and its users; the same configuration always gives the same dataset."""
        dice = Dice(self.config.seed)
        things = make_catalogue(self.config.items, dice)
        rows = walk(things, self.config, dice)
        return Dataset(
            name=self.name,
            item_ids=tuple(f"item-{n}" for n in range(len(things))),
            texts=tuple(thing.text for thing in things),
            titles=tuple(thing.title for thing in things),
            user_ids=tuple(f"user-{u}" for u in range(len(rows))),
            interactions=Sequences.of(rows),
            categories=tuple(thing.kind for thing in things),
        )


def make_catalogue(size: int, dice: Dice) -> list[Thing]:
    """`size` things with different titles, spread evenly over the neighbourhoods, in an order
    that tells nothing about them."""
    variants = [dice.shuffled(range(VARIANTS)) for _ in NEIGHBOURHOODS]
    things = []
    for n in range(size):
        position, neighbourhood = divmod(n, len(NEIGHBOURHOODS))
        things.append(_thing(neighbourhood, variants[neighbourhood][position]))
    return [things[n] for n in dice.shuffled(range(size))]


def _thing(neighbourhood: int, variant: int) -> Thing:
    category, kind = NEIGHBOURHOODS[neighbourhood]
    rest, colour = divmod(variant, len(COLOURS))
    material, size = divmod(rest, len(SIZES))
    title = f"{COLOURS[colour].capitalize()} {MATERIALS[category][material]} {kind}, {SIZES[size]}"
    name = kind.capitalize()
    text = render(TEMPLATE, {"categories": [category, name], "title": title})
    return Thing(title, text, name, neighbourhood)


def walk(things: Sequence[Thing], config: Toy.Config, dice: Dice) -> list[list[int]]:
    """Each user's items: a walk over neighbourhoods that takes no item twice while others last."""
    members: list[list[int]] = [[] for _ in NEIGHBOURHOODS]
    for n, thing in enumerate(things):
        members[thing.neighbourhood].append(n)
    cycle = dice.shuffled(range(len(NEIGHBOURHOODS)))  # a cycle through all, in random order
    successor = dict(zip(cycle, cycle[1:] + cycle[:1], strict=True))
    # Popularity 1 / (rank + 2): a few favourites and a long tail.
    favour = [list(accumulate(1 / (rank + 2) for rank in range(len(row)))) for row in members]
    rows = []
    for _ in range(config.users):
        length = SHORTEST + dice.below(int(2 * (config.mean_length - SHORTEST)) + 1)
        here = dice.below(len(NEIGHBOURHOODS))
        row: list[int] = []
        for _ in range(length):
            row.append(_unseen(members[here], favour[here], row, dice))
            step = dice.chance()
            if step < config.noise:
                here = dice.below(len(NEIGHBOURHOODS))
            elif step < config.noise + MOVE:
                here = successor[here]
        rows.append(row)
    return rows


def _unseen(
    members: Sequence[int], favour: Sequence[float], taken: Sequence[int], dice: Dice
) -> int:
    """An item of the neighbourhood that is not taken yet (any, where all are)."""
    free = set(members).difference(taken)
    while True:
        item = members[dice.weighted(favour)]
        if item in free or not free:
            return item
