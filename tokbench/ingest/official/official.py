"""The official raw files of each named dataset, where to get them, and the counts to compare with.

Each has terms of its own (`licence`): nothing of any comes with tokbench.
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
# The revision of the hub's Amazon 2023 files; their benchmark folder is as of February 2024.
AMAZON_2023 = (
    f"{HUB}/McAuley-Lab/Amazon-Reviews-2023/resolve/2b6d039ed471f2ba5fd2acb718bf33b0a7e5598e"
)
Release = Literal["mind", "2014", "2018", "2023", "movielens", "steam", "microlens", "yelp", "food"]


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
    about: str = ""  # what it is and who published it
    licence: str = ""  # the terms in a few words


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
    about = f"Amazon 2014, {category.replace('_', ' ')}, 5-core (He & McAuley, WWW 2016)"
    return Official(name, {"2014-5core": source}, recipe, published, (recipe,), about, AMAZON_TERMS)


def _five_core_2023(name: str, category: str, published: Published) -> Official:
    """The official 5-core with its last-out split, which leave-one-out repeats."""
    hub = (f"benchmark/5core/rating_only/{category}.csv",
           f"raw/meta_categories/meta_{category}.jsonl")  # fmt: skip
    sources = {
        "2023-5core": _source("2023", hub, AMAZON_2023),
        "2023-5core-ucsd": _source(
            "2023",
            [f"{path}.gz" for path in hub],
            f"{UCSD}/amazon_2023",
            f"{UCSD_MIRROR}/amazon_2023",
        ),
    }
    grid = tuple(DataRecipe(source=source, text="any") for source in sources)
    about = f"Amazon 2023, {category.replace('_', ' ')}, 5-core (Hou et al., arXiv 2403.03952)"
    return Official(name, sources, grid[0], published, grid, about, AMAZON_TERMS)


def _one(name: str, source: Source, recipe: DataRecipe, published: Published, about: str,
         licence: str) -> Official:  # fmt: skip
    return Official(name, {recipe.source: source}, recipe, published, (recipe,), about, licence)


def _by_hand(release: Release, page: str, *names: str) -> Source:
    """Files that their publisher gives only to people: no program can fetch them."""
    return Source(tuple(RawFile(name, (), page=page) for name in names), release)


AMAZON_TERMS = "research use with citation"
PAPER = "CoST, Table 1"
SETS_OF_2023 = "ETEGRec (Liu et al., SIGIR 2025), Table 1"
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
            "MIND, the Microsoft News Dataset (Wu et al., ACL 2020)",
            "Microsoft Research License Terms, research only",
        ),
        Official(
            "office-s",
            OFFICE_SOURCES,
            DataRecipe(source="2014", shortest=10, longest=20, too_long="drop"),
            Published(PAPER, 2_868, 14_618, 13.21, shortest=10, longest=20, median=12),
            _office_grid(10, 20),
            "Amazon 2014, Office Products (He & McAuley, WWW 2016)",
            AMAZON_TERMS,
        ),
        Official(
            "office-l",
            OFFICE_SOURCES,
            DataRecipe(source="2014", shortest=5, longest=50),
            Published(PAPER, 16_696, 37_347, 8.38, shortest=5, longest=50, median=12),
            _office_grid(5, 50),
            "Amazon 2014, Office Products (He & McAuley, WWW 2016)",
            AMAZON_TERMS,
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
        _five_core_2023(
            "instruments",
            "Musical_Instruments",
            Published(SETS_OF_2023, 57_439, 24_587, 8.911, shortest=5, interactions=511_836),
        ),
        _five_core_2023(
            "scientific",
            "Industrial_and_Scientific",
            Published(SETS_OF_2023, 50_985, 25_848, 8.099, shortest=5, interactions=412_947),
        ),
        _five_core_2023(
            "games-2023",
            "Video_Games",
            Published(SETS_OF_2023, 94_762, 25_612, 8.596, shortest=5, interactions=814_586),
        ),
        _one(
            "movielens-1m",
            _source("movielens", ["ml-1m.zip"], "https://files.grouplens.org/datasets/movielens"),
            DataRecipe(source="1m", text="any"),
            Published(
                "README of ml-1m", 6_040, 3_706, 165.598, shortest=20, interactions=1_000_209
            ),
            "MovieLens 1M (Harper & Konstan, ACM TiiS 2015)",
            "research use with citation, no redistribution",
        ),
        _one(
            "steam",
            _source("steam", ["steam_reviews.json.gz", "steam_games.json.gz"], f"{UCSD}/steam"),
            DataRecipe(source="reviews", text="any", item_users=5, fixpoint=True),
            Published("SASRec (Kang & McAuley, ICDM 2018), Table II", 334_730, 13_047, 11.0),
            "Steam reviews (Kang & McAuley, ICDM 2018)",
            "research use with citation",
        ),
        _one(
            "microlens",
            _by_hand(
                "microlens",
                "https://recsys.westlake.edu.cn/MicroLens-50k-Dataset/",
                "MicroLens-50k_pairs.csv",
                "MicroLens-50k_titles.csv",
            ),
            DataRecipe(source="50k", text="any"),
            Published("MicroLens-50K as released", 50_000, 19_220, 7.194, interactions=359_708),
            "MicroLens-50K, micro-videos (Ni et al., arXiv 2309.15379)",
            "research use with citation",
        ),
        _one(
            "yelp",
            _by_hand(
                "yelp",
                "https://business.yelp.com/data/resources/open-dataset/",
                "yelp_academic_dataset_review.json",
                "yelp_academic_dataset_business.json",
            ),
            DataRecipe(
                source="open",
                text="any",
                since="2019-01-01",
                until="2019-12-31",
                item_users=5,
                fixpoint=True,
            ),
            Published(SETS_OF_P5, 30_431, 20_033, 10.396, shortest=5, interactions=316_354),
            "Yelp Open Dataset, reviews of 2019, 5-core (as S3-Rec and P5 cut it)",
            "Yelp's dataset terms, academic use only",
        ),
        _one(
            "food-com",
            _by_hand(
                "food",
                "https://www.kaggle.com/datasets/shuyangli94/"
                "food-com-recipes-and-user-interactions",
                "RAW_interactions.csv",
                "RAW_recipes.csv",
            ),
            DataRecipe(source="raw", text="any", item_users=5, fixpoint=True),
            Published(
                "SeqRecBenchmark-Datasets, food",
                17_813,
                41_240,
                31.192,
                shortest=5,
                interactions=555_618,
            ),
            "Food.com recipes and reviews (Majumder et al., EMNLP 2019)",
            "research use with citation",
        ),
    )
}
