"""`tokbench tune` and `run --tuned`, as a user types them."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.cli.test_cli import shop
from tokbench.cli import main


def tune_words(folder: Path, *more: str) -> list[str]:
    return ["tune", str(folder / "tuned.json"), "--dataset", str(folder / "shop"), "--encoder",
            "tfidf", "--generator", "item-item", "--space", "item-item.shrink=0..40", "--cache",
            str(folder / "cache"), *more]  # fmt: skip


def test_trials_are_listed_the_best_is_printed_and_a_run_takes_it_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("optuna")
    shop(tmp_path / "shop")
    words = tune_words(tmp_path, "--trials", "3", "--format", "csv")
    assert main(words) == 0
    out, err = capsys.readouterr()
    assert len(out.strip().splitlines()) == 4, "a line of heads, and one for each trial"
    assert "best: --set item-item.shrink=" in err
    assert main(words) == 0, "nothing is left to do"
    assert capsys.readouterr().out == out
    kept = json.loads((tmp_path / "tuned.json").read_text())
    assert [one["number"] for one in kept["trials"]] == [0, 1, 2]
    assert main(["run", "--dataset", str(tmp_path / "shop"), "--tokenizer", "item-id",
                 "--collision-policy", "none", "--generator", "item-item", "--no-baselines",
                 "--encoder", "tfidf", "--results", str(tmp_path / "results"), "--cache",
                 str(tmp_path / "cache"), "--tuned", str(tmp_path / "tuned.json"),
                 ]) == 0  # fmt: skip
    assert "item-item tuned on shop: 3 trials" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--space", "item-item.srink=0..4"], "did you mean shrink?"),
        (["--tokenizer", "random", "--tokenizer", "item-id"], "one method on one dataset"),
    ],
)
def test_a_wrong_request_is_one_line(
    more: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("optuna")
    shop(tmp_path / "shop")
    assert main(tune_words(tmp_path, *more)) == 1
    err = capsys.readouterr().err
    assert said in err
    assert "Traceback" not in err


def test_without_optuna_the_extra_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shop(tmp_path / "shop")
    monkeypatch.setitem(sys.modules, "optuna", None)
    monkeypatch.delitem(sys.modules, "tokbench.pipeline.tuning.study", raising=False)
    assert main(tune_words(tmp_path)) == 1
    assert "needs optuna: pip install 'tokbench[tune]'" in capsys.readouterr().err


def test_a_file_that_is_no_tuning_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = tmp_path / "wrong.json"
    wrong.write_text("{}")
    assert main(["plan", "--dataset", "toy", "--tokenizer", "random", "--tuned", str(wrong)]) == 1
    assert "wrong.json: not a file of `tokbench tune`" in capsys.readouterr().err
