"""`compare`: the sentence follows from the two rows' users, and names are resolved or refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from tests.pipeline.test_grid import run_tiny
from tests.report.test_board import by_hand
from tokbench.cli import main
from tokbench.errors import RecordError
from tokbench.report.compare import Comparison
from tokbench.report.compare import compare as compare_results
from tokbench.report.difference import Difference
from tokbench.report.result_set import ResultSet
from tokbench.schema.record import Record
from tokbench.stats.bootstrap import bootstrap


def compare(records: list[Record], *words: Any, **options: Any) -> Comparison:
    return compare_results(ResultSet(records), *words, **options)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("compare")


@pytest.fixture(scope="module")
def records(folder: Path) -> list[Record]:
    return run_tiny(folder, tokenizers=("hashed", "hashed:wide"), seeds=(0, 1),
                    collision_policies=("none",))  # fmt: skip


def test_the_figures_are_those_of_the_users(records: list[Record]) -> None:
    found = compare(records, "hashed:wide", "hashed", dataset="tiny", figure="recall@5")
    a, b = (
        np.mean([by_hand(r, 5) for r in records if r.spec.tokenizer.label == label], axis=0)
        for label in ("hashed:wide", "hashed")
    )
    assert found.means == pytest.approx((a.mean(), b.mean()))
    assert found.difference.mean == pytest.approx((a - b).mean())
    assert found.hits == pytest.approx((a.sum(), b.sum()))
    assert found.better == (np.sum(a - b > 1e-12), np.sum(b - a > 1e-12))
    assert found.seeds == (2, 2)
    text = str(found)
    assert f"{found.difference.mean:+.4f}" in text
    assert f"p = {found.difference.p:.4f}" in text


def test_one_run_of_each_is_a_bootstrap_over_users(records: list[Record]) -> None:
    once = [record for record in records if record.spec.generator_seed == 0]
    found = compare(once, "hashed:wide", "hashed", dataset="tiny", figure="recall@5")
    a, b = (
        np.array(next(by_hand(r, 5) for r in once if r.spec.tokenizer.label == label))
        for label in ("hashed:wide", "hashed")
    )
    rng = np.random.default_rng(9)
    means = [rng.choice(a - b, len(a)).mean() for _ in range(4000)]
    expected = tuple(np.percentile(means, [2.5, 97.5]))
    assert found.difference.interval == pytest.approx(expected, abs=0.06)
    assert found.run_sd is None
    assert "training runs are not covered" in str(found)


def test_two_runs_of_each_widen_the_interval(records: list[Record]) -> None:
    """By hand: errors of users and of runs squared and added."""
    records = [record for record in records if record.spec.generator.name == "echo"]
    found = compare(records, "hashed:wide", "hashed", dataset="tiny", figure="recall@5")
    runs = {
        label: [np.mean(by_hand(r, 5)) for r in records if r.spec.tokenizer.label == label]
        for label in ("hashed:wide", "hashed")
    }
    variance = sum(np.var(pair, ddof=1) for pair in runs.values()) / 2  # 1 + 1 degrees of freedom
    assert found.run_sd == pytest.approx(np.sqrt(variance))
    half = stats.t.ppf(0.975, 2) * np.sqrt(variance / 2 + variance / 2)
    a, b = (
        np.mean([by_hand(r, 5) for r in records if r.spec.tokenizer.label == label], axis=0)
        for label in ("hashed:wide", "hashed")
    )
    low, high = bootstrap(a - b)
    mean = found.difference.mean
    expected = (mean - np.hypot(mean - low, half), mean + np.hypot(high - mean, half))
    assert found.difference.interval == pytest.approx(expected)
    assert "users and training runs" in str(found)


def test_sides_swap_signs(records: list[Record]) -> None:
    one = compare(records, "hashed:wide", "hashed", dataset="tiny", figure="ndcg@10")
    two = compare(records, "hashed", "hashed:wide", dataset="tiny", figure="ndcg@10")
    assert one.difference.mean == -two.difference.mean
    assert one.difference.p == two.difference.p
    assert one.better == two.better[::-1]


@pytest.mark.parametrize(
    ("a", "said"),
    [
        ("hashd", "did you mean hashed"),
        ("item-id", "say which: item-id/none/bigram, .*, item-id/none/popularity"),
        ("hashed/none/echo", "name the same row"),
        ("hashed/none/tiger", "did you mean"),
    ],
)
def test_names_are_resolved_or_refused(records: list[Record], a: str, said: str) -> None:
    with pytest.raises(RecordError, match=said):
        compare(records, a, "hashed", dataset="tiny")


def test_a_baseline_goes_by_its_generator(records: list[Record]) -> None:
    found = compare(records, "bigram", "hashed", dataset="tiny")
    assert found == compare(records, "item-id/none/bigram", "hashed", dataset="tiny")
    with pytest.raises(RecordError, match="no row"):
        compare(records, "echo", "hashed", dataset="tiny")  # no baseline, so no name of a row


def test_boards_never_mix(folder: Path, records: list[Record]) -> None:
    wide = run_tiny(folder, beam_width=60, baselines=False, tokenizers=("hashed", "hashed:wide"))
    both = [*records, *wide]
    with pytest.raises(RecordError, match="2 boards have both rows"):
        compare(both, "hashed", "hashed:wide", dataset="tiny")
    found = compare(both, "hashed", "hashed:wide", dataset="tiny", board="beam 60")
    assert found.seeds == (1, 1)
    with pytest.raises(RecordError, match="no board has both"):
        compare([*records[:3], *wide], "item-id/none/bigram", "hashed", dataset="tiny")
    with pytest.raises(RecordError, match="no records of dataset 'tinny'; there are records of: t"):
        compare(both, "hashed", "hashed:wide", dataset="tinny")


def test_p_and_interval_must_agree_before_rows_are_called_different(records: list[Record]) -> None:
    found = compare(records, "hashed", "item-id/none/bigram", dataset="tiny")
    for p, (low, high), different in (
        (0.04, (0.01, 0.02), True),
        (0.04, (-0.02, -0.01), True),
        (0.04, (-0.001, 0.02), False),
        (0.06, (0.001, 0.02), False),
    ):
        edge = replace(found, difference=Difference((low + high) / 2, low, high, p))
        assert edge.difference.significant is different
        assert edge.difference.sign == different * np.sign(low + high)
        assert f"they are {'' if different else 'not '}significantly different" in str(edge)


def test_the_board_shows_the_groups(records: list[Record]) -> None:
    (board,) = ResultSet(records).boards
    for row in board.rows:
        assert row.group
    assert "a" in board.rows[0].group


def test_the_command_says_one_sentence(
    folder: Path, records: list[Record], capsys: pytest.CaptureFixture[str]
) -> None:
    del records  # written to the folder
    words = ["compare", "hashed", "item-id/none/bigram", "-d", "tiny", "--board", "beam 100",
             "--results", str(folder / "results")]  # fmt: skip
    assert main(words) == 0
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    assert "8 users" in out
    assert main([*words[:1], "hashd", *words[2:]]) == 1
    assert "did you mean hashed" in capsys.readouterr().err
