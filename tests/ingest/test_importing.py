"""Every layout comes to the same dataset, and every fault has its file and line."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.ingest.foreign_files import WRITERS, Row
from tokbench.api import Runtime
from tokbench.datasets.folder import Folder
from tokbench.errors import ConfigError, DatasetError, MissingExtraError
from tokbench.ingest.formats.columns import Columns
from tokbench.ingest.importing import find_problems, import_data
from tokbench.types import Dataset

TITLES = {"a": "Red pen", "b": "Blue pen", "c": "Café “chair”", "d": "Lamp, small"}
ROWS = [  # v comes first; equal times of u: b before a, as in the file
    Row("v", "c", 30),
    Row("u", "b", 20),
    Row("u", "a", 20),
    Row("v", "a", 10),
    Row("u", "c", 5),
    Row("v", "d", 20),
]
SORTED = {"v": ["a", "d", "c"], "u": ["c", "b", "a"]}


def put(folder: Path, files: Mapping[str, str | bytes]) -> Path:
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        raw = content.encode() if isinstance(content, str) else content
        (folder / name).write_bytes(raw)
    return folder


def load(folder: Path, **options: Any) -> Dataset:
    return Folder.of(path=str(folder), **options).load(runtime=Runtime())


def sequences(data: Dataset) -> dict[str, list[str]]:
    return {
        user: [data.item_ids[n] for n in data.interactions[row]]
        for row, user in enumerate(data.user_ids)
    }


def json_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


@pytest.mark.parametrize("form", WRITERS)
def test_every_layout_comes_to_the_same_dataset(tmp_path: Path, form: str) -> None:
    source = tmp_path / "source"
    source.mkdir()
    WRITERS[form](source, TITLES, ROWS)
    done = import_data(source, tmp_path / "out")
    assert done.format == form
    data = load(tmp_path / "out")
    assert sequences(data) == SORTED
    assert list(data.user_ids) == ["v", "u"]
    assert dict(zip(data.item_ids, data.titles, strict=True)) == TITLES
    assert all(
        row.keys() == {"item_id", "title"} for row in json_lines(tmp_path / "out/items.jsonl")
    )
    if form == "lc-rec":
        assert data.times is None
    else:
        assert data.times is not None
        assert data.times.tolist() == [10, 20, 30, 5, 20, 20]
    assert (done.statistics.users, done.statistics.items, done.statistics.interactions) == (2, 4, 6)
    assert (done.short_users, done.textless, done.unknown_items) == (0, 0, 0)
    assert find_problems(source) == []


def test_import_json_names_the_bytes_that_were_read(tmp_path: Path) -> None:
    source = put(tmp_path / "in", {})
    WRITERS["csv"](source, TITLES, ROWS)
    import_data(source, tmp_path / "out")
    kept = json.loads((tmp_path / "out" / "import.json").read_text())
    assert kept["format"] == "csv"
    assert kept["files"] == [
        {
            "file": name,
            "bytes": (source / name).stat().st_size,
            "sha256": hashlib.sha256((source / name).read_bytes()).hexdigest(),
        }
        for name in ("items.csv", "ratings.csv")
    ]
    assert kept["statistics"]["mean"] == 3.0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in", "out"]


def test_what_was_imported_imports_again_as_it_is(tmp_path: Path) -> None:
    source = put(tmp_path / "in", {})
    WRITERS["recbole"](source, TITLES, ROWS)
    import_data(source, tmp_path / "once")
    import_data(tmp_path / "once", tmp_path / "twice")
    for name in ("items.jsonl", "sequences.jsonl"):
        assert (tmp_path / "once" / name).read_bytes() == (tmp_path / "twice" / name).read_bytes()


INTER = "user_id:token\titem_id:token\ttimestamp:float\n"
ITEM = "item_id:token\ttitle:token_seq\tgenre:token_seq\tbrand:token\n"


def recbole(folder: Path, inter: str | bytes, item: str | bytes | None = None) -> Path:
    item = ITEM + "1\tToy Story\tAnimation Comedy\t\n" if item is None else item
    return put(folder, {"x.inter": inter, "x.item": item})


def test_recbole_fields_and_quotes_are_taken_as_they_are(tmp_path: Path) -> None:
    item = (
        ITEM + '1\t"Toy" Story &amp; more\tAnimation Children\'s\tDisney\r\n2\tA\tFood, Fast food\t'
    )
    source = recbole(tmp_path / "in", INTER + "u\t1\t1.5\r\nu\t2\t1.25\r\n\r\nu\t1\t3\r\n", item)
    done = import_data(source, tmp_path / "out")
    assert done.times == "millionths"
    assert json_lines(tmp_path / "out" / "items.jsonl") == [
        {"item_id": "1", "title": '"Toy" Story & more', "category": "Animation, Children's",
         "brand": "Disney"},
        {"item_id": "2", "title": "A", "category": "Food, Fast food"},
    ]  # fmt: skip
    (row,) = json_lines(tmp_path / "out" / "sequences.jsonl")
    assert row == {
        "user_id": "u",
        "item_ids": ["2", "1", "1"],
        "times": [1_250_000, 1_500_000, 3_000_000],
    }


def test_times_whose_millionths_overflow_are_refused(tmp_path: Path) -> None:
    source = recbole(tmp_path / "in", "\ufeff" + INTER + "u\t1\t9223372036855.5\nu\t1\t1\n")
    with pytest.raises(DatasetError, match="times with fractions that are too large"):
        import_data(source, tmp_path / "out")
    recbole(source, INTER + "u\t1\t9223372036853.5\n")
    import_data(source, tmp_path / "out")
    (row,) = json_lines(tmp_path / "out" / "sequences.jsonl")
    assert row["times"] == [9_223_372_036_853_500_000]


def test_lc_rec_fields(tmp_path: Path) -> None:
    items = {
        "7": {"title": "AT&amp;T", "categories": "Office, Phones &amp; Co",
              "description": "['a', 'b']"},
        "8": {"title": "", "categories": [], "price": float("nan"), "item_id": "other"},
        "9": {"title": "C", "categories": [["A"], ["A", "B"], ["C"]]},
    }  # fmt: skip
    files = {
        "Y.item.json": json.dumps(items),
        "Y.inter.json": '\ufeff{"0": [7, "8", 7],\r\n"1": []}',
    }
    done = import_data(put(tmp_path / "in", files), tmp_path / "out")
    assert json_lines(tmp_path / "out" / "items.jsonl") == [
        {"item_id": "7", "title": "AT&T", "categories": ["Office", "Phones & Co"],
         "description": "a b"},
        {"item_id": "8", "title": ""},
        {"item_id": "9", "title": "C", "categories": ["A", "B"]},
    ]  # fmt: skip
    assert json_lines(tmp_path / "out" / "sequences.jsonl") == [
        {"user_id": "0", "item_ids": ["7", "8", "7"]}
    ]
    assert done.textless == 1


def test_csv_dialects_dates_and_long_cells(tmp_path: Path) -> None:
    long = "x" * 300_000  # the csv module's own limit is 131,072
    files = {
        "ratings.tsv": "\ufeffuser\titem\tdate\r\nu\t1\t2014-07-23\r\n"
        "u\t2\t2014-07-22T23:59:59Z\r\n",
        "items.tsv": f'id\tname\tgenres\tdescription\r\n1\t"Pen ""Pro""\r\nblue"\tA|B\t{long}\r\n'
        "2\tPad\t\t\r\n",
    }
    import_data(put(tmp_path / "in", files), tmp_path / "out")
    assert json_lines(tmp_path / "out" / "items.jsonl") == [
        {"item_id": "1", "title": 'Pen "Pro"\nblue', "category": "A, B",
         "description": long},
        {"item_id": "2", "title": "Pad"},
    ]  # fmt: skip
    (row,) = json_lines(tmp_path / "out" / "sequences.jsonl")
    assert row["item_ids"] == ["2", "1"]
    assert row["times"] == [1406073599, 1406073600]


def test_columns_can_be_named(tmp_path: Path) -> None:
    files = {
        "log.csv": "\ufeffwho;what;when;title\nu;1;2;x\nu;2;1;x\n",
        "things.csv": "what;caption\n1;Pen\n2;Pad\n",
    }
    source = put(tmp_path / "in", files)
    with pytest.raises(DatasetError, match=r"log.csv:1: no column of user ids .*--user-column"):
        import_data(source, tmp_path / "out", columns=Columns(item="what"))
    columns = Columns(user="who", item="what", time="when", title="caption")
    items = source / "things.csv"
    import_data(source / "log.csv", tmp_path / "out", items=items, columns=columns)
    assert [row["title"] for row in json_lines(tmp_path / "out" / "items.jsonl")] == ["Pen", "Pad"]
    (row,) = json_lines(tmp_path / "out" / "sequences.jsonl")
    assert row["item_ids"] == ["2", "1"]


def test_without_times_the_order_is_the_files(tmp_path: Path) -> None:
    files = {"inter.csv": "user,item\nu,2\nv,1\nu,1\nu,2\n", "items.csv": "item,title\n1,A\n2,B\n"}
    done = import_data(put(tmp_path / "in", files), tmp_path / "out")
    assert done.times == "none"
    rows = json_lines(tmp_path / "out" / "sequences.jsonl")
    assert [row["item_ids"] for row in rows] == [["2", "1", "2"], ["1"]]
    assert done.short_users == 1


def test_parquet_with_dates_lists_and_numbers(tmp_path: Path) -> None:
    from datetime import UTC, datetime

    import pyarrow as pa
    import pyarrow.parquet as pq

    source = put(tmp_path / "in", {})
    when = [datetime(2020, 1, 2, tzinfo=UTC), datetime(2020, 1, 1, tzinfo=UTC)]
    events = {"user_id": [7, 7], "item_id": [1, 2], "timestamp": when, "unused": [[1], None]}
    pq.write_table(pa.table(events), source / "events.parquet")
    items = {"item_id": [1, 2], "title": ["A", None], "categories": [["X", "Y"], []],
             "price": [1.5, float("inf")], "released": when}  # fmt: skip
    pq.write_table(pa.table(items), source / "items.parquet")
    import_data(source, tmp_path / "out")
    assert json_lines(tmp_path / "out" / "sequences.jsonl") == [
        {"user_id": "7", "item_ids": ["2", "1"], "times": [1577836800, 1577923200]}
    ]
    first, second = json_lines(tmp_path / "out" / "items.jsonl")
    assert first["categories"] == ["X", "Y"]
    assert first["price"] == 1.5
    assert second["title"] == ""
    assert "price" not in second
    assert second["released"].startswith("2020-01-01")


def test_parquet_without_pyarrow_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = put(tmp_path / "in", {"items.parquet": b"", "events.parquet": b""})
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"tokbench\[parquet\]"):
        import_data(source, tmp_path / "out")


def test_unknown_items_stop_the_import_or_come_along_without_text(tmp_path: Path) -> None:
    inter = INTER + "u\t1\t1\nu\t404\t2\nu\t1\t3\nv\t404\t3\n"
    source = recbole(tmp_path / "in", inter)
    with pytest.raises(DatasetError, match=r"x.inter:3: unknown item '404' .*--unknown-items keep"):
        import_data(source, tmp_path / "out")
    done = import_data(source, tmp_path / "out", unknown_items="keep")
    assert (done.unknown_items, done.textless, done.catalogue) == (1, 1, 2)
    assert json_lines(tmp_path / "out" / "items.jsonl")[1] == {"item_id": "404", "title": ""}


def test_interactions_with_unknown_items_can_be_dropped(tmp_path: Path) -> None:
    """A user who took nothing else goes with them."""
    inter = INTER + "u\t1\t1\nu\t404\t2\nu\t1\t3\nv\t404\t3\nu\t405\t4\n"
    source = recbole(tmp_path / "in", inter)
    done = import_data(source, tmp_path / "out", unknown_items="drop")
    assert (done.unknown_items, done.dropped_interactions) == (2, 3)
    assert (done.catalogue, done.statistics.users, done.statistics.interactions) == (1, 1, 2)
    assert len(json_lines(tmp_path / "out" / "items.jsonl")) == 1
    (user,) = json_lines(tmp_path / "out" / "sequences.jsonl")
    assert (user["user_id"], user["item_ids"]) == ("u", ["1", "1"])
    assert json.loads((tmp_path / "out" / "import.json").read_text())["dropped_interactions"] == 3
    assert find_problems(source, unknown_items="drop") == []


def test_duplicate_interactions_are_kept_and_counted(tmp_path: Path) -> None:
    source = recbole(tmp_path / "in", INTER + "u\t1\t1\nu\t1\t2\nu\t1\t1\nw\t1\t1\n")
    done = import_data(source, tmp_path / "out")
    assert done.duplicate_rows == 1
    assert done.statistics.interactions == 4


BAD_RECBOLE: dict[str, tuple[str | bytes, str | None, str, int | None, str]] = {
    "no such column": ("who:token\titem:token\n", None, "x.inter", 1, "no column of user ids"),
    "untyped": ("user_id\titem_id\n", None, "x.inter", 1, "'user_id' has no type"),
    "odd type": ("user_id:int\titem_id:token\n", None, "x.inter", 1, "types are token"),
    "empty": ("", None, "x.inter", 1, "empty file"),
    "no rows": (INTER, None, "x.inter", None, "no interactions"),
    "short row": (INTER + "u\t1\t2\nu\t1\n", None, "x.inter", 3, "2 cells, the header has 3"),
    "no time": (INTER + "u\t1\t\n", None, "x.inter", 2, "timestamp is ''"),
    "not a time": (INTER + "u\t1\tnan\n", None, "x.inter", 2, "timestamp is 'nan'"),
    "no user": (INTER + "\t1\t2\n", None, "x.inter", 2, "the user id is ''"),
    "no item": (INTER + "u\t\t2\n", None, "x.inter", 2, "the item id is ''"),
    "bytes": (INTER.encode() + b"u\t1\t2\n\xff\t1\t3\n", None, "x.inter", 3, "not UTF-8"),
    "twice": (INTER + "u\t1\t2\n", ITEM + "1\tA\t\t\n1\tB\t\t\n", "x.item", 3, "duplicate item"),
    "no items": (INTER + "u\t1\t2\n", ITEM, "x.item", None, "no items"),
    "two columns": ("user_id:token\tuser_id:float\n", None, "x.inter", 1, "two columns 'user_id'"),
}


@pytest.mark.parametrize("case", BAD_RECBOLE)
def test_faults_of_recbole_files_are_placed(tmp_path: Path, case: str) -> None:
    inter, item, name, line, said = BAD_RECBOLE[case]
    expect_fault(recbole(tmp_path / "in", inter, item), tmp_path, name, line, said)


def expect_fault(source: Path, folder: Path, name: str, line: int | None, said: str) -> None:
    with pytest.raises(DatasetError) as caught:
        import_data(source, folder / "out")
    error = caught.value
    assert (error.path and error.path.name, error.line) == (name, line)
    assert said in str(error)
    assert str(error) in map(str, find_problems(source))
    assert [path.name for path in folder.iterdir()] == [source.name], "something is left behind"


GOOD_ITEMS = '{"1": {"title": "A"}}'
BAD_LC_REC = {
    "cut short": (b'{"0": [1,\n 1', GOOD_ITEMS, "x.inter.json", 2, "malformed json"),
    "a list": (b"[1, 2]", GOOD_ITEMS, "x.inter.json", 1, "expected '{'"),
    "empty": (b"", GOOD_ITEMS, "x.inter.json", 1, "expected '{'"),
    "tail": (b'{"0": [1]}\n\n{', GOOD_ITEMS, "x.inter.json", 3, "text after the object"),
    "comma": (b'{"0": [1],\n}', GOOD_ITEMS, "x.inter.json", 2, "expected '\"'"),
    "no colon": (b'{"0" [1]}', GOOD_ITEMS, "x.inter.json", 1, "expected ':'"),
    "user twice": (b'{"0": [1],\n"0": [1]}', GOOD_ITEMS, "x.inter.json", 2, "duplicate user '0'"),
    "no list": (b'{"0": [1],\n\n"1": "1 1"}', GOOD_ITEMS, "x.inter.json", 3, "'1' has a string"),
    "unknown": (b'{"0": [1],\n"1": [1, 5]}', GOOD_ITEMS, "x.inter.json", 2, "unknown item '5'"),
    "no id": (b'{"0": [1],\n"1": [{}]}', GOOD_ITEMS, "x.inter.json", 2, "the item id is an object"),
    "bytes": (b'{"0":\n\n"\xfe"}', GOOD_ITEMS, "x.inter.json", 3, "not UTF-8"),
    "digits": (b'{"0":\n[' + b"9" * 5000 + b"]}", GOOD_ITEMS, "x.inter.json", 2, "malformed json"),
    "deep": (b"\n" + b'{"0":' + b"[" * 100_000, GOOD_ITEMS, "x.inter.json", 2, "malformed json"),
    "item twice": (b'{"0": [1]}', '{"1": {},\n"1": {}}', "x.item.json", 2, "duplicate item '1'"),
    "no fields": (b'{"0": [1]}', '{"1":\n"A"}', "x.item.json", 1, "item '1' is a string"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_LC_REC)
def test_faults_of_lc_rec_files_are_placed(tmp_path: Path, case: str) -> None:
    inter, items, name, line, said = BAD_LC_REC[case]
    source = put(tmp_path / "in", {"x.inter.json": inter, "x.item.json": items})
    expect_fault(source, tmp_path, name, line, said)


GOOD_TABLE = b"item,title\n1,A\n"
BAD_CSV = {
    "empty": (b"", GOOD_TABLE, "inter.csv", 1, "empty file"),
    "open quote": (b'user,item\nu,1\n"u,1\nu,1\n', GOOD_TABLE, "inter.csv", 3, "quote left open"),
    "after quote": (b'user,item\n"u"x,1\n', GOOD_TABLE, "inter.csv", 2, "expected after"),
    "row begins": (b'user,item,x\nu,1,"a\nb"\nu,1\n', GOOD_TABLE, "inter.csv", 4, "2 cells"),
    "odd id": (b"user,item\nu, 1\n", GOOD_TABLE, "inter.csv", 2, "the item id is ' 1'"),
    "old mac": (b"user,item\nu,1\ru,1\n", GOOD_TABLE, "inter.csv", 2, "new-line character"),
    "bytes": (b"user,item\nu,1\nu\xe9,1\n", GOOD_TABLE, "inter.csv", 3, "not UTF-8"),
    "not utf-8": ("user,item".encode("utf-16"), GOOD_TABLE, "inter.csv", 1, "not UTF-8"),
    "one for two": (b"user,x\nu,1\n", b"x,title\n1,A\n", "items.csv", 1, "no column of item ids"),
    "headless": (b"u1,1,5.0,100\n", GOOD_TABLE, "inter.csv", 1, "no column of user ids"),
}


@pytest.mark.parametrize("case", BAD_CSV)
def test_faults_of_tables_are_placed(tmp_path: Path, case: str) -> None:
    inter, items, name, line, said = BAD_CSV[case]
    source = put(tmp_path / "in", {"inter.csv": inter, "items.csv": items})
    expect_fault(source, tmp_path, name, line, said)


def test_a_parquet_file_that_is_none_is_named(tmp_path: Path) -> None:
    source = put(tmp_path / "in", {"items.parquet": b"PAR1", "events.parquet": b""})
    expect_fault(source, tmp_path, "items.parquet", None, "not a readable parquet file")


BAD_FOLDER = {
    "times": ('{"user_id": "u", "item_ids": ["1", "1"], "days": [1]}', 1, "1 times for 2 items"),
    "no time": ('{"user_id": "u", "item_ids": ["1"], "days": ["x"]}', 1, "'x' is not a time"),
    "some": ('{"user_id": "u", "item_ids": ["1"]}\n'
             '{"user_id": "v", "item_ids": ["1"], "days": [1]}',
             2, "some interactions have times and some none"),
    "twice": ('{"user_id": "u", "item_ids": ["1"]}\n{"user_id": "u", "item_ids": []}', 2,
              "duplicate user"),
    "no list": ('{"user_id": "u"}', 1, "item_ids is null"),
    "json": ("\n{", 2, "malformed json"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_FOLDER)
def test_faults_of_a_folder_are_placed(tmp_path: Path, case: str) -> None:
    users, line, said = BAD_FOLDER[case]
    files = {"items.jsonl": '{"item_id": "1", "title": "A"}', "sequences.jsonl": users}
    expect_fault(put(tmp_path / "in", files), tmp_path, "sequences.jsonl", line, said)


def test_check_lists_every_fault_in_the_order_of_reading(tmp_path: Path) -> None:
    inter = INTER + "u\t1\t1\nu\tghost\t2\nu\t1\tsoon\nshort\nu\t1\t4\n"
    item = ITEM + "1\tA\t\t\n\tB\t\t\n1\tC\t\t\n"
    found = find_problems(recbole(tmp_path / "in", inter, item))
    places = [(error.path.name if error.path else "", error.line) for error in found]
    assert places == [("x.item", 3), ("x.item", 4), ("x.inter", 3), ("x.inter", 4), ("x.inter", 5)]


def test_of_several_files_the_one_called_like_the_folder_is_meant(tmp_path: Path) -> None:
    source = recbole(tmp_path / "x", INTER + "u\t1\t1\n")
    put(source, {"x.train.inter": INTER, "x.train.item": ITEM})
    assert import_data(source, tmp_path / "out").files.interactions == source / "x.inter"


def test_where_the_choice_is_not_clear_it_is_asked_for(tmp_path: Path) -> None:
    source = put(tmp_path / "in", {"a.inter": INTER, "a.item": ITEM, "b.inter": INTER})
    with pytest.raises(DatasetError, match=r"several .inter files: a.inter, b.inter"):
        import_data(source, tmp_path / "out")
    with pytest.raises(DatasetError, match=r"b.item: no such file of items .*--items FILE"):
        import_data(source / "b.inter", tmp_path / "out")
    with pytest.raises(DatasetError, match="no such file or folder"):
        import_data(tmp_path / "nowhere", tmp_path / "out")
    with pytest.raises(DatasetError, match="recognised are"):
        import_data(put(tmp_path / "none", {"notes.txt": ""}), tmp_path / "out")
    with pytest.raises(DatasetError, match="no dataset of format csv"):
        import_data(source, tmp_path / "out", form="csv")
    with pytest.raises(ConfigError, match="unknown format"):
        import_data(source, tmp_path / "out", form="xml")  # type: ignore[arg-type]
    tables = put(tmp_path / "t", {"x.csv": b"", "y.csv": b"", "z.csv": b""})
    with pytest.raises(DatasetError, match="which file has the items"):
        import_data(tables, tmp_path / "out")
    with pytest.raises(DatasetError, match="exists already"):
        import_data(source, source)


@pytest.mark.data
def test_office_in_lc_rec_form_equals_the_folder_beside_it(tmp_path: Path) -> None:
    office = Path(os.environ.get("TOKBENCH_DATA", os.devnull)) / "office-5core"
    if not office.is_dir():
        pytest.skip("office-5core is not under TOKBENCH_DATA")
    done = import_data(office / "raw", tmp_path / "office")
    counts = done.statistics
    assert (counts.users, counts.items, counts.interactions) == (4_905, 2_420, 53_258)
    assert (counts.shortest, counts.mean, counts.median, counts.longest) == (5, 10.858, 7, 94)
    ours, theirs = load(tmp_path / "office"), load(office)
    assert ours.item_ids == theirs.item_ids
    assert ours.texts == theirs.texts
    assert ours.titles == theirs.titles
    assert ours.categories == theirs.categories
    assert ours.user_ids == theirs.user_ids
    assert ours.interactions.digest() == theirs.interactions.digest()
    import_data(office, tmp_path / "again")
    assert load(tmp_path / "again").digest() == theirs.digest()
