"""`compare`: the sentence follows from the two rows' users, and names are resolved or refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.pipeline.test_grid import run_tiny
from tests.report.test_board import by_hand
from tokbench.cli import main
from tokbench.errors import RecordError
from tokbench.report.compare import Comparison
from tokbench.report.compare import compare as compare_results
from tokbench.report.difference import Difference
from tokbench.report.result_set import ResultSet
from tokbench.schema.record import Record
from tokbench.stats.pairs import Ratio, difference, ratio
from tokbench.stats.sample import samples


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


def test_one_run_of_each_allows_no_claim(records: list[Record]) -> None:
    once = [record for record in records if record.spec.generator_seed == 0]
    found = compare(once, "hashed:wide", "hashed", dataset="tiny", figure="recall@5")
    assert found.difference.different is None
    assert found.lacking == ("hashed:wide/none/echo", "hashed/none/echo")
    assert found.ruled_out is None
    assert "95 % over users only" in str(found)
    assert str(found).endswith("run it with other seeds too (--seeds 3).")


def test_two_runs_of_each_are_covered(records: list[Record]) -> None:
    """What `stats` says of the users' outcomes in both runs."""
    records = [record for record in records if record.spec.generator.name == "echo"]
    found = compare(records, "hashed:wide", "hashed", dataset="tiny", figure="recall@5")
    outcomes = [
        np.array([by_hand(r, 5) for r in records if r.spec.tokenizer.label == label])
        for label in ("hashed:wide", "hashed")
    ]
    a, b = samples(outcomes, ["semantic", "semantic"], [2, 2])
    assert found.estimate == difference(a, b)
    assert found.ratio == ratio(a, b)
    assert found.run_sd == {"semantic": a.variance.sd}
    assert f"training runs; standard deviation of a run: {a.variance.sd:.4f} (sem" in str(found)
    assert found.difference.verdict in str(found)


@pytest.mark.parametrize(
    ("high", "shape", "covers", "said"),
    [(1.115, "inside", True, "more than 11.5 % above is ruled out"),
     (0.95, "inside", True, None), (2.0, "all", True, None), (1.115, "inside", False, None)],
)  # fmt: skip
def test_a_gain_is_ruled_out_by_the_bounds_of_the_ratio(
    records: list[Record], high: float, shape: Any, covers: bool, said: str | None
) -> None:
    found = compare(records, "hashed:wide", "hashed", dataset="tiny")
    small = replace(found.estimate, value=0.0)
    text = str(replace(found, estimate=small, ratio=Ratio(1.0, 0.9, high, shape, covers)))
    assert (said or "at the 5 % level") in text
    assert ("ruled out" in text) == (said is not None)


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


def test_a_verdict_needs_runs_that_are_known() -> None:
    for p, covers, verdict, sign in (
        (0.04, True, "significantly different", 1),
        (0.06, True, "not significantly different", 0),
        (0.04, False, "not to be compared", 0),
    ):
        found = Difference(0.01, 0.001, 0.02, p, covers)
        assert found.verdict.startswith(verdict)
        assert found.sign == sign


def test_the_board_shows_the_groups(records: list[Record]) -> None:
    (board,) = ResultSet(records).boards
    for row in board.rows:
        assert row.group
    assert "a" in board.rows[0].group


def test_the_command_says_a_line_each(
    folder: Path, records: list[Record], capsys: pytest.CaptureFixture[str]
) -> None:
    del records  # written to the folder
    words = ["compare", "hashed", "item-id/none/bigram", "-d", "tiny", "--board", "beam 100",
             "--results", str(folder / "results")]  # fmt: skip
    assert main(words) == 0
    out = capsys.readouterr().out
    lines = out.splitlines()
    assert lines[1].lstrip().startswith("hashed") and lines[2].lstrip().startswith("item-id")
    assert lines[3].startswith("Difference ")
    assert "8 users" in out
    assert main([*words[:1], "hashd", *words[2:]]) == 1
    assert "did you mean hashed" in capsys.readouterr().err


def test_of_several_pairs_the_one_with_the_most_runs_in_common_is_taken(tmp_path: Path) -> None:
    """And the sentence says so; a whole name leaves nothing to choose."""
    found = run_tiny(tmp_path, tokenizers=("hashed", "hashed:wide"), seeds=(0, 1, 2),
                     collision_policies=("none", "extra-token"), baselines=False)  # fmt: skip
    few = [one for one in found
           if one.spec.collision_policy == "extra-token" or one.spec.tokenizer_seed == 0
           or one.spec.tokenizer.label == "hashed"]  # fmt: skip
    said = compare(few, "hashed", "hashed:wide", dataset="tiny")
    assert (said.a, said.seeds) == ("hashed/extra-token/echo", (3, 3))
    assert "Of 2 pairs of hashed and hashed:wide on this board" in str(said)
    assert "the most runs in common (3)" in str(said)
    other = compare(few, "hashed/none/echo", "hashed:wide", dataset="tiny")
    assert (other.b, other.choice) == ("hashed:wide/none/echo", "")


def test_of_several_rows_against_one_the_most_run_is_taken(tmp_path: Path) -> None:
    """A tokenizer under two policies against a baseline: no need to say which."""
    made = run_tiny(tmp_path, seeds=(0, 1), collision_policies=("none", "extra-token"))
    kept = [
        record for record in made
        if record.spec.collision_policy == "none" or record.spec.generator_seed == 0
    ]  # fmt: skip
    found = compare(kept, "hashed", "bigram", dataset="tiny")
    assert found.a == "hashed/none/echo"
    assert "Of 2 rows of hashed on this board hashed/none/echo has the most runs (2)" in str(found)
    assert compare(kept, "bigram", "hashed", dataset="tiny").b == "hashed/none/echo"


def test_a_row_goes_by_the_name_that_a_terminal_shows(records: list[Record]) -> None:
    found = compare(records, "hashed:wide · echo", "hashed · echo", dataset="tiny")
    assert (found.a, found.b) == ("hashed:wide/none/echo", "hashed/none/echo")
