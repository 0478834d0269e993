"""Any input gives a dataset or a DatasetError, and what is right comes through whole."""

from __future__ import annotations

import json
import re
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.ingest.foreign_files import WRITERS, Row
from tokbench.datasets.folder import Folder
from tokbench.errors import DatasetError
from tokbench.ingest.formats.values import instant
from tokbench.ingest.importing import find_problems, import_data

# Quotes are for the csv writer to deal with; control characters, tabs among them, make no ids.
words = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=1, max_size=8)
ids = words.map(str.strip).filter(bool)
catalogues = st.dictionaries(ids, ids, min_size=1, max_size=6)


@st.composite
def logs(draw: Any) -> tuple[dict[str, str], list[Row]]:
    items = draw(catalogues)
    rows = st.builds(Row, ids, st.sampled_from(sorted(items)), st.integers(-(2**40), 2**40))
    users = draw(st.lists(rows, min_size=1, max_size=4))
    more = st.builds(
        Row, st.sampled_from([row.user for row in users]), st.sampled_from(sorted(items)),
        st.integers(0, 3),
    )  # fmt: skip
    return items, users + draw(st.lists(more, max_size=12))


def rows_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


@settings(max_examples=60, deadline=None)
@given(logs(), st.sampled_from(sorted(WRITERS)))
def test_what_is_written_in_any_layout_comes_back(
    log: tuple[dict[str, str], list[Row]], form: str
) -> None:
    items, rows = log
    with tempfile.TemporaryDirectory() as name:
        source, out = Path(name, "in"), Path(name, "out")
        source.mkdir()
        WRITERS[form](source, items, rows)
        done = import_data(source, out)
        found, catalogue = rows_of(out / "sequences.jsonl"), rows_of(out / "items.jsonl")
        expected: dict[str, list[Row]] = {}
        for row in rows:
            expected.setdefault(row.user, []).append(row)
        for taken in expected.values():
            taken.sort(key=lambda row: row.time)  # Python's sort is stable too
        assert [row["user_id"] for row in found] == list(expected)
        for line, taken in zip(found, expected.values(), strict=True):
            assert line["item_ids"] == [event.item for event in taken]
            if form != "lc-rec":
                assert line["times"] == [event.time for event in taken]
        assert {row["item_id"] for row in catalogue} == set(items)
        if form == "folder":  # other layouts' titles have their entities decoded
            assert {row["item_id"]: row["title"] for row in catalogue} == items
        assert done.short_users == sum(len(taken) < 3 for taken in expected.values())
        again = Path(name, "again")
        import_data(out, again)
        for file in ("items.jsonl", "sequences.jsonl"):
            assert (out / file).read_bytes() == (again / file).read_bytes()


JUNK = [
    *(
        b"\xff",
        b"\xef\xbb\xbf",
        b"\r",
        b"\n",
        b"\r\n",
        b"\x00",
        b'"',
        b"'",
        b",",
        b"\t",
        b":",
        b";",
    ),
    *(b"|", b"{", b"}", b"[", b"]", b"[[1]]", b"null", b"NaN", b"1e300", b"-1.5", b"9" * 5000),
    *(b" > ", b"&amp;", b"<b>", b"9223372036854775807", b"9223372036854775807.5", b"2020-01-02"),
    *(b"9999999999999999.5", b"0001-01-01T00:00+23:59", b"9999-12-31", b'"\\ud800"', b"item_id"),
    *(b"\xe2\x80\xa8", b":token_seq"),
]


@st.composite
def mutated(draw: Any, content: bytes) -> bytes:
    """The file with up to two small changes: something put in, cut out or written twice."""
    for _ in range(draw(st.sampled_from([0, 1, 1, 2]))):
        at = draw(st.integers(0, len(content)))
        end = min(at + draw(st.integers(0, 6)), len(content))
        middle = draw(st.sampled_from(JUNK) | st.binary(max_size=3) | st.just(content[at:end] * 2))
        content = content[:at] + middle + content[end:]
    return content


def survives(files: dict[str, bytes]) -> bool:
    """Import makes a folder that can be read (True), or `check` has found what stops it."""
    with tempfile.TemporaryDirectory() as name:
        source, out = Path(name, "in"), Path(name, "out")
        source.mkdir()
        for file, content in files.items():
            (source / file).write_bytes(content)
        problems = [str(problem) for problem in find_problems(source)]
        if problems:
            with pytest.raises(DatasetError) as caught:
                import_data(source, out)
            assert str(caught.value) == problems[0]
            assert not out.exists()
            return False
        import_data(source, out)
        folder = Folder.of(path=str(out), empty_text="id", short_users="drop")
        allowed = "no users left|same text|every interaction|same order"
        assert all(re.search(allowed, str(problem)) for problem in folder.problems())
        return True


