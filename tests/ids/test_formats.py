"""Code tables survive every format, and every fault of a file is named."""

from __future__ import annotations

import builtins
import contextlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tokbench.errors import ConfigError, DatasetError, MissingExtraError, TokbenchError
from tokbench.ids.code_table import CodeTable, largest_size
from tokbench.ids.formats import FORMATS, detect, files_of, read_table, tables_in, write_table
from tokbench.types import SemanticIds

HYPOTHESIS = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
SUFFIX = {"lc-rec": ".json", "json": ".json", "csv": ".csv", "parquet": ".parquet", "npy": ".npy"}
ITEMS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)


@st.composite
def tables(draw: st.DrawFn) -> CodeTable:
    """Any ids that are text, any codes, some codes of each level perhaps unused."""
    items = draw(st.lists(ITEMS, min_size=1, max_size=6, unique=True))
    levels = draw(st.integers(1, 5))
    sizes = draw(st.lists(st.sampled_from([1, 2, 64, 2**16]),
                          min_size=levels, max_size=levels))  # fmt: skip
    codes = [[draw(st.integers(0, size - 1)) for size in sizes] for _ in items]
    return CodeTable(tuple(items), SemanticIds(np.array(codes), tuple(sizes)))


def small() -> CodeTable:
    codes = np.array([[12, 7, 3], [0, 63, 3], [12, 7, 3]])
    return CodeTable(("7", 'x,"y"\r\n', "ä"), SemanticIds(codes, (64, 64, 8)))


def assert_same(found: CodeTable, table: CodeTable) -> None:
    assert found.item_ids == table.item_ids
    np.testing.assert_array_equal(found.ids.codes, table.ids.codes)
    assert found.ids.level_sizes == table.ids.level_sizes


@pytest.mark.parametrize("form", FORMATS)
@HYPOTHESIS
@given(table=tables())
@example(
    CodeTable(
        ("a\rb", "\r", " ", "\x00", "#"), SemanticIds(np.arange(5, dtype=np.int32)[:, None], (5,))
    )
)
def test_a_round_trip_changes_nothing(tmp_path: Path, form: str, table: CodeTable) -> None:
    """Sizes are held by the file or given by the reader; the format is found by looking."""
    path = tmp_path / f"codes{SUFFIX[form]}"
    write_table(table, path, form)
    assert detect(path) == form
    sizes = () if FORMATS[form].holds_sizes else table.ids.level_sizes
    found = read_table(path, level_sizes=sizes)
    assert_same(found, table)
    assert found.sizes_known


@pytest.mark.parametrize("form", ["lc-rec", "json", "csv"])
def test_a_format_without_sizes_says_so(tmp_path: Path, form: str) -> None:
    path = tmp_path / f"codes{SUFFIX[form]}"
    write_table(small(), path, form)
    found = read_table(path)
    assert found.ids.level_sizes == (13, 64, 4)
    assert not found.sizes_known


@pytest.mark.parametrize("form", ["parquet", "npy"])
def test_inferred_sizes_are_not_written_as_known(tmp_path: Path, form: str) -> None:
    guessed = CodeTable(small().item_ids, small().ids, sizes_known=False)
    write_table(guessed, tmp_path / f"codes.{form}", form)
    found = read_table(tmp_path / f"codes.{form}")
    assert not found.sizes_known
    assert found.ids.level_sizes == (13, 64, 4)


