"""MIND, the Microsoft News Dataset, in its official files (Wu et al., ACL 2020).

behaviors.tsv  impression id, user id, time, history (news ids), impressions (id-1 clicked, id-0)
news.tsv       id, category, subcategory, title, abstract, url, title entities, abstract entities

No header, fields parted by tabs, quotes mean nothing. The history of a user is in the order of the
clicks and has no times; it is the same in all of the user's impressions of one part.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path

import numpy as np

from tokbench.api import Progress
from tokbench.datasets.lines import read_lines
from tokbench.errors import DatasetError, shown
from tokbench.ingest.interactions import Gatherer, Log

EPOCH = datetime(1970, 1, 1)
TIME = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4}) (\d{1,2}):(\d{2}):(\d{2}) (AM|PM)")
OFFICIAL = "is it the official file?"


def open_table(part: Path, table: str, progress: Progress) -> Iterator[tuple[Path, int, list[str]]]:
    """(file, line, fields) of news.tsv or behaviors.tsv in a folder or in an official zip."""
    path, member = (part / table, "") if part.is_dir() else (part, table)
    for line, text in read_lines(path, progress=progress, member=member):
        if text.strip():
            yield path, line, text.split("\t")


def read_log(parts: Sequence[Path], stream: str, progress: Progress) -> Log:
    """Each user's history, then (stream 'history+clicks') the clicked news in order of time.

    `parts`: folders or zips, such as train and dev. Where parts give a user different histories,
    that of the earliest impression counts.
    """
    clicks = Gatherer()  # whose users and items number those of the histories too
    histories: dict[int, tuple[int, array[int]]] = {}  # user -> time of its impression, news
    for part in parts:
        for path, line, fields in open_table(part, "behaviors.tsv", progress):
            user_id, time, history, impressions = _impression(fields, path, line)
            user = clicks.users[user_id]
            if user not in histories or time < histories[user][0]:
                news = array("q", [clicks.items[one] for one in history.split()])
                histories[user] = (time, news)
            if stream != "history":
                for one in _clicks(impressions, path, line):
                    clicks.add(user_id, one, time)
    clicked = clicks.log()
    past = [np.frombuffer(row, np.int64) for _, row in histories.values() if row]
    owners = [user for user, (_, row) in histories.items() for _ in row]
    by_time = np.argsort(np.array(clicks.time), kind="stable")
    return Log(
        clicked.users,
        clicked.items,
        user=np.concatenate([np.array(owners, np.int64), clicked.user[by_time]]),
        item=np.concatenate([*past, clicked.item[by_time]]),
    )


def _impression(fields: list[str], path: Path, line: int) -> tuple[str, int, str, str]:
    if len(fields) != 5:
        problem = f"{len(fields)} fields, behaviors.tsv has 5"
        raise DatasetError(problem, path=path, line=line, remedy=OFFICIAL)
    _, user_id, time, history, impressions = fields
    if not user_id:
        raise DatasetError(
            f"the user id is {shown(user_id)}", path=path, line=line, remedy=OFFICIAL
        )
    seconds = parse_time(time)
    if seconds is None:
        problem = f"time {shown(time)} is not like '11/12/2019 2:14:46 PM'"
        raise DatasetError(problem, path=path, line=line, remedy=OFFICIAL)
    return user_id, seconds, history, impressions


def parse_time(text: str) -> int | None:
    """Seconds since 1970 of '11/12/2019 2:14:46 PM'; None for anything else.

    Not by strptime, whose AM and PM depend on the machine's language.
    """
    match = TIME.fullmatch(text.strip())
    if match is None:
        return None
    month, day, year, hour, minute, second = map(int, match.groups()[:6])
    if not 1 <= hour <= 12:
        return None
    try:
        time = datetime(year, month, day, hour % 12 + 12 * (match[7] == "PM"), minute, second)
    except ValueError:
        return None
    return int((time - EPOCH).total_seconds())


def _clicks(impressions: str, path: Path, line: int) -> Iterator[str]:
    """The clicked news of an impression, in the order shown."""
    for one in impressions.split():
        news, dash, label = one.rpartition("-")
        if not dash or label not in ("0", "1"):
            problem = f"impression {shown(one)} has no label -0 or -1"
            remedy = "the test part has no clicks: use train and dev"
            raise DatasetError(problem, path=path, line=line, remedy=remedy)
        if label == "1":
            yield news


def read_news(parts: Iterable[Path], progress: Progress) -> Iterator[dict[str, str]]:
    """The news of all parts, each once: item_id, title, category, subcategory, abstract."""
    seen: set[str] = set()
    for part in parts:
        for path, line, fields in open_table(part, "news.tsv", progress):
            if len(fields) < 8:
                problem = f"{len(fields)} fields, news.tsv has 8"
                raise DatasetError(problem, path=path, line=line, remedy=OFFICIAL)
            item_id, category, subcategory, *words, abstract = fields[:-3]
            if item_id in seen:
                continue
            seen.add(item_id)
            yield {
                "item_id": item_id,
                "title": " ".join(words),  # a tab in a title reads as one field more
                "category": category,
                "subcategory": subcategory,
                "abstract": abstract,
            }
