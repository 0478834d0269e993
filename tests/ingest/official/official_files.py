"""Writers of raw files in the official layouts, byte for byte, small and ugly."""

from __future__ import annotations

import gzip
import json
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

BEHAVIORS = (
    "1\tU1\t11/12/2019 2:14:46 PM\tN1 N2 N1\tN3-0 N4-1\n"
    "2\tU2\t11/13/2019 5:53:12 AM\t\tN2-0 N5-1 N1-1\n"
    "3\tU1\t11/11/2019 12:00:01 AM\tN1 N2 N1\tN5-1\r\n"
    "4\tU3\t11/11/2019 12:30:00 PM\tN2\tN4-0 N3-0\n"
)
ENTITY = '[{"Label": "A \\"B\\"", "Type": "P", "WikidataId": "Q1", "SurfaceForms": ["A"]}]'
NEWS = (
    f"N1\tnews\tnewsus\tHe said \"no\"\tAn abstract\thttps://a/1.html\t{ENTITY}\t[]\n"
    "N2\tsports\tfootball\tTab\there 'quoted\t\thttps://a/2.html\t[]\t[]\r\n"
    "N3\tnews\tnewsus\tNobody clicked\tText\thttps://a/3.html\t\t\n"
    "N4\tfoodanddrink\tfoodnews\tPies &amp; cakes\tText\thttps://a/4.html\t[]\t[]\n"
    "N5\tfinance\tmarkets\t\tText\thttps://a/5.html\t[]\t[]\n"
)  # fmt: skip


def write_mind_folder(folder: Path, behaviors: str = BEHAVIORS, news: str = NEWS) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "behaviors.tsv").write_bytes(behaviors.encode())
    (folder / "news.tsv").write_bytes(news.encode())
    return folder


def write_zip(path: Path, members: dict[str, str]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def write_gz(path: Path, lines: Iterable[str]) -> Path:
    with gzip.open(path, "wb") as file:
        for line in lines:
            file.write(line.encode() + b"\n")
    return path


def write_ratings(path: Path, events: Sequence[tuple[str, str, int]], *, item_first: bool) -> Path:
    rows = [
        f"{item},{user},5.0,{time}" if item_first else f"{user},{item},5.0,{time}"
        for user, item, time in events
    ]
    path.write_text("\n".join(rows) + "\n")
    return path


# As meta_*.json.gz of 2014 has them: Python literals with single quotes and escapes.
META_2014: list[dict[str, Any]] = [
    {
        "asin": "B01", "title": "Pen \"G2\", it's blue", "price": 1.5, "brand": "Pilot",
        "salesRank": {"Office Products": 12}, "imUrl": "http://x/1.jpg",
        "related": {"also_bought": ["B02"]},
        "categories": [["Office"], ["Office", "Pens", "Gel"], ["Gifts", "Small"]],
        "description": "Writes\n well.",
    },
    {"asin": "B02", "categories": [["Office", "Paper"]], "title": "Paper &amp; card"},
    {"asin": "B03", "categories": [["Office"]], "imUrl": "http://x/3.jpg"},
    {"asin": "B01", "title": "A second entry for B01", "categories": [["Other"]]},
]  # fmt: skip


def python_literals(rows: Iterable[dict[str, Any]]) -> list[str]:
    return [repr(row) for row in rows]


def json_lines(rows: Iterable[dict[str, Any]]) -> list[str]:
    return [json.dumps(row) for row in rows]