INTER = b"user_id:token\titem_id:token\ttimestamp:float\nu\t1\t2.5\nu\t2\t2\nv\t1\t7\nu\t1\t9\n"
ITEM = b"item_id:token\ttitle:token_seq\tgenre:token_seq\n1\tRed pen\tOffice Pens\n2\tPad\t\n"


@settings(max_examples=150, deadline=None)
@given(mutated(INTER), mutated(ITEM))
def test_any_recbole_files(inter: bytes, item: bytes) -> None:
    survives({"x.inter": inter, "x.item": item})


EVENTS = b'user,item,time\nu,1,2020-01-01\nu,2,3\n"v",1,2\nu,"1",1e3\n'
TABLE = b'item,title,genres,description\n1,"Red ""pen""",A|B,"[\'x\', \'y\']"\n2,Pad,,\n'


@settings(max_examples=150, deadline=None)
@given(mutated(EVENTS), mutated(TABLE))
@example(b"user,item,time\nu,1,0001-01-01T00:00+23:59\n", b"item,title,genres\n1,A,[[[[\n")
@example(b"user,item,time\nu,1,9999999999999999.5\n", TABLE)
def test_any_tables(events: bytes, items: bytes) -> None:
    survives({"inter.csv": events, "items.csv": items})


LISTS = b'{"u": [1, "2", 1],\n "v": [2]}'
OBJECTS = (
    b'{"1": {"title": "Pen", "categories": "A, B", "description": ["x"]},\n "2": {"title": ""}}'
)


@settings(max_examples=150, deadline=None)
@given(mutated(LISTS), mutated(OBJECTS))
def test_any_lc_rec_files(inter: bytes, items: bytes) -> None:
    survives({"x.inter.json": inter, "x.item.json": items})


values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4)
    | st.sampled_from(["\ud800", "['a'", "[1, 'b']", "[[[]]]", "a > b", "<b>"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)  # fmt: skip
NAMES = ["title", "Title", "categories", "Genres", "description", "item_id", "\ud800"]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.dictionaries(st.sampled_from(NAMES), values), min_size=1, max_size=3))
def test_fields_of_any_kind_come_along(items: list[dict[str, Any]]) -> None:
    """Whatever json a field holds, the import makes a folder that can be read, or says what is no
    text."""
    catalogue = {str(n): item for n, item in enumerate(items)}
    files = {"x.item.json": json.dumps(catalogue), "x.inter.json": '{"u": [0, 0, 0]}'}
    objects = files["x.item.json"].count("{") > 1 + len(items)
    assert (
        survives({name: text.encode() for name, text in files.items()})
        or objects
        or re.search("true|false", files["x.item.json"])
    )


SEQUENCES = (
    b'{"user_id": "u", "item_ids": ["1", 2], "days": [3, 2.5]}\n{"user_id": 7, "item_ids": []}\n'
)
JSONL = b'{"item_id": "1", "title": "A", "x": [1]}\n{"item_id": 2, "categories": ["B"]}\n'


@settings(max_examples=100, deadline=None)
@given(mutated(SEQUENCES), mutated(JSONL))
def test_any_folder(users: bytes, items: bytes) -> None:
    survives({"sequences.jsonl": users, "items.jsonl": items})


@given(st.one_of(st.integers(), st.floats(), st.datetimes(), st.dates(), st.text(max_size=12)))
def test_an_instant_is_two_small_numbers_or_nothing(value: Any) -> None:
    found = instant(value)
    if found is not None:
        whole, millionths = found
        assert -(2**63) <= whole < 2**63
        assert 0 <= millionths < 1_000_000
        if isinstance(value, (int, float)):
            assert abs(whole + millionths / 1e6 - value) <= max(1e-6, abs(value) * 1e-15)


@given(st.datetimes(), st.datetimes())
def test_dates_keep_their_order(one: Any, other: Any) -> None:
    assert (one < other) == ((instant(one) or ()) < (instant(other) or ()))
    assert instant(one.isoformat()) == instant(one)
