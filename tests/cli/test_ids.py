"""`tokbench ids`, and the way back: what a run exports benchmarks like the run itself."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.test_cli import run_words, shop
from tokbench.cli import main
from tokbench.ids.formats import FORMATS, read_table
from tokbench.schema.record import Record, read_records


@pytest.fixture
def ran(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Record:
    """A run of random codes, raw, on the shop in `tmp_path`."""
    shop(tmp_path / "shop")
    assert main(run_words(tmp_path, "--collision-policy", "none", "--no-baselines")) == 0
    capsys.readouterr()
    (record,) = read_records(tmp_path / "results")
    return record


def export_words(folder: Path, run: str, form: str, out: str) -> list[str]:
    return [
        "ids", "export", run, "--format", form, "--out", str(folder / out), "--results",
        str(folder / "results"), "--dataset", str(folder / "shop"),
    ]  # fmt: skip


@pytest.mark.parametrize("form", FORMATS)
def test_an_exported_table_is_the_codes_of_the_run(
    tmp_path: Path, ran: Record, capsys: pytest.CaptureFixture[str], form: str
) -> None:
    assert main(export_words(tmp_path, ran.run_id[:6], form, "out/codes")) == 0
    said = capsys.readouterr()
    assert "12 items, levels of 64, 64, 64 codes" in said.out
    assert ("--level-sizes 64,64,64" in said.err) is not FORMATS[form].holds_sizes
    assert ran.outcome is not None
    table = read_table(tmp_path / "out" / "codes", form)  # type: ignore[arg-type]  # a str
    assert table.item_ids == tuple(f"i{n}" for n in range(12))
    assert table.ids.codes.tolist() == ran.outcome.read_ids().codes.tolist()


def test_a_table_benchmarks_like_the_run_it_came_from(
    tmp_path: Path, ran: Record, capsys: pytest.CaptureFixture[str]
) -> None:
    (path,) = (tmp_path / "results").rglob("*.json")
    assert main(export_words(tmp_path, str(path), "npy", "ours.npy")) == 0
    words = run_words(tmp_path, "--collision-policy", "none", "--no-baselines")
    place = words.index("--tokenizer")
    words[place : place + 2] = ["--codes", str(tmp_path / "ours.npy")]
    assert main(words) == 0
    records = {record.spec.tokenizer.name: record for record in read_records(tmp_path / "results")}
    assert records.keys() == {"random", "table"}
    ours, theirs = records["random"].outcome, records["table"].outcome
    assert ours is not None
    assert theirs is not None
    assert theirs.digests == ours.digests
    assert theirs.figures == ours.figures
    assert records["table"].spec.tokenizer.label.startswith("table:ours.npy@")
    assert main(["plan", *words[1:]]) == 0
    assert "1 cells, 0 to run" in capsys.readouterr().out


def test_a_folder_of_tables_is_a_board(
    tmp_path: Path, ran: Record, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("one.json", "two.json"):
        assert main(export_words(tmp_path, ran.run_id, "json", f"published/{name}")) == 0
    words = run_words(tmp_path, "--no-baselines")
    place = words.index("--tokenizer")
    words[place : place + 2] = ["--codes", str(tmp_path / "published")]
    assert main(["plan", *words[1:]]) == 0
    assert "2 cells, 2 to run" in capsys.readouterr().out


def test_the_dataset_is_found_by_its_name_in_the_record(
    tmp_path: Path,
    ran: Record,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    words = export_words(tmp_path, ran.run_id, "json", "codes.json")[:-2]
    monkeypatch.delenv("TOKBENCH_DATA", raising=False)
    assert main(words) == 1
    assert "unknown dataset 'shop'" in capsys.readouterr().err
    monkeypatch.setenv("TOKBENCH_DATA", str(tmp_path))
    assert main(words) == 0


def test_another_dataset_is_refused(
    tmp_path: Path, ran: Record, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same items in another order would put every code on a wrong item."""
    items = tmp_path / "shop" / "items.jsonl"
    items.write_text("".join(reversed(items.read_text().splitlines(keepends=True))))
    assert main(export_words(tmp_path, ran.run_id, "json", "codes.json")) == 1
    assert f"is not the one that run {ran.run_id} was made on" in capsys.readouterr().err
    assert not (tmp_path / "codes.json").exists()


