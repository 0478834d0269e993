"""From official-format raw files to a folder that loads, and nothing half-written on the way."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.ingest.official.official_files import (
    BEHAVIORS,
    NEWS,
    json_lines,
    python_literals,
    write_gz,
    write_mind_folder,
    write_ratings,
    write_zip,
)  # fmt: skip
from tokbench.api import Runtime
from tokbench.datasets.folder import Folder
from tokbench.datasets.prepared import Mind, OfficeL, OfficeS
from tokbench.errors import ConfigError, DatasetError, UnknownComponentError
from tokbench.ingest.download import RawFile
from tokbench.ingest.official.official import DATASETS, official
from tokbench.ingest.official.prepare import prepare, recipes
from tokbench.ingest.official.recipe import DataRecipe

DAY = 86_400


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def office_raw(folder: Path) -> Path:
    """3 users of 12, 5 and 25 ratings over 30 products; B29 has no metadata, B28 no title."""
    folder.mkdir()
    events = [(f"U{u}", f"B{n:02}", (100 - n) * DAY + 7) for u, k in ((0, 12), (1, 5), (2, 25))
              for n in range(30 - k, 30)]  # fmt: skip
    write_ratings(folder / "ratings_Office_Products.csv", events, item_first=False)
    meta: list[dict[str, Any]] = [
        {
            "asin": f"B{n:02}",
            "title": f"Pen {n} &amp; <i>ink</i>",
            "salesRank": {"Office": n},
            "categories": [["Office", "Pens"]],
            "brand": "Pilot",
        }
        for n in range(28)
    ] + [{"asin": "B28", "categories": [["Office", "Pens"]]}, {"asin": "X", "title": "unknown"}]
    write_gz(folder / "meta_Office_Products.json.gz", python_literals(meta))
    return folder


def test_mind_from_zips(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    write_zip(raw / "MINDsmall_train.zip", {"behaviors.tsv": BEHAVIORS, "news.tsv": NEWS})
    recipe = DataRecipe(source="small-train", text="required", shortest=3)
    statistics = prepare("mind", out=tmp_path / "mind", raw=raw, recipe=recipe)
    assert read(tmp_path / "mind" / "sequences.jsonl") == [
        {"user_id": "U1", "item_ids": ["N1", "N2", "N1", "N4"]}
    ]
    assert [row["item_id"] for row in read(tmp_path / "mind" / "items.jsonl")] == ["N1", "N2", "N4"]
    assert (statistics.users, statistics.items, statistics.interactions) == (1, 3, 4)
    data = Mind.of(path=str(tmp_path / "mind")).load(runtime=Runtime())
    assert data.texts[2] == "Category: foodanddrink. Sub-category: foodnews. Title: Pies & cakes."
    assert data.texts[0] == 'Category: news. Sub-category: newsus. Title: He said "no".'


def test_an_unpacked_mind_serves_as_well(tmp_path: Path) -> None:
    recipe = DataRecipe(source="small-train", shortest=3)
    write_mind_folder(tmp_path / "raw" / "MINDsmall_train")
    prepare("mind", out=tmp_path / "a", raw=tmp_path / "raw", recipe=recipe)
    write_mind_folder(tmp_path / "bare")
    prepare("mind", out=tmp_path / "b", raw=tmp_path / "bare", recipe=recipe)
    for name in ("items.jsonl", "sequences.jsonl", "recipe.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_office_from_ratings_and_literals(tmp_path: Path) -> None:
    raw = office_raw(tmp_path / "raw")
    recipe = DataRecipe(source="2014", text="required", shortest=5, longest=10, too_long="drop")
    statistics = prepare("office-s", out=tmp_path / "s", raw=raw, recipe=recipe)
    assert (statistics.users, statistics.shortest, statistics.longest) == (1, 10, 10)
    (row,) = read(tmp_path / "s" / "sequences.jsonl")
    assert row["item_ids"] == [f"B{n}" for n in range(27, 17, -1)], "oldest first"
    assert row["days"] == list(range(73, 83))
    data = OfficeS.of(path=str(tmp_path / "s")).load(runtime=Runtime())
    assert data.texts[0] == (
        "Type: Office. Brand: Pilot. Title: Pen 18 & ink. Category: Office > Pens."
    )
    assert data.times is not None


def test_items_without_text_may_stay(tmp_path: Path) -> None:
    raw = office_raw(tmp_path / "raw")
    recipe = DataRecipe(source="2014", text="any", shortest=5, longest=20)
    statistics = prepare("office-l", out=tmp_path / "l", raw=raw, recipe=recipe)
    assert (statistics.users, statistics.items, statistics.longest) == (3, 25, 20)
    data = Folder.of(path=str(tmp_path / "l"), empty_text="id").load(runtime=Runtime())
    assert data.texts[data.item_ids.index("B29")] == "B29"
    assert read(tmp_path / "l" / "sequences.jsonl")[0]["item_ids"][0] == "B29"


def test_the_default_recipes_of_office_cap_and_drop(tmp_path: Path) -> None:
    raw = office_raw(tmp_path / "raw")
    assert prepare("office-l", out=tmp_path / "l", raw=raw).users == 2
    assert prepare("office-s", out=tmp_path / "s", raw=raw).users == 1
    assert {path.name for path in (tmp_path / "l").iterdir()} == {
        "items.jsonl", "sequences.jsonl", "recipe.json",
    }  # fmt: skip


def test_five_core_reviews_with_python_literals_or_json(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    reviews = [
        {"reviewerID": f"U{u}", "asin": f"B{n}", "unixReviewTime": n * DAY, "reviewText": "\\ok\\'"}
        for u in range(5)
        for n in range(5 + u)
    ]
    write_gz(raw / "reviews_Beauty_5.json.gz", json_lines(reviews))
    write_gz(
        raw / "meta_Beauty.json.gz",
        python_literals({"asin": f"B{n}", "title": "t"} for n in range(9)),
    )
    statistics = prepare("beauty", out=tmp_path / "beauty", raw=raw)
    assert (statistics.users, statistics.items, statistics.interactions) == (5, 9, 35)


def test_the_2023_release_keeps_milliseconds(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    reviews = [
        {"user_id": "U", "asin": "v", "parent_asin": f"B{n}", "timestamp": 1_600_000_000_000 + n}
        for n in (2, 0, 1, 3, 4)
    ]
    write_gz(raw / "Office_Products.jsonl.gz", json_lines(reviews))
    meta: list[dict[str, Any]] = [{"parent_asin": f"B{n}", "title": "t"} for n in range(5)]
    write_gz(raw / "meta_Office_Products.jsonl.gz", json_lines(meta))
    prepare("office-l", out=tmp_path / "l", raw=raw, recipe=DataRecipe(source="2023"))
    (row,) = read(tmp_path / "l" / "sequences.jsonl")
    assert row["item_ids"] == ["B0", "B1", "B2", "B3", "B4"]
    assert row["times"] == [1_600_000_000_000 + n for n in range(5)]


def test_the_recipe_is_kept_with_the_digests_of_the_raw_files(tmp_path: Path) -> None:
    raw = office_raw(tmp_path / "raw")
    prepare("office-l", out=tmp_path / "l", raw=raw)
    kept = json.loads((tmp_path / "l" / "recipe.json").read_text())
    assert DataRecipe.model_validate(kept["recipe"]) == DATASETS["office-l"].recipe
    assert kept["published"]["users"] == 16_696
    assert kept["statistics"]["users"] == 2
    assert [entry["sha256"] for entry in kept["raw"]] == [
        hashlib.sha256((raw / entry["file"]).read_bytes()).hexdigest() for entry in kept["raw"]
    ]
    assert str(tmp_path) not in json.dumps(kept), "nothing of this machine"


def test_preparing_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    raw = office_raw(tmp_path / "raw")
    for name in ("one", "two"):
        prepare("office-l", out=tmp_path / name, raw=raw)
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


def test_missing_files_are_named_with_their_address(tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    with pytest.raises(DatasetError, match=r"MINDsmall_train.zip: missing") as caught:
        prepare("mind", out=tmp_path / "mind", raw=tmp_path / "raw")
    assert "MINDsmall_train.zip from https://" in caught.value.remedy
    with pytest.raises(DatasetError, match="holds the files of no source"):
        recipes("mind", raw=tmp_path / "raw")


@pytest.mark.parametrize("fault", ["cut", "empty", "exists"])
def test_nothing_half_written_is_left(tmp_path: Path, fault: str) -> None:
    raw = office_raw(tmp_path / "raw")
    out = tmp_path / "out"
    recipe = DATASETS["office-l"].recipe
    if fault == "cut":
        meta = raw / "meta_Office_Products.json.gz"
        meta.write_bytes(meta.read_bytes()[:-20])
    elif fault == "empty":
        recipe = DataRecipe(source="2014", shortest=500)
    else:
        out.mkdir()
    before = set(tmp_path.iterdir())
    with pytest.raises(DatasetError, match=r"damaged|leaves nothing|exists already"):
        prepare("office-l", out=out, raw=raw, recipe=recipe)
    assert set(tmp_path.iterdir()) == before


def test_unknown_names_list_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(UnknownComponentError, match="office-5core"):
        official("ofice")
    with pytest.raises(ConfigError, match="unknown source '2099'; allowed: 2014, 2014-5core"):
        prepare("office-l", out=tmp_path / "l", raw=tmp_path, recipe=DataRecipe(source="2099"))
    with pytest.raises(ConfigError, match="raw files"):
        prepare("office-l", out=tmp_path / "l")


def test_recipes_come_nearest_first_and_only_where_files_are(tmp_path: Path) -> None:
    raw = office_raw(tmp_path / "raw")
    found = recipes("office-l", raw=raw)
    assert len(found) == sum(recipe.source == "2014" for recipe in DATASETS["office-l"].grid) == 16
    assert [c.distance for c in found] == sorted(c.distance for c in found)
    capped = DataRecipe(source="2014", text="any", shortest=5, longest=50)
    (one,) = [candidate for candidate in found if candidate.recipe == capped]
    assert (one.statistics.users, one.statistics.items) == (3, 25)
    assert prepare("office-l", out=tmp_path / "l", raw=raw, recipe=capped) == one.statistics


def test_a_part_without_its_name_is_tried_once(tmp_path: Path) -> None:
    found = recipes("mind", raw=write_mind_folder(tmp_path / "bare"))
    assert {candidate.recipe.source for candidate in found} == {"small-train"}


def test_downloads_are_used_where_no_raw_folder_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tokbench.ingest.official import raw_files

    raw = office_raw(tmp_path / "raw")
    asked: list[str] = []

    def fetched(file: RawFile, folder: Path, progress: Any) -> Path:
        asked.append(file.name)
        assert folder == tmp_path / "downloads"
        return raw / file.name

    monkeypatch.setattr(raw_files, "fetch", fetched)
    prepare("office-l", out=tmp_path / "l", downloads=tmp_path / "downloads")
    assert asked == ["ratings_Office_Products.csv", "meta_Office_Products.json.gz"]


def test_prepared_datasets_are_found_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    prepare("office-l", out=home / "office-l", raw=office_raw(tmp_path / "raw"))
    monkeypatch.setenv("TOKBENCH_DATA", f"{tmp_path / 'nowhere'}{os.pathsep}{home}")
    data = OfficeL().load(runtime=Runtime())
    assert (data.name, len(data.user_ids)) == ("office-l", 2)
    with pytest.raises(DatasetError, match="tokbench data prepare mind"):
        Mind().load(runtime=Runtime())


def test_every_grid_has_the_default_recipe_or_its_like() -> None:
    for entry in DATASETS.values():
        assert entry.recipe.source in entry.sources
        assert entry.recipe in entry.grid
        assert {recipe.source for recipe in entry.grid} <= set(entry.sources)


@pytest.mark.data
def test_the_official_mind_slice_is_prepared_with_its_counts(tmp_path: Path) -> None:
    raw = Path(os.environ.get("TOKBENCH_DATA", os.devnull)) / "mind-small-slice" / "raw"
    if not raw.is_dir():
        pytest.skip("mind-small-slice is not under TOKBENCH_DATA")
    recipe = DataRecipe(
        source="small-train", text="any", item_users=15, shortest=15, longest=70,
        too_long="drop-last", fixpoint=True,
    )  # fmt: skip
    statistics = prepare("mind", out=tmp_path / "mind", raw=raw, recipe=recipe)
    assert (statistics.users, statistics.items) == (1_798, 1_787)
    assert statistics.interactions == 54_197
    data = Mind.of(path=str(tmp_path / "mind"), empty_text="id").load(runtime=Runtime())
    assert len(data.interactions.items) == 54_197
