from __future__ import annotations

import gzip
import zipfile
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import pytest

from tests.ingest.official.official_files import write_gz, write_zip
from tokbench.api import Advance
from tokbench.datasets import lines as module
from tokbench.datasets.lines import read_lines
from tokbench.errors import DatasetError


def read(path: Path, member: str = "") -> list[str]:
    found = list(read_lines(path, member=member))
    assert [number for number, _ in found] == list(range(1, len(found) + 1))
    return [text for _, text in found]


def test_plain_gz_and_zip_give_the_same_lines(tmp_path: Path) -> None:
    expected = ["one\t'1'", "two", "", "four"]
    content = "one\t'1'\r\ntwo\n\nfour"
    plain = tmp_path / "a.tsv"
    plain.write_bytes(b"\xef\xbb\xbf" + content.encode())
    packed = tmp_path / "a.tsv.gz"
    packed.write_bytes(gzip.compress(content.encode()))
    top = write_zip(tmp_path / "top.zip", {"a.tsv": content, "b.tsv": "x"})
    inside = write_zip(tmp_path / "in.zip", {"folder/": "", "folder/a.tsv": content})
    assert read(plain) == read(packed) == read(top, "a.tsv") == read(inside, "a.tsv") == expected


def test_bytes_that_are_no_text_do_not_stop_the_reading(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"caf\xe9\nnext\n")
    assert read(path) == ["caf�", "next"]


def test_a_truncated_gz_is_named_with_the_line_it_reached(tmp_path: Path) -> None:
    path = write_gz(tmp_path / "a.json.gz", (f'{{"n": {n * n}}}' for n in range(20_000)))
    path.write_bytes(path.read_bytes()[:-1_000])
    with pytest.raises(DatasetError, match=r"a.json.gz:\d{4,}: cut short or damaged") as caught:
        read(path)
    assert "download it again" in caught.value.remedy


@pytest.mark.parametrize("name", ["a.json.gz", "a.zip"])
def test_a_page_under_the_name_of_an_archive_is_named(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"<html>Service unavailable</html>")
    with pytest.raises(DatasetError, match=r"cut short or damaged"):
        read(path, "news.tsv" if name.endswith("zip") else "")


def test_a_damaged_byte_in_a_zip_is_found(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("news.tsv", "N1 some news\n" * 1_000)
    content = bytearray(path.read_bytes())
    content[5_000] ^= 1
    path.write_bytes(content)
    with pytest.raises(DatasetError, match="Bad CRC"):
        read(path, "news.tsv")


@pytest.mark.parametrize(
    "name",
    ["../news.tsv", "/etc/news.tsv", "a/../../news.tsv", "C:/news.tsv", "\\x.tsv", ".", "a\0.tsv"],
)
def test_a_zip_that_climbs_out_is_refused(tmp_path: Path, name: str) -> None:
    path = write_zip(tmp_path / "a.zip", {"news.tsv": "fine", name.replace("\0", "#"): "not"})
    if "\0" in name:  # python writes no such name
        path.write_bytes(path.read_bytes().replace(name.replace("\0", "#").encode(), name.encode()))
    with pytest.raises(DatasetError, match="leads out of it"):
        read(path, "news.tsv")
    assert [p.name for p in tmp_path.iterdir()] == ["a.zip"]


def test_a_zip_must_hold_the_member_once(tmp_path: Path) -> None:
    none = write_zip(tmp_path / "none.zip", {"other.tsv": "x", "deep/er/news.tsv": "x"})
    two = write_zip(tmp_path / "two.zip", {"news.tsv": "x", "a/news.tsv": "y"})
    for path, count in ((none, 0), (two, 2)):
        with pytest.raises(DatasetError, match=f"holds {count} files named news.tsv"):
            read(path, "news.tsv")


def odd_zip(path: Path, compression: int = zipfile.ZIP_DEFLATED, **flags: int) -> Path:
    """A zip of news.tsv whose directory and header say `flags` of it."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("news.tsv", "N1 some news\n" * 100)
    content = bytearray(path.read_bytes())
    directory = content.index(b"PK\x01\x02")
    for name, (header, entry) in {"encrypted": (6, 8), "method": (8, 10)}.items():
        if name in flags:
            content[header] = content[directory + entry] = flags[name]
    path.write_bytes(content)
    return path


def test_members_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    damaged = odd_zip(tmp_path / "lzma.zip", zipfile.ZIP_LZMA)
    content = bytearray(damaged.read_bytes())
    content[60:80] = b"\xff" * 20
    damaged.write_bytes(content)
    for path, said in (
        (odd_zip(tmp_path / "locked.zip", encrypted=1), "member news.tsv is encrypted"),
        (odd_zip(tmp_path / "odd.zip", method=99), "member news.tsv is compressed by method 99"),
        (damaged, "member news.tsv is compressed by method 14"),
        (odd_zip(tmp_path / "new.zip", zipfile.ZIP_BZIP2), "compressed by method 12"),
    ):
        with pytest.raises(DatasetError, match=said) as caught:
            read(path, "news.tsv")
        assert caught.value.path == path
        assert caught.value.remedy


@pytest.mark.parametrize("name", ["a.json.gz", "a.zip"])
def test_a_small_archive_that_unpacks_without_end_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(module, "UNPACKED", (1_000_000, 200))
    text = "x\n" * 2_000_000
    path = tmp_path / name
    if name.endswith("zip"):
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("news.tsv", text)
    else:
        path.write_bytes(gzip.compress(text.encode()))
    member = "news.tsv" if name.endswith("zip") else ""
    with pytest.raises(
        DatasetError, match=r"unpacks to more than [\d,]+ bytes, 200 times its"
    ) as e:
        read(path, member)
    assert str(e.value).count(member or name)
    plain = tmp_path / "a.txt"
    plain.write_text(text)
    assert len(read(plain)) == 2_000_000, "what is not packed has no limit"


def test_a_record_of_ten_megabytes_is_read_and_an_endless_one_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.txt"
    path.write_text("first\n" + "x" * 10_000_000 + "\nlast\n")
    assert [len(text) for text in read(path)] == [5, 10_000_000, 4]
    monkeypatch.setattr(module, "LONGEST", 2**20)
    with pytest.raises(DatasetError, match=r"a.txt:2: a line of more than 1 MB"):
        read(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"nowhere.csv: cannot be read: No such file"):
        read(tmp_path / "nowhere.csv")


def test_progress_counts_the_bytes_of_the_file(tmp_path: Path) -> None:
    moved: list[int] = []

    class Bar:
        def track(self, description: str, *, total: int) -> AbstractContextManager[Advance]:
            moved.append(-total)

            def advance(units: int = 1, note: str = "") -> None:
                moved.append(units)

            return nullcontext(advance)

    path = write_gz(tmp_path / "a.gz", (f"line {n}" for n in range(52_000)))
    assert len(list(read_lines(path, progress=Bar()))) == 52_000
    plain = tmp_path / "a.txt"
    plain.write_text("few\nlines\n")
    assert moved[0] == -path.stat().st_size
    assert len(moved) > 3
    assert sum(moved) == 0
    moved.clear()
    assert len(list(read_lines(plain, progress=Bar()))) == 2
    assert moved == [-10, 10]
