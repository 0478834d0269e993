"""Every way a folder can be wrong has its own message, and real folders load with their counts."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from tokbench.api import Runtime
from tokbench.datasets.folder import Folder, find_folder
from tokbench.errors import DatasetError

ITEMS: list[Any] = [
    {"item_id": "a", "title": "Red pen", "brand": "Pilot", "categories": ["Office", "Pens"]},
    {"item_id": "b", "title": "Blue pen", "category": "Office", "subcategory": "Ink"},
    {"item_id": "c", "title": "AT&amp;T phone", "price": 3},
    {"item_id": "d", "title": ""},
]
USERS: list[Any] = [
    {"user_id": "u", "item_ids": ["a", "b", "c", "a"]},
    {"user_id": "v", "item_ids": ["c", "b", "a"]},
]


def write(folder: Path, items: list[Any], users: list[Any]) -> Path:
    folder.mkdir(exist_ok=True)
    for name, rows in (("items.jsonl", items), ("sequences.jsonl", users)):
        lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
        (folder / name).write_bytes("".join(line + "\n" for line in lines).encode())
    return folder


def load(folder: Path, **options: Any) -> Any:
    return Folder.of(path=str(folder), **options).load(runtime=Runtime())


def test_a_folder_is_read_as_written(tmp_path: Path) -> None:
    data = load(write(tmp_path / "pens", ITEMS[:3], USERS))
    assert data.name == "pens"
    assert data.item_ids == ("a", "b", "c")
    assert data.texts == (
        "Category: Office > Pens. Brand: Pilot. Title: Red pen.",
        "Category: Office. Sub-category: Ink. Title: Blue pen.",
        "Title: AT&T phone.",
    )
    assert data.titles == ("Red pen", "Blue pen", "AT&T phone")
    assert data.categories == ("Pens", "Ink", "")
    assert data.user_ids == ("u", "v")
    assert [data.interactions[q].tolist() for q in range(2)] == [[0, 1, 2, 0], [2, 1, 0]]
    assert data.times is None


def test_times_come_along_and_lose_the_dropped_items(tmp_path: Path) -> None:
    users = [
        {"user_id": "u", "item_ids": ["a", "d", "b", "c"], "days": [1, 2, 2, 9]},
        {"user_id": "v", "item_ids": ["d", "b", "a"], "days": [1, 2, 3]},
    ]
    data = load(write(tmp_path, ITEMS, users), empty_text="drop", short_users="drop")
    assert data.item_ids == ("a", "b", "c")
    assert data.user_ids == ("u",)
    assert data.interactions[0].tolist() == [0, 1, 2]
    assert data.times is not None
    assert data.times.tolist() == [1, 2, 9]


def test_an_item_without_text_may_go_by_its_id(tmp_path: Path) -> None:
    data = load(write(tmp_path, ITEMS, USERS), empty_text="id")
    assert data.texts[3] == data.titles[3] == "d"


def test_crlf_bom_blank_lines_and_a_missing_last_newline_do_no_harm(tmp_path: Path) -> None:
    plain = load(write(tmp_path, ITEMS[:3], USERS))
    for name in ("items.jsonl", "sequences.jsonl"):
        path = tmp_path / name
        lines = path.read_bytes().splitlines()
        path.write_bytes(b"\xef\xbb\xbf" + b"\r\n".join(lines) + b"\r\n\r\n  \r\n")
    assert load(tmp_path).digest() == plain.digest()
    path.write_bytes(b"\n".join(lines))
    assert load(tmp_path).digest() == plain.digest()


def test_another_sequences_file_and_template(tmp_path: Path) -> None:
    write(tmp_path, ITEMS[:3], USERS)
    other = {"user_id": 7, "item_ids": ["c", "c", "c"]}
    (tmp_path / "other.jsonl").write_text(json.dumps(other))
    folder = Folder.of(path=str(tmp_path), sequences="other.jsonl", template="{title} ({brand})")
    data = folder.load(runtime=Runtime())
    assert data.user_ids == ("7",)
    assert data.texts == ("Red pen (Pilot)", "Blue pen", "AT&T phone")
    assert list(folder.inputs()) == [tmp_path / "items.jsonl", tmp_path / "other.jsonl"]


GOOD = {"user_id": "w", "item_ids": ["a", "b", "c"]}
FAULTS: list[tuple[str, list[Any], list[Any], str, int | None, str]] = [
    ("malformed item", [*ITEMS[:3], '{"item_id": "e",'], USERS, "items.jsonl", 4, "malformed json"),
    ("item is a list", [*ITEMS[:3], [1]], USERS, "items.jsonl", 4, "found a list"),
    ("item without id", [*ITEMS[:3], {"title": "x"}], USERS, "items.jsonl", 4, "'item_id'"),
    ("item id null", [{"item_id": None}], USERS, "items.jsonl", 1, "item_id is null"),
    ("item id empty", [{"item_id": "", "title": "x"}], USERS, "items.jsonl", 1, "item_id is ''"),
    ("item id no text", ['{"item_id": "\\ud800"}'], USERS, "items.jsonl", 1, "item_id is"),
    ("duplicate item", [*ITEMS[:3], ITEMS[0]], USERS, "items.jsonl", 4, "duplicate item_id 'a'"),
    ("no text", ITEMS, USERS, "items.jsonl", 4, "item 'd' has no text"),
    ("no items", [], USERS, "items.jsonl", None, "no items left"),
    ("malformed user", ITEMS[:3], [*USERS, "nope"], "sequences.jsonl", 3, "malformed json"),
    ("deep json", ITEMS[:3], ["[" * 100_000], "sequences.jsonl", 1, "malformed json"),
    ("user without id", ITEMS[:3], [{"item_ids": []}], "sequences.jsonl", 1, "'user_id'"),
    ("user without items", ITEMS[:3], [{"user_id": "u"}], "sequences.jsonl", 1, "'item_ids'"),
    ("items no list", ITEMS[:3], [GOOD | {"item_ids": "abc"}], "sequences.jsonl", 1, "'abc'"),
    ("unknown item", ITEMS[:3], [GOOD | {"item_ids": ["a", "z"]}], "sequences.jsonl", 1, "'z'"),
    ("odd item", ITEMS[:3], [GOOD | {"item_ids": ["a", {}]}], "sequences.jsonl", 1, "an object"),
    ("duplicate user", ITEMS[:3], [*USERS, USERS[0]], "sequences.jsonl", 3, "user_id 'u'"),
    ("short user", ITEMS[:3], [GOOD | {"item_ids": ["a", "b"]}], "sequences.jsonl", 1, "'w'"),
    ("no users", ITEMS[:3], [], "sequences.jsonl", None, "no users left"),
    ("days odd", ITEMS[:3], [GOOD | {"days": [1, "2", 3]}], "sequences.jsonl", 1, "days has '2'"),
    ("days few", ITEMS[:3], [GOOD | {"days": [1, 2]}], "sequences.jsonl", 1, "2 days for 3 items"),
    ("days back", ITEMS[:3], [GOOD | {"days": [1, 3, 2]}], "sequences.jsonl", 1, "from 3 to 2"),
    ("days huge", ITEMS[:3], [GOOD | {"days": [1, 3, 2**70]}], "sequences.jsonl", 1, "whole"),
    ("days no list", ITEMS[:3], [GOOD | {"days": 7}], "sequences.jsonl", 1, "days is 7"),
    ("days and times", ITEMS[:3], [GOOD | {"days": [1, 2, 3], "times": [1, 2, 3]}],
     "sequences.jsonl", 1, "both `times` and `days`"),
    ("key twice", ['{"item_id": "a", "title": "x", "title": "y"}'], USERS, "items.jsonl", 1,
     "the field 'title' is there twice"),
    ("not a number", ['{"item_id": "a", "title": NaN}'], USERS, "items.jsonl", 1, "NaN is no json"),
    ("title an object", [{"item_id": "a", "title": {"en": "x"}}], USERS, "items.jsonl", 1,
     "title is an object"),
    ("title a boolean", [{"item_id": "a", "title": ["x", True]}], USERS, "items.jsonl", 1,
     "title is a boolean"),
    ("blank in an id", [*ITEMS[:3], {"item_id": " a", "title": "x"}], USERS, "items.jsonl", 4,
     "item_id is ' a'"),
    ("NUL in an id", [*ITEMS[:3], {"item_id": "a\0", "title": "x"}], USERS, "items.jsonl", 4,
     r"item_id is 'a\x00'"),
    ("escape in a user", ITEMS[:3], [GOOD | {"user_id": "\x1b[2J"}], "sequences.jsonl", 1,
     r"user_id is '\x1b[2J'"),
    ("days of some", ITEMS[:3], [*USERS, GOOD | {"days": [1, 2, 3]}], "sequences.jsonl", 3, "some"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("items", "users", "name", "line", "words"), [f[1:] for f in FAULTS], ids=[f[0] for f in FAULTS]
)
def test_a_fault_is_named_with_file_line_and_remedy(
    tmp_path: Path, items: list[Any], users: list[Any], name: str, line: int | None, words: str
) -> None:
    with pytest.raises(DatasetError) as caught:
        load(write(tmp_path, items, users))
    error = caught.value
    assert error.path == tmp_path / name
    assert error.line == line
    assert words in error.problem
    assert error.remedy
    assert "\n" not in str(error)


def test_bytes_that_are_no_text_are_named(tmp_path: Path) -> None:
    write(tmp_path, ITEMS[:3], USERS)
    with (tmp_path / "items.jsonl").open("ab") as file:
        file.write(b'{"item_id": "e", "title": "caf\xe9"}\n')
    with pytest.raises(DatasetError, match=r"items.jsonl:4: not UTF-8"):
        load(tmp_path)


def test_missing_folder_file_and_path(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no such folder"):
        load(tmp_path / "nowhere")
    with pytest.raises(DatasetError, match=r"items.jsonl: no such file"):
        load(tmp_path)
    with pytest.raises(DatasetError, match="needs a path"):
        Folder().load(runtime=Runtime())


def test_nobody_left_after_dropping(tmp_path: Path) -> None:
    users = [{"user_id": "u", "item_ids": ["d", "d", "d", "a"]}]
    with pytest.raises(DatasetError, match="no users left"):
        load(write(tmp_path, ITEMS, users), empty_text="drop", short_users="drop")
    with pytest.raises(DatasetError, match=r"'u' has too few items with text: 1"):
        load(tmp_path, empty_text="drop")
    with pytest.raises(DatasetError, match="no items left of 1"):
        load(write(tmp_path, ITEMS[3:], users), empty_text="drop")


def test_a_mistyped_template_field_is_caught(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"no item has the template's field tilte"):
        load(write(tmp_path, ITEMS[:3], USERS), template="{tilte} {title}")
    with pytest.raises(ValidationError, match="names no field"):
        Folder.of(template="title")


def test_problems_lists_all_of_them(tmp_path: Path) -> None:
    items = [*ITEMS, "oops", ITEMS[0]]
    users = [*USERS, {"user_id": "x", "item_ids": ["z"]}, USERS[0]]
    found = Folder.of(path=str(write(tmp_path, items, users))).problems()
    assert [(error.path and error.path.name, error.line) for error in found] == [
        ("items.jsonl", 4),
        ("items.jsonl", 5),
        ("items.jsonl", 6),
        ("sequences.jsonl", 3),
        ("sequences.jsonl", 4),
    ]
    assert Folder.of(path=str(write(tmp_path, ITEMS[:3], USERS))).problems() == []


OTHERS = [{"item_id": n, "title": "Same"} for n in "defg"]
DOUBTFUL: list[tuple[list[Any], list[Any], str]] = [
    ([*ITEMS[:2], *OTHERS], USERS[1:], "4 of 6 items have the same text, 'Title: Same.'"),
    (ITEMS[:3], [{"user_id": n, "item_ids": ["a"] * 3} for n in "uv"], "is with the item 'a'"),
    (ITEMS[:3], [GOOD | {"user_id": n} for n in "uvw"], "all 3 users have the same items"),
    (ITEMS[:3], [USERS[n] | {"days": [9] * (4 - n)} for n in (0, 1)], "has the time 9"),
]


@pytest.mark.parametrize(("items", "users", "said"), DOUBTFUL, ids=[d[2][-12:] for d in DOUBTFUL])
def test_a_sound_folder_of_nonsense_is_a_problem(
    tmp_path: Path, items: list[Any], users: list[Any], said: str
) -> None:
    users = [row | {"item_ids": [i.replace("c", items[-1]["item_id"]) for i in row["item_ids"]]}
             for row in users]  # fmt: skip
    write(tmp_path, items, users)
    (problem,) = Folder.of(path=str(tmp_path)).problems()
    assert said in str(problem)
    assert problem.remedy
    load(tmp_path)


def test_find_folder_takes_a_path_or_a_name_under_a_root(tmp_path: Path) -> None:
    pens = write(tmp_path / "pens", ITEMS[:3], USERS)
    (tmp_path / "empty").mkdir()
    roots = [tmp_path / "nowhere", tmp_path]
    assert find_folder(str(pens), []) == pens
    assert find_folder("pens", roots) == pens
    assert find_folder("pens", []) is None
    assert find_folder("empty", roots) is None
    assert find_folder("../" + tmp_path.name + "/pens", [tmp_path]) is None
    assert find_folder("", roots) is None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)
near_items = st.fixed_dictionaries(
    {"item_id": st.sampled_from(["a", "b", "c"]) | json_values},
    optional={"title": json_values, "categories": json_values, "category": json_values},
)
near_users = st.fixed_dictionaries(
    {"user_id": st.sampled_from("uvw") | json_values},
    optional={
        "item_ids": st.lists(st.sampled_from(["a", "b", "c"]), max_size=5) | json_values,
        "days": st.lists(st.integers(), max_size=5) | json_values,
    },
)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(near_items | json_values, max_size=4),
    st.lists(near_users | json_values, max_size=4),
    st.sampled_from(["error", "id", "drop"]),
    st.sampled_from(["error", "drop"]),
    st.binary(max_size=3),
)
def test_any_input_gives_a_dataset_or_a_clear_error(
    tmp_path: Path, items: list[Any], users: list[Any], empty: str, short: str, tail: bytes
) -> None:
    write(tmp_path, items, users)
    with (tmp_path / "sequences.jsonl").open("ab") as file:
        file.write(tail)
    folder = Folder.of(path=str(tmp_path), empty_text=empty, short_users=short)
    problems = [str(problem) for problem in folder.problems()]
    doubts = [said for said in problems if re.search("same text|every inter|same order", said)]
    if problems != doubts:
        with pytest.raises(DatasetError) as caught:
            folder.load(runtime=Runtime())
        assert str(caught.value) == problems[0]
        return
    data = folder.load(runtime=Runtime())
    assert int(data.interactions.lengths.min()) >= 3
    assert len(data.digest()) == 64


COUNTS = [  # users, items, interactions, as the folders' own descriptions give them
    ("office-5core", "sequences.jsonl", 4_905, 2_420, 53_258),
    ("amazon-beauty-5core", "sequences.jsonl", 22_363, 12_101, 198_502),
    ("amazon-games-2018", "sequences.jsonl", 50_597, 16_874, 453_637),
    ("amazon-office-2018", "sequences.jsonl", 3_231, 3_459, 22_447),
    ("mind-large-1000users", "sequences_titled.jsonl", 1_000, 7_560, 29_681),
]


@pytest.mark.data
@pytest.mark.parametrize(("name", "sequences", "users", "items", "interactions"), COUNTS)
def test_real_folders_have_their_counts(
    name: str, sequences: str, users: int, items: int, interactions: int
) -> None:
    folder = find_folder(name, [Path(os.environ.get("TOKBENCH_DATA", os.devnull))])
    if folder is None:
        pytest.skip(f"{name} is not under TOKBENCH_DATA")
    data = load(folder, sequences=sequences, empty_text="drop")
    assert (len(data.user_ids), len(data.item_ids)) == (users, items)
    assert len(data.interactions.items) == interactions
    if name == "office-5core":
        assert data.times is not None
        assert all(np.diff(data.times[a:b]).min() >= 0 for a, b in _rows(data.interactions.offsets))


def _rows(offsets: Any) -> list[tuple[int, int]]:
    return list(zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True))
