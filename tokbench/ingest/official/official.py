"""The official raw files of each named dataset, where to get them, and the counts to compare with.

MIND is free for research under the Microsoft Research License Terms, the Amazon releases are
offered for research with citation: nothing of either comes with tokbench.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Literal

from tokbench.errors import UnknownComponentError, listed
from tokbench.ingest.download import RawFile
from tokbench.ingest.official.recipe import DataRecipe, Published

RECODATASETS = "https://recodatasets.z20.web.core.windows.net/newsrec"
HUB = "https://huggingface.co/datasets"
SNAP = "https://snap.stanford.edu/data/amazon/productGraph/categoryFiles"
UCSD = "https://mcauleylab.ucsd.edu/public_datasets/data"
UCSD_MIRROR = "https://datarepo.eng.ucsd.edu/mcauley_group/data"
Release = Literal["mind", "2014", "2018", "2023"]


@dataclass(frozen=True)
class Source:
    """One reading of the raw files: for MIND its parts, for Amazon events and then metadata."""

    files: tuple[RawFile, ...]
    release: Release


@dataclass(frozen=True)
class Official:
    """A named dataset: what it is made from, how, and what was published about it."""

    name: str
    sources: Mapping[str, Source]
    recipe: (
        DataRecipe  # the reading closest to the text of the source; not claimed to be the author's
    )
    published: Published
    grid: Sequence[DataRecipe] = field(default_factory=tuple)


def official(name: str) -> Official:
    """The dataset of that name. Raises UnknownComponentError listing those there are."""
    if name not in DATASETS:
        raise UnknownComponentError(
            f"no official dataset {name!r}; there are: {listed(list(DATASETS))}"
        )
    return DATASETS[name]


def _source(release: Release, paths: Sequence[str], *hosts: str) -> Source:
    """The files at `paths` of each host, the best host first."""
    files = [
        RawFile(path.rpartition("/")[2], tuple(f"{host}/{path}" for host in hosts))
        for path in paths
    ]
    return Source(tuple(files), release)


def _mind(*parts: str) -> Source:
    paths = [f"MIND{part}.zip" for part in parts]
    return _source("mind", paths, RECODATASETS, f"{HUB}/Recommenders/MIND/resolve/main")


def _amazon_2014(events: str, category: str) -> Source:
    """`events`: file name pattern of the ratings or of the reviews."""
    paths = (events.format(category), f"meta_{category}.json.gz")
    return _source("2014", paths, SNAP, f"{UCSD}/amazon/categoryFiles")


def _amazon_2018(category: str) -> Source:
    paths = (f"categoryFilesSmall/{category}.csv", f"metaFiles2/meta_{category}.json.gz")
    return _source("2018", paths, f"{UCSD}/amazon_v2", f"{UCSD_MIRROR}/amazon_v2")


def _amazon_2023(category: str) -> Source:
    paths = (f"review_categories/{category}.jsonl.gz", f"meta_categories/meta_{category}.jsonl.gz")
    return _source("2023", paths, f"{UCSD}/amazon_2023/raw", f"{UCSD_MIRROR}/amazon_2023/raw")


MIND_SOURCES = {
    "small-train": _mind("small_train"),
    "small-train+dev": _mind("small_train", "small_dev"),
    "large-train": _mind("large_train"),
    "large-train+dev": _mind("large_train", "large_dev"),
}
OFFICE_SOURCES = {
    "2014": _amazon_2014("ratings_{}.csv", "Office_Products"),
    "2014-5core": _amazon_2014("reviews_{}_5.json.gz", "Office_Products"),
    "2018": _amazon_2018("Office_Products"),
    "2023": _amazon_2023("Office_Products"),
}
MIND_GRID = tuple(
    DataRecipe.model_validate(
        {"source": source, "stream": stream, "item_users": item_users, "shortest": 15}
        | {"longest": 70, "too_long": too_long, "fixpoint": fixpoint}
    )
    for source, stream, item_users, too_long, fixpoint in product(
        MIND_SOURCES,
        ("history", "history+clicks"),
        (0, 5, 15),
        ("cap", "drop", "drop-last"),
        (False, True),
    )
)


def _office_grid(shortest: int, longest: int) -> tuple[DataRecipe, ...]:
    return tuple(
        DataRecipe.model_validate(
            {"source": source, "text": text, "repeats": repeats, "item_users": item_users}
            | {"shortest": shortest, "longest": longest, "too_long": too_long}
        )
        for source, text, repeats, item_users, too_long in product(
            OFFICE_SOURCES, ("any", "required"), ("keep", "first"), (0, 5), ("cap", "drop")
        )
    )


def _five_core(name: str, category: str, published: Published) -> Official:
    source = _amazon_2014("reviews_{}_5.json.gz", category)
    recipe = DataRecipe(source="2014-5core", text="any")
    return Official(name, {"2014-5core": source}, recipe, published, (recipe,))


PAPER = "CoST, Table 1"
SETS_OF_P5 = "P5 (Geng et al., RecSys 2022), Table 1"
DATASETS = {
    entry.name: entry
    for entry in (
        Official(
            "mind",
            MIND_SOURCES,
            DataRecipe(source="small-train", item_users=15, shortest=15, longest=70),
            Published(PAPER, 29_207, 12_251, 25.06, shortest=15, longest=70, median=22),
            MIND_GRID,
        ),
        Official(
            "office-s",
            OFFICE_SOURCES,
            DataRecipe(source="2014", shortest=10, longest=20, too_long="drop"),
            Published(PAPER, 2_868, 14_618, 13.21, shortest=10, longest=20, median=12),
            _office_grid(10, 20),
        ),
        Official(
            "office-l",
            OFFICE_SOURCES,
            DataRecipe(source="2014", shortest=5, longest=50),
            Published(PAPER, 16_696, 37_347, 8.38, shortest=5, longest=50, median=12),
            _office_grid(5, 50),
        ),
        _five_core(
            "office-5core",
            "Office_Products",
            Published("5-core of the 2014 release", 4_905, 2_420, 10.858, 5, 94, 7, 53_258),
        ),
        _five_core(
            "beauty",
            "Beauty",
            Published(SETS_OF_P5, 22_363, 12_101, 8.876, shortest=5, interactions=198_502),
        ),
        _five_core(
            "sports",
            "Sports_and_Outdoors",
            Published(SETS_OF_P5, 35_598, 18_357, 8.325, shortest=5, interactions=296_337),
        ),
        _five_core(
            "toys",
            "Toys_and_Games",
            Published(SETS_OF_P5, 19_412, 11_924, 8.634, shortest=5, interactions=167_597),
        ),
    )
}
