from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.ingest.official.official_files import (
    META_2014,
    json_lines,
    python_literals,
    write_gz,
    write_ratings,
)  # fmt: skip
from tokbench.api import Quiet
from tokbench.errors import DatasetError
from tokbench.ingest.interactions import Log
from tokbench.ingest.official.amazon import (
    longest_path,
    parse_row,
    read_items,
    read_ratings,
    read_reviews,
)

EVENTS = [("A1", "B01", 1000), ("A2", "B01", 900), ("A1", "B02", 1000), ("A1", "B01", 950)]


def events(log: Log) -> list[tuple[str, str, int]]:
    assert log.time is not None
    triples = zip(log.user.tolist(), log.item.tolist(), log.time.tolist(), strict=True)
    return [(log.users[user], log.items[item], time) for user, item, time in triples]


@pytest.mark.parametrize(("release", "item_first"), [("2014", False), ("2018", True)])
def test_ratings_of_both_releases(tmp_path: Path, release: str, item_first: bool) -> None:
    path = write_ratings(tmp_path / "ratings.csv", EVENTS, item_first=item_first)
    assert events(read_ratings(path, release, Quiet())) == EVENTS


def review(names: tuple[str, str, str], event: tuple[str, str, int]) -> dict[str, Any]:
    text = {"reviewText": 'He\'s "fine"\t', "overall": 5.0, "helpful": [0, 0]}
    return dict(zip(names, event, strict=True)) | text


@pytest.mark.parametrize(
    ("names", "write"),
    [
        (("reviewerID", "asin", "unixReviewTime"), json_lines),
        (("reviewerID", "asin", "unixReviewTime"), python_literals),
        (("user_id", "parent_asin", "timestamp"), json_lines),
    ],
)
def test_reviews_of_all_releases(tmp_path: Path, names: tuple[str, str, str], write: Any) -> None:
    lines = write(review(names, event) for event in EVENTS)
    path = write_gz(tmp_path / "reviews.json.gz", [*lines, ""])
    assert events(read_reviews(path, Quiet())) == EVENTS


def test_a_parent_stands_for_its_variants(tmp_path: Path) -> None:
    row = {"user_id": "A1", "asin": "V1", "parent_asin": "P", "timestamp": 1}
    path = write_gz(tmp_path / "r.jsonl.gz", json_lines([row]))
    assert events(read_reviews(path, Quiet())) == [("A1", "P", 1)]


def test_metadata_of_2014_are_python_literals(tmp_path: Path) -> None:
    lines = python_literals(META_2014)
    assert lines[0].startswith("{'asin'"), "the official lines are no json"
    items = list(read_items(write_gz(tmp_path / "meta.json.gz", lines), Quiet()))
    assert items == [
        {
            "item_id": "B01", "title": "Pen \"G2\", it's blue", "type": "Office Products",
            "brand": "Pilot", "description": "Writes\n well.",
            "categories": ["Office", "Pens", "Gel"],
        },
        {"item_id": "B02", "title": "Paper &amp; card", "categories": ["Office", "Paper"]},
        {"item_id": "B03", "title": "", "categories": ["Office"]},
    ]  # fmt: skip


def test_metadata_of_2018_and_2023(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"asin": "B1", "title": "<b>Pen</b>", "category": ["Office", "Pens"], "main_cat": "Office",
         "brand": "", "description": ["One.", "Two."], "rank": ["#1"], "details": {}},
        {"parent_asin": "B2", "title": "Ink", "store": "Pilot", "categories": ["Office"],
         "main_category": "Office Products", "description": [], "price": None},
        {"parent_asin": "B3", "title": None, "categories": None, "main_category": None},
    ]  # fmt: skip
    items = list(read_items(write_gz(tmp_path / "m.jsonl.gz", json_lines(rows)), Quiet()))
    assert items == [
        {"item_id": "B1", "title": "<b>Pen</b>", "type": "Office", "description": "One. Two.",
         "categories": ["Office", "Pens"]},
        {"item_id": "B2", "title": "Ink", "type": "Office Products", "brand": "Pilot",
         "categories": ["Office"]},
        {"item_id": "B3", "title": ""},
    ]  # fmt: skip


def test_a_record_of_ten_megabytes(tmp_path: Path) -> None:
    rows = [{"asin": "B1", "title": "t", "description": "it's " * 2_000_000}, {"asin": "B2"}]
    items = list(read_items(write_gz(tmp_path / "m.json.gz", python_literals(rows)), Quiet()))
    assert [len(str(item.get("description", ""))) for item in items] == [10_000_000, 0]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("A1,B01,5.0", "3 fields"),
        ("A1,B01,5.0,soon", "'soon' is no time"),
        (",B01,5.0,12", "user id is"),
        ("A1,,5.0,12", "item id is"),
        (f"A1,B01,5.0,{10**30}", "is no time"),
    ],
)
def test_a_faulty_rating_is_named(tmp_path: Path, line: str, words: str) -> None:
    path = tmp_path / "ratings.csv"
    path.write_text(f"A1,B01,5.0,1000\r\n{line}\r\n")
    with pytest.raises(DatasetError, match=words) as caught:
        read_ratings(path, "2014", Quiet())
    assert (caught.value.path, caught.value.line) == (path, 2)


@pytest.mark.parametrize(
    "line",
    [
        "{'asin': 'B1', ",
        "[1]",
        "{'asin': __import__('os').getcwd()}",
        "(" * 50_000,
        "{'a': 1e999j}",
    ],
)
def test_a_faulty_product_is_named_and_never_run(tmp_path: Path, line: str) -> None:
    path = write_gz(tmp_path / "m.json.gz", ["{'asin': 'B0'}", line])
    with pytest.raises(DatasetError, match=r"m.json.gz:2: "):
        list(read_items(path, Quiet()))


@given(st.text(max_size=40))
def test_any_line_is_a_value_or_none(text: str) -> None:
    parse_row(text)


def test_odd_escapes_in_literals_raise_no_warning() -> None:
    assert parse_row("{'title': 'a \\d b'}") == {"title": "a \\d b"}


@pytest.mark.parametrize(
    ("categories", "path"),
    [(None, []), ([], []), ([[]], []), (["a", "b"], ["a", "b"]), ([["a"], ["b", "c"]], ["b", "c"])],
)
def test_longest_path(categories: Any, path: list[str]) -> None:
    assert longest_path(categories) == path