def test_the_files_are_what_other_programs_read(tmp_path: Path) -> None:
    """Read with json, pandas and numpy alone, as their readers do."""
    pandas = pytest.importorskip("pandas")
    for form in FORMATS:
        write_table(small(), tmp_path / f"{form}{SUFFIX[form]}", form)
    tokens = json.loads((tmp_path / "lc-rec.json").read_text())
    assert tokens["7"] == ["<a_12>", "<b_7>", "<c_3>"]
    assert json.loads((tmp_path / "json.json").read_text())["ä"] == [12, 7, 3]
    frames = (
        pandas.read_csv(tmp_path / "csv.csv", dtype={"item_id": str}),
        pandas.read_parquet(tmp_path / "parquet.parquet"),
    )
    for frame in frames:
        assert list(frame.columns) == ["item_id", "level_1", "level_2", "level_3"]
        assert frame.loc[1].tolist() == ['x,"y"\r\n', 0, 63, 3]
    np.testing.assert_array_equal(np.load(tmp_path / "npy.npy"), small().ids.codes)
    beside = json.loads((tmp_path / "npy.npy.json").read_text())
    assert beside == {"item_ids": list(small().item_ids), "level_sizes": [64, 64, 8]}


def test_tables_of_others_are_read(tmp_path: Path) -> None:
    """Whole numbers as ids, an int64 array, other column names, CRLF and a BOM."""
    pandas = pytest.importorskip("pandas")
    expected = [[1, 2], [0, 5]]
    frame = pandas.DataFrame({"c1": [1, 0], "item_id": [70, 3], "c2": [2, 5]})
    frame.to_parquet(tmp_path / "t.parquet", index=False)
    (tmp_path / "t.csv").write_bytes(b"\xef\xbb\xbfitem_id,a,b\r\n70,1,2\r\n\r\n3,0,5\r\n")
    np.save(tmp_path / "t.npy", np.array(expected, dtype=np.int64))
    (tmp_path / "t.npy.json").write_text('{"item_ids": [70, 3]}')
    (tmp_path / "t.index").write_text(' {"70": ["<a_1>","<b_2>"], "3": ["<a_0>","<b_5>"]}')
    (tmp_path / "t.json").write_bytes(b'\xef\xbb\xbf{"70": [1, 2], "3": [0, 5]}')
    for name in ("t.parquet", "t.csv", "t.npy", "t.index", "t.json"):
        found = read_table(tmp_path / name)
        assert found.item_ids == ("70", "3")
        assert found.ids.codes.tolist() == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"1": ["<a_1>", "<b_2>"], "2": ["<a_1>", "<c_2>"]}', "has the letter c, expected b"),
        ('{"1": ["<a_1>"], "2": ["<a_-1>"]}', "'<a_-1>' is no token"),
        ('{"1": ["<a_1>"], "2": ["<a_01>"]}', "'<a_01>' is no token"),
        ('{"1": ["<a_1>"], "2": [3]}', "level 1: 3 is no token"),
        ('{"1": ["<a_1>"], "2": "<a_1>"}', "item '2' has no list of tokens"),
        ('{"1": ["<a_1>"], "2": {"a": 1}}', "item '2' has no list of tokens"),
        ('{"1": ["<a_1>"], "2": ["<a_4>", "<b_1>"], "3": ["<a_1>"]}', "'2' has 2 codes, most"),
        ('{"1": ["<a_1>"], "1": ["<a_1>"]}', "item '1' is there twice"),
        ('{"1": ["<a_1>"], "2": ["<a_9999999999>"]}', "code 9999999999 is above 65535"),
        ('{"1": [1, 2], "2": [1, -2]}', "item '2', level 2: code -2 is negative"),
        ('{"1": [1, 2], "2": [1, 2.0]}', "2.0 is not an integer"),
        ('{"1": [1, 2], "2": [1, true]}', "True is not an integer"),
        ('{"1": [1, 2], "2": [1, "2"]}', "'2' is not an integer"),
        ('{"1": [1, 2], "2": {"a": 1}}', "item '2' has no list of codes"),
        ('{"1": [1, 2], "1": [1, 2]}', "item '1' is there twice"),
        ('{"": [1, 2], "1": [1, 2]}', "'' is no item id"),
        ('{"\\ud800": [1, 2], "1": [1, 2]}', "is no item id"),
        (
            '{"1": [1, 2], "2": [1, 99999999999999999999]}',
            "99999999999999999999 is above 65535",
        ),
        ('{"1": [1, 2], "2": [1, 65536]}', "number the codes from 0"),
        ('{"1": [1, 2], "2": [1, 1.5]}', "level 2: 1.5 is not an integer"),
        ('{"1": []}', "rows without codes"),
        ("{}", "no items"),
        ("[[1, 2]]", "no json object"),
        ('{"1": [1, 2]\n "2": [3]}', ":2: malformed json"),
        ("", "malformed json"),
        ("[" * 100_000, "malformed json"),
    ],
)
def test_a_faulty_json_is_named(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "codes.json"
    path.write_text(text)
    with pytest.raises(DatasetError) as error:
        read_table(path)
    assert words in str(error.value)
    assert str(path) in str(error.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("item_id,a\n1,2\n1,2\n", ":3: item '1' is there twice"),
        ('item_id,a\n"1\n2",2\n3,-4\n', ":4: item '3', level 1: code -4 is negative"),
        ("item_id,a,b\n1,2,3\n2,2\n3,3,3\n", ":3: item '2' has 1 codes"),
        ("item_id,a\n1,2.0\n", "'2.0' is not an integer"),
        ("item_id,a\n1,\n", "'' is not an integer"),
        ("item_id,a\n,1\n", "'' is no item id"),
        ("1,2\n3,4\n", "no column item_id"),
        ('item_id,a\n"1"x,4\n', ":2: malformed csv"),
        ("", "no column item_id"),
        ("item_id,a\n", "no items"),
        ("item_id\n1\n", "rows without codes"),
    ],
)
def test_a_faulty_csv_is_named_with_its_line(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "codes.csv"
    path.write_text(text, newline="")
    with pytest.raises(DatasetError) as error:
        read_table(path)
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("codes", "beside", "words"),
    [
        ([[1, 2]], None, "codes.npy.json: no such file"),
        ([[1, 2]], '{"item_ids": ["a", "b"]}', "2 item ids for 1 rows"),
        ([[1, 2]], '{"ids": ["a"]}', "no list of item_ids"),
        ([[1, 2]], '{"item_ids": ["a"], "level_sizes": [3]}', "1 level sizes for 2 levels"),
        ([[1, 2]], '{"item_ids": ["a"], "level_sizes": [3, 0]}', "level_sizes holds 0"),
        ([[1, 2]], '{"item_ids": ["a"], "level_sizes": 3}', "level_sizes is 3"),
        (
            [[1, 2]],
            '{"item_ids": ["a"], "level_sizes": [3, 2147483647]}',
            "level 2 has 2147483647 codes for 1 items, allowed: 65536",
        ),
        ([[1, 2]], '{"item_ids": ["a"], "level_sizes": [3, 2]}', "2 is not below the level's"),
        ([[1, 2]], '{"item_ids": [null]}', "null is no item id"),
        ([[1.0, 2.0]], '{"item_ids": ["a"]}', "an array [1, 2] of float64"),
        ([1, 2], '{"item_ids": ["a", "b"]}', "an array [2] of int64"),
        ([[None, 2]], '{"item_ids": ["a"]}', "not a readable npy file"),
    ],
)
def test_a_faulty_npy_is_named(
    tmp_path: Path, codes: list[Any], beside: str | None, words: str
) -> None:
    """An array of objects would have to be unpickled: it is not."""
    path = tmp_path / "codes.npy"
    np.save(path, np.array(codes))
    if beside is not None:
        (tmp_path / "codes.npy.json").write_text(beside)
    with pytest.raises(DatasetError) as error:
        read_table(path)
    assert words in str(error.value)


