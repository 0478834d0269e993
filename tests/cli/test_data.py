"""`tokbench data`: each command calls its function and says what came of it."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from tests.ingest.foreign_files import Row, write_csv
from tests.ingest.official.official_files import BEHAVIORS, NEWS, write_zip
from tokbench.cli import main

Capture = pytest.CaptureFixture[str]
ITEMS = {"a": "Red pen", "b": "Blue pen", "c": "Lamp"}
ROWS = [Row("u", "b", 2), Row("u", "a", 1), Row("u", "c", 3), Row("v", "a", 1)]


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    folder = tmp_path / "logs"
    folder.mkdir()
    write_csv(folder, ITEMS, ROWS)
    return folder


def test_import_then_check_show_and_run(tmp_path: Path, logs: Path, capsys: Capture) -> None:
    out = str(tmp_path / "mine")
    assert main(["data", "import", str(logs), "--out", out]) == 0
    said = capsys.readouterr().out
    assert "mine from csv: 2 users, 3 items (3 in interactions), 4 interactions" in said
    assert "note: 1 users with too few items" in said
    assert f"--dataset {out} --tokenizer cost --set dataset.short_users=drop" in said
    assert main(["data", "check", out]) == 1
    heard = capsys.readouterr()
    assert "sequences.jsonl:2: user 'v' has too few items" in heard.out
    assert "1 problem\n" in heard.err
    drop = ["--set", "dataset.short_users=drop"]
    assert main(["data", "check", out, *drop]) == 0
    assert "no problems" in capsys.readouterr().out
    template = ["--set", "dataset.template=It is a {title}."]
    assert main(["data", "show", out, "--items", "2", *drop, *template]) == 0
    said = capsys.readouterr().out
    assert "mine: 1 users, 3 items (3 in interactions), 3 interactions" in said
    assert "length: min 3, mean 3, median 3, max 3" in said
    assert "a  Red pen\n  It is a Red pen." in said
    assert "Lamp" not in said
    assert main(["data", "show", out]) == 0  # as far as it is sound, and what is not
    said = capsys.readouterr().out
    assert "mine: 1 users, 3 items (3 in interactions), 3 interactions" in said
    assert "incomplete: 1 problem left out here, and a run stops at the first: " in said
    assert "sequences.jsonl:2: user 'v' has too few items" in said
    assert f"`tokbench data check {out}` lists them" in said
    assert "Title: Red pen." in said


def test_import_says_how_much_it_dropped(tmp_path: Path, logs: Path, capsys: Capture) -> None:
    with (logs / "ratings.csv").open("a") as stream:
        stream.write("9,v,ghost\n10,v,ghost\n")
    words = ["data", "import", str(logs), "--out", str(tmp_path / "mine"), "--unknown-items"]
    assert main([*words, "drop"]) == 0
    said = capsys.readouterr().out
    assert "note: 1 items that the items file does not describe, dropped with 2 interac" in said


def test_titles_do_not_steer_the_terminal(tmp_path: Path, capsys: Capture) -> None:
    rows = [{"item_id": n, "title": f"\x1b]0;owned\x07{n}\u202e"} for n in "abc"]
    (tmp_path / "items.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "sequences.jsonl").write_text('{"user_id": "u", "item_ids": ["a", "b", "c"]}')
    assert main(["data", "show", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "\ufffd]0;owned\ufffda" in said
    assert not re.search("[\x1b\x07\u202e]", said)


def test_check_reads_what_import_reads(logs: Path, capsys: Capture) -> None:
    assert main(["data", "check", str(logs)]) == 0
    with (logs / "ratings.csv").open("a") as file:
        file.write("4,u,ghost\n5,,a\nx,u,a\n")
    assert main(["data", "check", str(logs)]) == 1
    heard = capsys.readouterr()
    assert [line.split(": ")[0].rpartition("/")[2] for line in heard.out.splitlines()[1:]] == [
        "ratings.csv:6", "ratings.csv:7", "ratings.csv:8",
    ]  # fmt: skip
    assert "3 problems" in heard.err
    assert main(["data", "check", str(logs), "--unknown-items", "keep"]) == 1
    assert "2 problems" in capsys.readouterr().err


def test_columns_and_files_are_options(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "log.csv").write_text("who,what,on\nx,1,2020-01-02\nx,2,2020-01-01\nx,1,3\n")
    (tmp_path / "names.tsv").write_text("what\tcaption\n1\tOne\n2\tTwo\n")
    words = ["data", "import", str(tmp_path / "log.csv"), "--out", str(tmp_path / "out")]
    words += ["--items", str(tmp_path / "names.tsv"), "--user-column", "who", "--item-column"]
    words += ["what", "--time-column", "on", "--title-column", "caption", "--format", "csv"]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "order: by time" in said
    assert "columns of log.csv: user from who, item from what, time from on\n" in said
    assert "columns of names.tsv: item from what, title from caption\n" in said
    row = json.loads((tmp_path / "out" / "sequences.jsonl").read_text())
    assert row["item_ids"] == ["1", "2", "1"]


def test_import_says_what_it_did_not_use(tmp_path: Path, capsys: Capture) -> None:
    """Movielens: genres stand side by side. RecBole: `class` is one, a vector is left out."""
    lens, bole = tmp_path / "lens", tmp_path / "bole"
    for folder in (lens, bole):
        folder.mkdir()
    (lens / "ratings.csv").write_text("userId,movieId,rating,timestamp\n1,1,4,5\n")
    (lens / "movies.csv").write_text("movieId,title,genres,year\n1,Heat,Action|Crime,1995\n")
    (bole / "bole.inter").write_text("user_id:token\titem_id:token\nu\t1\n")
    head = "item_id:token\tmovie_title:token_seq\tclass:token_seq\tmood:token_seq\tv:float_seq"
    (bole / "bole.item").write_text(f"{head}\n1\tHeat\tAction Crime\tdark slow\t.1 .2\n")
    for source, told in (
        (lens, ["time from timestamp; not used: rating", "category from genres",
                "not in the text an encoder reads: year (1 items)"]),
        (bole, ["title from movie_title, category from class; left out, vectors: v",
                "not in the text an encoder reads: mood (1 items)"]),
    ):  # fmt: skip
        out = tmp_path / f"out-{source.name}"
        assert main(["data", "import", str(source), "--out", str(out)]) == 0
        said = capsys.readouterr().out
        assert all(words in said for words in told), said
        row = json.loads((out / "items.jsonl").read_text())
        assert (row["title"], row["category"]) == ("Heat", "Action, Crime")
        assert json.loads((out / "import.json").read_text())["unread_fields"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["import", "{tmp}/logs", "--out", "{tmp}/logs"], "exists already"),
        (["import", "{tmp}/none", "--out", "{tmp}/x"], "no such file or folder"),
        (["import", "{tmp}/logs", "--out", "{tmp}/x", "--user-column", "who"], "no column 'who'"),
        (["import", "{tmp}/logs", "--out", "{tmp}/x", "--title-column", "t"], "no column 't'"),
        (["check", "{tmp}/logs", "--plugin", "{tmp}/none.py"], "none.py' does not exist"),
        (["check", "nowhere"], "unknown dataset 'nowhere'"),
        (["show", "nowhere"], "unknown dataset 'nowhere'"),
        (["synth", "--like", "mind", "--out", "{tmp}/mind"], "must contain 'synthetic'"),
        (["prepare", "movielens"], "no official dataset 'movielens'"),
        (["recipes", "movielens"], "no official dataset 'movielens'"),
        (["prepare", "mind", "--raw", "{tmp}", "--out", "{tmp}/m"], "MINDsmall_train.zip"),
        (["prepare", "mind", "--set", "recipe.depth=1"], "options: source, stream"),
        (["prepare", "mind", "--set", "recipe.shortest=2"], "equal to 3 (found '2')"),
        (["prepare", "mind", "--set", "recipe.longest=3"], "longest=3 is below shortest=15"),
    ],
)
def test_errors_are_one_line_and_a_status(
    tmp_path: Path, logs: Path, capsys: Capture, words: list[str], said: str
) -> None:
    assert main(["data", *[word.replace("{tmp}", str(tmp_path)) for word in words]]) != 0
    err = capsys.readouterr().err
    assert said in err
    assert "Traceback" not in err
    assert "pydantic" not in err


def test_synth_writes_a_twin(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["data", "synth", "--like", "office-s", "--scale", "0.05", "--seed", "3"]) == 0
    said = capsys.readouterr().out
    assert "synthetic-office-s-x0.05: synthetic, 143 users, 731 items" in said
    assert main(["data", "check", "synthetic-office-s-x0.05"]) == 0


def test_prepare_and_recipes_print_the_difference(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKBENCH_DATA", str(tmp_path / "data"))
    raw = tmp_path / "raw"
    raw.mkdir()
    write_zip(raw / "MINDsmall_train.zip", {"behaviors.tsv": BEHAVIORS, "news.tsv": NEWS})
    words = ["data", "prepare", "mind", "--raw", str(raw), "--set", "recipe.shortest=3"]
    assert main([*words, "--set", "recipe.item_users=0"]) == 0
    said = capsys.readouterr().out
    assert "29,207" in said
    assert "-29,206" in said  # one user is left here
    made = json.loads((tmp_path / "data" / "mind" / "recipe.json").read_text())
    assert made["recipe"]["shortest"] == 3
    assert main(["data", "show", str(tmp_path / "data" / "mind")]) == 0
    assert "Pies & cakes" in capsys.readouterr().out
    assert main([*words, "--set", "recipe.item_users=0", "--out", str(tmp_path / "mine")]) == 0
    (typed,) = re.findall(r"--dataset (\S+)`", capsys.readouterr().out)
    assert typed.startswith("mind:"), "a registered name alone would not mean this folder"
    assert main(["data", "show", typed]) == 0
    assert "Pies & cakes" in capsys.readouterr().out
    assert main(["data", "recipes", "mind", "--raw", str(raw), "--best", "2"]) == 0
    said = capsys.readouterr().out
    assert "published: CoST, Table 1" in said
    assert "2 of 36 recipes tried" in said


@pytest.mark.data
def test_the_raw_slice_of_mind_is_prepared(tmp_path: Path, capsys: Capture) -> None:
    raw = Path(os.environ.get("TOKBENCH_DATA", os.devnull)) / "mind-small-slice" / "raw"
    if not raw.is_dir():
        pytest.skip("mind-small-slice is not under TOKBENCH_DATA")
    words = ["data", "prepare", "mind", "--raw", str(raw), "--out", str(tmp_path / "mind")]
    for change in ("text=any", "fixpoint=true", "too_long=drop-last"):
        words += ["--set", f"recipe.{change}"]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert all(figure in said for figure in ("1,798", "1,787", "54,197", "12,251"))
