"""`tokbench report`: a command per report, the board by default, every report in every form."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.pipeline.test_grid import run_tiny
from tests.report.test_overview import elsewhere
from tokbench.cli import main
from tokbench.cli.report import FORMS
from tokbench.report.reports import REPORTS
from tokbench.schema.record import write_record

SHOWN = {"board": "hashed", "overview": "datasets", "slices": "tail target",
         "intrinsic": "gini/tuples", "costs": "generator parameters",
         "decoding": "survival/level2"}  # fmt: skip


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("report")
    for record in run_tiny(folder, baselines=False):
        write_record(elsewhere(record), folder / "results")
    return str(folder / "results")


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["report", *words]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("name", SHOWN)
@pytest.mark.parametrize("form", FORMS)
def test_every_report_prints_in_every_form(
    results: str, capsys: pytest.CaptureFixture[str], name: str, form: str
) -> None:
    out = printed(capsys, name, results, "--format", form)
    assert SHOWN[name] in out
    assert "hashed" in out


def test_the_board_is_the_default(results: str, capsys: pytest.CaptureFixture[str]) -> None:
    for more in ([], ["--format", "csv"], ["-d", "tiny"]):
        assert printed(capsys, *more, results) == printed(capsys, "board", results, *more)


def test_without_a_folder_it_is_results(
    results: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(Path(results).parent)
    assert printed(capsys) == printed(capsys, "results") != ""


def test_help_lists_the_reports(capsys: pytest.CaptureFixture[str]) -> None:
    out = printed(capsys, "--help")
    assert all(name in out for name in (*REPORTS, "grid", "site"))
    assert "SOURCE" in printed(capsys, "slices", "--help")


def test_one_dataset_can_be_asked_for(results: str, capsys: pytest.CaptureFixture[str]) -> None:
    out = printed(capsys, "costs", results, "-d", "other", "--format", "json")
    (table,) = json.loads(out)
    assert table["table"].startswith("other · ")
    assert main(["report", "costs", results, "-d", "nowhere"]) == 1
    assert f"no records under {results}/ for nowhere" in capsys.readouterr().err


def test_what_is_not_there_is_said_plainly(
    results: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", "foo", "bar"]) != 0
    said = capsys.readouterr().err
    assert "there is no report and no folder called 'foo' or 'bar'; reports are board, " in said
    assert main(["report", "slises", results]) != 0
    assert "did you mean `tokbench report slices`?" in capsys.readouterr().err