def test_a_faulty_parquet_is_named(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    path = tmp_path / "codes.parquet"
    for columns, words in (
        ({"id": ["a"], "x": [1]}, "no column item_id (its columns are id, x"),
        ({"item_id": ["a", None], "x": [1, 2]}, "null is no item id"),
        ({"item_id": ["a", "b"], "x": [1, None]}, "is not an integer"),
        ({"item_id": ["a", "a"], "x": [1, 2]}, "item 'a' is there twice"),
        ({"item_id": ["a"], "x": ["1"]}, "'1' is not an integer"),
        ({"item_id": ["a"]}, "rows without codes"),
    ):
        pandas.DataFrame(columns).to_parquet(path, index=False)
        with pytest.raises(DatasetError) as error:
            read_table(path)
        assert words in str(error.value)


def test_every_fault_is_collected_and_sound_rows_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "codes.json"
    path.write_text(
        '{"a": ["<a_1>", "<b_2>"], "b": ["<a_1>"], "c": ["<b_1>", "<b_2>"],'
        ' "a": ["<a_3>", "<b_3>"], "d": ["<a_0>", "<b_0>"]}'
    )
    faults: list[DatasetError] = []
    table = read_table(path, fault=faults.append)
    assert table.item_ids == ("a", "d")
    assert table.ids.codes.tolist() == [[1, 2], [0, 0]]
    assert len(faults) == 3


def test_sizes_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    write_table(small(), tmp_path / "codes.npy", "npy")
    with pytest.raises(ConfigError, match="2 entries"):
        read_table(tmp_path / "codes.npy", level_sizes=(64, 64))
    with pytest.raises(DatasetError, match="code 63 is not below the level's size, 63"):
        read_table(tmp_path / "codes.npy", level_sizes=(64, 63, 64))
    assert read_table(tmp_path / "codes.npy", level_sizes=(99, 99, 99)).ids.level_sizes[0] == 99


def test_the_format_can_be_named_and_a_wrong_name_is_caught(tmp_path: Path) -> None:
    path = tmp_path / "codes"
    write_table(small(), path, "csv")
    assert_same(read_table(path, "csv", level_sizes=(64, 64, 8)), small())
    assert detect(path) == "csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(DatasetError, match="format is one of lc-rec, json, csv, parquet, npy"):
        read_table(path)
    with pytest.raises(ConfigError, match="unknown format 'xml'"):
        write_table(small(), path, "xml")
    with pytest.raises(DatasetError, match="no such file"):
        read_table(tmp_path / "nothing.json")
    with pytest.raises(DatasetError, match="no such file"):
        files_of(tmp_path / "nothing.npy", "npy")


def test_a_table_in_two_files_names_both(tmp_path: Path) -> None:
    for form, count in (("npy", 2), ("csv", 1)):
        path = tmp_path / f"t.{form}"
        written = write_table(small(), path, form)
        assert len(written) == count
        assert list(files_of(path)) == written
        assert sorted(tmp_path.glob(f"t.{form}*")) == sorted(written), "nothing is left beside"


def test_lc_rec_ends_where_letters_end(tmp_path: Path) -> None:
    for levels in (26, 27):
        table = CodeTable(("a",), SemanticIds(np.zeros((1, levels), np.int32), (1,) * levels))
        if levels == 26:
            write_table(table, tmp_path / "codes.json", "lc-rec")
            assert_same(read_table(tmp_path / "codes.json"), table)
        else:
            with pytest.raises(ConfigError, match="this table has 27"):
                write_table(table, tmp_path / "codes.json", "lc-rec")
    tokens = [f"<{chr(97 + n)}_0>" for n in range(26)] + ["<a_0>"]
    (tmp_path / "codes.json").write_text(json.dumps({"1": tokens}))
    with pytest.raises(DatasetError, match="expected no letter"):
        read_table(tmp_path / "codes.json")


def test_parquet_without_its_extra_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def without_arrow(name: str, *rest: Any, **more: Any) -> Any:
        if name.startswith("pyarrow"):
            raise ModuleNotFoundError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without_arrow)
    with pytest.raises(MissingExtraError, match=r"tokbench\[parquet\]"):
        write_table(small(), tmp_path / "codes.parquet", "parquet")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(DatasetError, match="cannot be written"):
        write_table(small(), tmp_path / "taken", "csv")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