def test_a_run_has_to_be_named_clearly(
    tmp_path: Path, ran: Record, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(export_words(tmp_path, "zzz", "json", "codes.json")) == 1
    assert "neither a record file nor the beginning of a run id" in capsys.readouterr().err
    assert main(run_words(tmp_path, "--seed", "1", "--no-baselines")) == 0
    assert main(export_words(tmp_path, "", "json", "codes.json")) == 1
    assert "give more of its digits" in capsys.readouterr().err


def test_a_failed_run_has_no_codes(
    tmp_path: Path, ran: Record, capsys: pytest.CaptureFixture[str]
) -> None:
    failed = ran.model_copy(update={"status": "failed", "outcome": None, "error": "no memory"})
    (tmp_path / "failed.json").write_text(failed.sealed().model_dump_json())
    assert main(export_words(tmp_path, str(tmp_path / "failed.json"), "json", "codes.json")) == 1
    assert "failed, it has no codes: no memory" in capsys.readouterr().err


def audited(folder: Path, table: dict[str, list[int]], *more: str) -> int:
    (folder / "codes.json").write_text(json.dumps(table))
    return main(["ids", "audit", str(folder / "codes.json"), "-d", str(folder / "shop"), *more])


def test_an_audit_prints_what_it_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Twelve items on six tuples: collisions are findings, not faults."""
    shop(tmp_path / "shop")
    assert audited(tmp_path, {f"i{n}": [n % 3, n % 2] for n in range(12)} | {"x[b]": [0, 4]}) == 0
    out = capsys.readouterr().out
    for words in ("50.00 %", "100.00 %", "i0: red green number 0", "12 of the dataset's 12 items",
                  "unknown: 1 items: x[b]", "the largest codes + 1"):  # fmt: skip
        assert words in out
    assert "fault" not in out
    assert "missing" not in out


def test_an_audit_as_json_has_every_figure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shop(tmp_path / "shop")
    table = {f"i{n}": [n % 3, n % 2] for n in range(3, 12)} | {"i0": [-1, 0], "ghost": [0, 0]}
    assert audited(tmp_path, table, "--format", "json", "--level-sizes", "4,2") == 1
    found = json.loads(capsys.readouterr().out)
    assert found["coverage"]["missing"] == ["i0", "i1", "i2"]
    assert found["coverage"]["unknown"] == ["ghost"]
    assert "code -1 is negative" in found["faults"][0]
    assert [level["dead"] for level in found["levels"]] == [1, 0]
    assert found["sizes_known"] is True
    assert found["collisions"]["distinct"] == 6
    assert sum(len(group["item_ids"]) for group in found["groups"]) == 6


def test_faults_and_missing_items_end_with_a_status(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shop(tmp_path / "shop")
    everything = {f"i{n}": [n] for n in range(12)}
    assert audited(tmp_path, everything) == 0
    assert audited(tmp_path, {f"i{n}": [n] for n in range(11)}) == 1
    assert "missing: 1 items: i11" in capsys.readouterr().out
    assert audited(tmp_path, everything | {f"bad{n}": [-1] for n in range(7)}) == 1
    assert "fault: and 2 more" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["ids", "audit", "{tmp}/none.json", "-d", "toy"], "no such file"),
        (["ids", "audit", "{tmp}/t.json", "-d", "nowhere"], "TOKBENCH_DATA"),
        (["ids", "audit", "{tmp}/t.json", "-d", "toy"], "the table has none of"),
        (["ids", "audit", "{tmp}/t.json", "-d", "toy", "--level-sizes", "4,x"], "whole numbers"),
        (["ids", "audit", "{tmp}/t.json", "-d", "toy", "--level-sizes", "4,4"], "2 entries"),
        (["ids", "audit", "{tmp}/t.json", "-d", "toy", "--set", "dataset.zzz=1"], "no such option"),
        (["run", "-d", "toy", "--encoder", "tfidf", "--codes", "{tmp}/none.json"], "no such file"),
        (["plan", "-d", "toy", "--encoder", "tfidf", "-t", "table"], "table:FILE"),
    ],
)
def test_an_error_is_one_line_and_a_status(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    (tmp_path / "t.json").write_text('{"no item of any": [1]}')
    words = [word.replace("{tmp}", str(tmp_path)) for word in words]
    assert main(words) != 0
    err = capsys.readouterr().err
    assert said in err
    assert "Traceback" not in err


@pytest.mark.parametrize("words", [["ids", "--help"], ["ids", "audit", "--help"]])
def test_help_of_ids_imports_nothing_heavy(words: list[str]) -> None:
    code = (
        f"import sys; from tokbench.cli import main; main({words!r}); "
        "heavy = {'torch', 'pyarrow', 'pandas', 'scipy', 'numpy', 'pydantic'} & set(sys.modules); "
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_frozen_table_is_extended_and_its_churn_is_none(
    tmp_path: Path, ran: Record, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two items of twelve are taken out of the table; they come back with codes of their own."""
    assert main(export_words(tmp_path, ran.run_id, "json", "whole.json")) == 0
    codes = json.loads((tmp_path / "whole.json").read_text())
    frozen = {item: row for item, row in codes.items() if item not in ("i3", "i7")}
    (tmp_path / "frozen.json").write_text(json.dumps(frozen | {"gone": [1, 2, 3]}))
    words = ["ids", "extend", str(tmp_path / "frozen.json"), "--dataset", str(tmp_path / "shop"),
             "--encoder", "tfidf", "--level-sizes", "64,64,64",
             "--out", str(tmp_path / "new.json")]  # fmt: skip
    capsys.readouterr()
    assert main(words) == 0
    assert "10 items as they were, 2 added, 1 left out" in capsys.readouterr().out
    found = json.loads((tmp_path / "new.json").read_text())
    assert found.keys() == codes.keys()
    assert all(found[item] == row for item, row in frozen.items())
    assert len({tuple(row) for row in found.values()}) == 12
    files = [str(tmp_path / name) for name in ("frozen.json", "new.json")]
    assert main(["ids", "churn", *files, "--format", "csv"]) == 0
    out = capsys.readouterr().out
    assert ",tuple kept,1.0," in out and ",items added,2," in out and ",items dropped,1," in out
    assert main([*words, "--set", "tokenizer.levels=3"]) == 2
