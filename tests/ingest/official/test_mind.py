from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.ingest.official.official_files import BEHAVIORS, NEWS, write_mind_folder, write_zip
from tokbench.api import Quiet
from tokbench.errors import DatasetError
from tokbench.ingest.interactions import Log, count
from tokbench.ingest.official.mind import parse_time, read_log, read_news
from tokbench.ingest.official.recipe import DataRecipe, apply


def sequences(log: Log) -> dict[str, list[str]]:
    return {
        user: [log.items[n] for n in log.item[log.user == u]] for u, user in enumerate(log.users)
    }


def test_history_then_clicks_in_order_of_time(tmp_path: Path) -> None:
    """The clicks of 11 November come before those of the 12th, though the file has them after."""
    log = read_log([write_mind_folder(tmp_path)], "history+clicks", Quiet())
    assert sequences(log) == {
        "U1": ["N1", "N2", "N1", "N5", "N4"],
        "U2": ["N5", "N1"],
        "U3": ["N2"],
    }
    assert log.time is None


def test_history_alone(tmp_path: Path) -> None:
    log = read_log([write_mind_folder(tmp_path)], "history", Quiet())
    assert sequences(log) == {"U1": ["N1", "N2", "N1"], "U2": [], "U3": ["N2"]}


def test_a_zip_reads_like_the_folder_and_parts_add_up(tmp_path: Path) -> None:
    members = {"MINDsmall_train/behaviors.tsv": BEHAVIORS, "MINDsmall_train/news.tsv": NEWS}
    train = write_zip(tmp_path / "MINDsmall_train.zip", members)
    folder = write_mind_folder(tmp_path / "train")
    assert sequences(read_log([train], "history+clicks", Quiet())) == sequences(
        read_log([folder], "history+clicks", Quiet())
    )
    dev = write_mind_folder(
        tmp_path / "dev",
        "9\tU1\t11/15/2019 8:00:00 AM\tN1 N2 N1 N9\tN6-1\n5\tU9\t11/15/2019 8:00:00 AM\tN1\tN6-0\n",
        "N6\tnews\tworld\tSix\t\t\t\t\nN1\tnews\tworld\tAgain\t\t\t\t\n",
    )
    both = sequences(read_log([train, dev], "history+clicks", Quiet()))
    assert both["U1"] == ["N1", "N2", "N1", "N5", "N4", "N6"], "the earliest history, all clicks"
    assert both["U9"] == ["N1"]
    news = list(read_news([train, dev], Quiet()))
    assert [row["item_id"] for row in news] == ["N1", "N2", "N3", "N4", "N5", "N6"]
    assert news[0]["title"] == 'He said "no"', "the first part that has it"


def test_news_with_quotes_tabs_and_empty_fields(tmp_path: Path) -> None:
    news = {row["item_id"]: row for row in read_news([write_mind_folder(tmp_path)], Quiet())}
    assert news["N1"] == {
        "item_id": "N1", "title": 'He said "no"', "category": "news", "subcategory": "newsus",
        "abstract": "An abstract",
    }  # fmt: skip
    assert (news["N2"]["title"], news["N2"]["abstract"]) == ("Tab here 'quoted", "")
    assert news["N5"]["title"] == ""


@pytest.mark.parametrize(
    ("behaviors", "words"),
    [
        ("1\tU1\t11/12/2019 2:14:46 PM\tN1\n", "4 fields, behaviors.tsv has 5"),
        ("1\tU1\t2019-11-12\tN1\tN2-1\n", "is not like"),
        ("1\tU1\t11/31/2019 2:14:46 PM\tN1\tN2-1\n", "is not like"),
        ("1\tU1\t11/12/2019 2:14:46 PM\tN1\tN2 N3\n", "no label"),
        ("1\t\t11/12/2019 2:14:46 PM\tN1\tN2-1\n", "user id is"),
    ],
)
def test_a_faulty_impression_is_named(tmp_path: Path, behaviors: str, words: str) -> None:
    folder = write_mind_folder(tmp_path, "0\tU0\t11/12/2019 2:14:46 PM\t\tN1-1\n" + behaviors)
    with pytest.raises(DatasetError, match=words) as caught:
        read_log([folder], "history+clicks", Quiet())
    assert caught.value.path == folder / "behaviors.tsv"
    assert caught.value.line == 2


def test_short_news_are_named(tmp_path: Path) -> None:
    folder = write_mind_folder(tmp_path, news="N1\tnews\tus\ttitle\n")
    with pytest.raises(DatasetError, match=r"news.tsv:1: 4 fields"):
        list(read_news([folder], Quiet()))


@given(st.datetimes(datetime(1980, 1, 1), datetime(2100, 1, 1)))
def test_times_are_read_as_they_are_written(time: datetime) -> None:
    hour = time.strftime("%I").lstrip("0")
    half = "PM" if time.hour >= 12 else "AM"
    text = f"{time.month}/{time.day}/{time.year} {hour}:{time:%M:%S} {half}"
    assert parse_time(text) == int(time.replace(tzinfo=UTC, microsecond=0).timestamp())


@pytest.mark.parametrize("text", ["", "11/12/2019 0:14:46 PM", "11/12/2019 13:14:46 PM", "noon"])
def test_other_times_are_refused(text: str) -> None:
    assert parse_time(text) is None


@pytest.mark.data
def test_the_official_slice_has_its_counts() -> None:
    raw = Path(os.environ.get("TOKBENCH_DATA", os.devnull)) / "mind-small-slice" / "raw"
    if not raw.is_dir():
        pytest.skip("mind-small-slice is not under TOKBENCH_DATA")
    log = read_log([raw], "history+clicks", Quiet())
    lengths = np.bincount(log.user, minlength=len(log.users))
    assert (len(log.users), len(log.items), len(log.user)) == (4_637, 17_628, 146_474)
    assert (int(lengths.min()), int(lengths.max()), float(np.median(lengths))) == (1, 430, 19)
    assert len(read_log([raw], "history", Quiet()).users) == 4_637
    news = list(read_news([raw], Quiet()))
    assert len(news) == 2_000
    assert sum(bool(row["abstract"]) for row in news) == 1_901
    recipe = DataRecipe(
        text="any", item_users=15, shortest=15, longest=70, too_long="drop-last", fixpoint=True
    )
    statistics = count(apply(log, recipe))
    assert (statistics.users, statistics.items) == (1_798, 1_787)
    assert statistics.interactions == 54_197