@pytest.mark.parametrize("form", ["auto", *FORMATS])
@HYPOTHESIS
@given(content=st.binary(max_size=80) | st.text(max_size=80).map(str.encode))
def test_any_bytes_give_a_table_or_an_error_of_ours(
    tmp_path: Path, form: Any, content: bytes
) -> None:
    path = tmp_path / "codes.json"
    path.write_bytes(content)
    (tmp_path / "codes.json.json").write_bytes(content)
    with contextlib.suppress(TokbenchError):
        read_table(path, form)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=4)
    | st.sampled_from(["<a_1>", "<b_2>", "<c_0>"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=12,
)  # fmt: skip


@pytest.mark.parametrize("form", ["auto", "json", "lc-rec"])
@HYPOTHESIS
@given(value=JSON)
def test_any_json_gives_a_table_or_an_error_of_ours(tmp_path: Path, form: Any, value: Any) -> None:
    path = tmp_path / "codes.json"
    path.write_text(json.dumps(value))
    try:
        table = read_table(path, form)
    except TokbenchError:
        return
    assert isinstance(value, dict)
    assert set(table.item_ids) == value.keys()


@pytest.mark.parametrize("form", ["npy", "parquet"])
@HYPOTHESIS
@given(cut=st.integers(0, 2_000), flip=st.integers(0, 60))
def test_damaged_binary_files_give_a_table_or_an_error_of_ours(
    tmp_path: Path, form: Any, cut: int, flip: int
) -> None:
    path = tmp_path / f"codes.{form}"
    write_table(small(), path, form)
    content = bytearray(path.read_bytes()[:cut])
    if form == "npy" and flip < len(content):
        content[flip] ^= 0x11
    path.write_bytes(bytes(content))
    with contextlib.suppress(TokbenchError):
        read_table(path, form)


def test_a_table_without_a_sound_row_says_what_is_wrong_with_the_first(tmp_path: Path) -> None:
    path = tmp_path / "codes.json"
    path.write_text('{"a": [1.5], "b": [-1]}')
    with pytest.raises(
        DatasetError, match="none of 2 rows can be used, the first: item 'a', level"
    ):
        read_table(path, fault=lambda error: None)


def test_a_large_catalogue_may_have_a_code_for_each_item(tmp_path: Path) -> None:
    path = tmp_path / "codes.json"
    items = largest_size(0) // 8 + 1
    rows = {str(n): [n * 8] for n in range(items)}
    path.write_text(json.dumps(rows))
    assert read_table(path).ids.level_sizes == (8 * items - 7,)
    path.write_text(json.dumps(rows | {"0": [8 * items]}))
    with pytest.raises(DatasetError, match=f"item '0', level 1: code {8 * items} is above"):
        read_table(path)


def test_a_folder_names_its_tables(tmp_path: Path) -> None:
    """Each file of a table's suffix, sorted; the ids of an .npy and what else lies there do not."""
    for name, form in [("b.json", "json"), ("a.npy", "npy"), ("C.CSV", "csv")]:
        write_table(small(), tmp_path / name, form)
    (tmp_path / "README.md").write_text("whose these are")
    (tmp_path / ".hidden.json").write_text("{}")
    (tmp_path / "old.json").mkdir()
    assert [file.name for file in tables_in(tmp_path)] == ["C.CSV", "a.npy", "b.json"]
    assert tables_in(tmp_path / "b.json") == (tmp_path / "b.json",)


def test_a_folder_without_a_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("nothing here")
    with pytest.raises(DatasetError, match=r"no code table in this folder.*\.json, \.csv"):
        tables_in(tmp_path)
