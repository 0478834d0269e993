"""MovieLens, Steam, MicroLens, Yelp, Food.com, Amazon 2023: files in the official layouts."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.ingest.official.official_files import (
    json_lines,
    python_literals,
    write_gz,
    write_zip,
)  # fmt: skip
from tokbench.api import Runtime
from tokbench.datasets.folder import Folder
from tokbench.errors import DatasetError
from tokbench.ingest.official.official import official
from tokbench.ingest.official.prepare import prepare
from tokbench.ingest.official.recipe import DataRecipe
from tokbench.types import Dataset

USERS, ITEMS = 6, 7  # every user takes every item but one, so all survive a 5-core
PAIRS = [(u, i) for u in range(USERS) for i in range(ITEMS) if i != u]


def day(n: int) -> str:
    return f"2019-01-{n + 1:02}"


def movielens(raw: Path) -> None:
    ratings = "".join(f"{u + 1}::{i + 1}::{1 + i % 5}::{978300000 + i}\n" for u, i in PAIRS)
    movies = "".join(f"{i + 1}::Amélie {i} (2001)::Comedy|Romance\n" for i in range(ITEMS))
    path = write_zip(raw / "ml-1m.zip", {"ml-1m/ratings.dat": ratings})
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("ml-1m/movies.dat", movies.encode("latin-1"))


def steam(raw: Path) -> None:
    reviews: list[dict[str, Any]] = [
        {"username": f"u{u}", "product_id": str(i), "date": day(i), "text": 'it\'s "good"'}
        for u, i in PAIRS
    ]
    games: list[dict[str, Any]] = [
        {"id": str(i), "app_name": f"Game {i}", "developer": "Valve", "tags": ["Action", "FPS"]}
        for i in range(ITEMS)
    ]
    write_gz(raw / "steam_reviews.json.gz", python_literals(reviews))
    write_gz(raw / "steam_games.json.gz", python_literals([*games, {"app_name": "no id"}]))


def microlens(raw: Path) -> None:
    rows = "".join(f"u{u},{i},{1_583_378_629_552 + i}\n" for u, i in PAIRS)
    (raw / "MicroLens-50k_pairs.csv").write_text("user,item,timestamp\n" + rows)
    titles = "".join(f'{i},"Cats, dogs {i}"\n' for i in range(ITEMS))
    (raw / "MicroLens-50k_titles.csv").write_text("item,title\n" + titles)


def yelp(raw: Path) -> None:
    reviews: list[dict[str, Any]] = [
        {"review_id": "r", "user_id": f"u{u}", "business_id": f"b{i}", "date": f"{day(i)} 10:00:00"}
        for u, i in PAIRS
    ] + [{"user_id": "u0", "business_id": "b0", "date": "2018-12-31 23:59:59"},
         {"user_id": "u0", "business_id": "b0", "date": "2020-01-01 00:00:00"}]  # fmt: skip
    (raw / "yelp_academic_dataset_review.json").write_text("\n".join(json_lines(reviews)))
    firms: list[dict[str, Any]] = [
        {
            "business_id": f"b{i}",
            "name": f"Bar {i}",
            "categories": "Bars, Nightlife",
            "city": "Rome",
        }
        for i in range(ITEMS)
    ]
    (raw / "yelp_academic_dataset_business.json").write_text("\n".join(json_lines(firms)))


def food(raw: Path) -> None:
    rows = "".join(f'{u},{i},{day(i)},4,"good\n""really"""\n' for u, i in PAIRS)
    (raw / "RAW_interactions.csv").write_text("user_id,recipe_id,date,rating,review\n" + rows)
    recipes = "".join(
        f"soup {i},{i},\"['easy', 'soups']\",\"Warm.\nGood.\"\n" for i in range(ITEMS)
    )
    (raw / "RAW_recipes.csv").write_text("name,id,tags,description\n" + recipes)


def amazon_2023(raw: Path) -> None:
    rows = "".join(f"u{u},B{i},5.0,{1_600_000_000_000 + i}\n" for u, i in PAIRS)
    head = "user_id,parent_asin,rating,timestamp\n"
    (raw / "Musical_Instruments.csv").write_text(head + rows)
    meta: list[dict[str, Any]] = [
        {"parent_asin": f"B{i}", "title": f"Guitar {i}", "store": "Fender",
         "categories": ["Musical Instruments", "Guitars"], "description": ["Loud."]}
        for i in range(ITEMS)
    ]  # fmt: skip
    (raw / "meta_Musical_Instruments.jsonl").write_text("\n".join(json_lines(meta)))


CASES = {
    "movielens-1m": (movielens, "Amélie 0 (2001)", DataRecipe(source="1m", text="any")),
    "steam": (steam, "Game 0", None),
    "microlens": (microlens, "Cats, dogs 0", None),
    "yelp": (yelp, "Bar 0", None),
    "food-com": (food, "soup 0", None),
    "instruments": (amazon_2023, "Guitar 0", None),
}


def made(tmp_path: Path, name: str) -> tuple[Path, Dataset]:
    write, _, recipe = CASES[name]
    raw, out = tmp_path / "raw", tmp_path / "out"
    raw.mkdir()
    write(raw)
    prepare(name, raw=raw, out=out, recipe=recipe)
    return out, Folder.of(path=str(out)).load(runtime=Runtime())


@pytest.mark.parametrize("name", CASES)
def test_official_files_become_a_dataset(tmp_path: Path, name: str) -> None:
    """Users and items of the files, each user's items in order of time, titles as they are."""
    out, dataset = made(tmp_path, name)
    assert (len(dataset.interactions), len(dataset.item_ids)) == (USERS, ITEMS)
    assert sum(dataset.interactions.lengths) == len(PAIRS)
    titles = {json.loads(line)["title"] for line in (out / "items.jsonl").read_text().splitlines()}
    assert CASES[name][1] in titles
    rows = [json.loads(line) for line in (out / "sequences.jsonl").read_text().splitlines()]
    for user, row in enumerate(rows):
        order = [int("".join(c for c in item if c.isdigit())) for item in row["item_ids"]]
        first = int(name == "movielens-1m")  # its ids begin at 1
        assert order == [i + first for i in range(ITEMS) if i != user]
        times = row.get("days") or row["times"]
        assert times == sorted(times)
    told = json.loads((out / "recipe.json").read_text())
    assert told["licence"] == official(name).licence and len(told["files"]) >= 1


def test_yelp_takes_the_reviews_of_2019_only(tmp_path: Path) -> None:
    out, _ = made(tmp_path, "yelp")
    rows = [json.loads(line) for line in (out / "sequences.jsonl").read_text().splitlines()]
    assert "b0" not in rows[0]["item_ids"], "both reviews of it are of other years"


def test_a_table_without_its_columns_is_named(tmp_path: Path) -> None:
    microlens(tmp_path)
    (tmp_path / "MicroLens-50k_pairs.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DatasetError, match="no column"):
        prepare("microlens", raw=tmp_path, out=tmp_path / "out")


def test_a_date_that_is_none_is_named(tmp_path: Path) -> None:
    food(tmp_path)
    (tmp_path / "RAW_interactions.csv").write_text("user_id,recipe_id,date\n1,2,yesterday\n")
    with pytest.raises(DatasetError, match=r"yesterday.* is no date"):
        prepare("food-com", raw=tmp_path, out=tmp_path / "out")


def test_files_for_people_only_say_where_they_are(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="people only") as caught:
        prepare("yelp", downloads=tmp_path / "downloads", out=tmp_path / "out")
    assert "https://business.yelp.com" in str(caught.value)
