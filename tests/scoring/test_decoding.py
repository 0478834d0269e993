"""Where beams leave the target, and beam against exhaustive search, by loops."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.components import Echo, EchoModel
from tests.pipeline.test_grid import run_tiny
from tokbench.api import GeneratorModel, Runtime
from tokbench.errors import ContractError
from tokbench.pipeline import stages
from tokbench.scoring import decoding
from tokbench.types import Beams, Queries, SemanticIds, Sequences

IDS = SemanticIds(np.array([[0, 0], [0, 1], [1, 0], [2, 2], [2, 2]], np.int32), (3, 3))
TUPLES = IDS.groups()[0]


def beams_of(rows: list[list[tuple[int, int]]]) -> Beams:
    codes = np.array(rows, np.int32)
    scores = np.broadcast_to(-np.arange(codes.shape[1], dtype=np.float32), codes.shape[:2])
    return Beams(codes, np.where((codes >= 0).all(axis=2), scores, -np.inf))


def test_longest_prefix_that_any_beam_shares() -> None:
    beams = beams_of(
        [
            [(1, 0), (0, 0)],  # target 1 is (0, 1): the first level survives
            [(0, 1), (2, 2)],  # target 3 is (2, 2): a hit
            [(0, 0), (0, 1)],  # target 2 is (1, 0): lost at once
            [(-1, -1), (-1, -1)],  # nothing proposed
        ]
    )
    longest = decoding.shared_prefix(beams, IDS, [1, 3, 2, 0])
    assert longest.tolist() == [1, 2, 0, 0]
    shares = {name: values.mean() for name, values in decoding.survival(longest, 2).items()}
    assert shares == {"decoding/survival/level1": 0.5, "decoding/survival/level2": 0.25}


def test_two_beams_that_share_different_levels_do_not_add_up() -> None:
    beams = beams_of([[(0, 2), (1, 1)]])
    assert decoding.shared_prefix(beams, IDS, [1]).tolist() == [1]
    assert decoding.shared_prefix(beams_of([[(1, 1), (2, 1)]]), IDS, [1]).tolist() == [0]


def test_beam_against_exhaustive_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "CUTOFFS", (2,))
    exact = beams_of([[(0, 0), (0, 1), (1, 0), (2, 2)], [(2, 2), (1, 0), (0, 1), (0, 0)]])
    beams = beams_of([[(0, 0), (1, 0)], [(1, 0), (2, 2)]])
    found = decoding.against_exhaustive(beams, exact, IDS, [1, 3])
    assert found["decoding/found@2"].tolist() == [0.5, 1.0]
    assert found["decoding/beam/recall@10"].tolist() == [0.0, 1.0]
    assert found["decoding/exhaustive/recall@10"].tolist() == [1.0, 1.0]
    ranks = {"beam": 2, "exhaustive": 1}  # of the second target's pair: ranks r and r + 1, tied
    for name, rank in ranks.items():
        gain = np.mean([1 / np.log2(r + 1) for r in (rank, rank + 1)])
        assert found[f"decoding/{name}/ndcg@10"][1] == pytest.approx(gain)


@pytest.mark.parametrize(
    ("queries", "tuples", "size"),
    [(5000, 2400, 200), (5000, 5000, 100), (5000, 10_001, 0), (8, 12, 8), (8, 10**9, 0)],
)
def test_the_sample_shrinks_with_the_catalogue_until_it_says_nothing(
    queries: int, tuples: int, size: int
) -> None:
    rows = decoding.sample(queries, tuples)
    assert len(np.unique(rows)) == size
    assert np.array_equal(rows, decoding.sample(queries, tuples))
    assert ((rows >= 0) & (rows < queries)).all()


class Short(EchoModel):
    """Leaves the last tuple out, whatever the width."""

    def generate(self, histories: Sequences, *, width: int, runtime: Runtime) -> Beams:
        return super().generate(histories, width=min(width, 3), runtime=runtime)


@pytest.mark.parametrize(("model", "fails"), [(EchoModel, False), (Short, True)])
def test_a_search_that_is_not_exhaustive_is_named(model: Any, fails: bool) -> None:
    queries = Queries(np.arange(2), Sequences.of([[0], [1]]), np.array([1, 2]))
    beams = EchoModel(TUPLES).generate(queries.histories, width=2, runtime=Runtime())

    class Searches(Echo):
        def restore(self, state: Any, ids: SemanticIds) -> GeneratorModel:
            made: GeneratorModel = model(TUPLES)
            return made

    def exhausted() -> Any:
        return stages.exhaust(Searches(), {}, IDS, beams, queries, Runtime())

    if fails:
        with pytest.raises(ContractError, match="all 4 tuples at full width"):
            exhausted()
    else:
        assert exhausted()["decoding/exhaustive/recall@10"].tolist() == [1.0, 1.0]


class Weighs(EchoModel):
    """Four tuples with .4, .2, .1 and .05 of the probability."""

    def generate(self, histories: Sequences, *, width: int, runtime: Runtime) -> Beams:
        beams = super().generate(histories, width=width, runtime=runtime)
        scores = np.log(np.array([0.4, 0.2, 0.1, 0.05], np.float32)[:width])
        return Beams(beams.codes, np.broadcast_to(scores, beams.scores.shape))


@pytest.mark.parametrize("told", [True, False])
def test_valid_mass_is_the_probability_of_all_tuples_of_a_distribution(told: bool) -> None:
    class Searches(Echo):
        is_distribution = told

        def restore(self, state: Any, ids: SemanticIds) -> GeneratorModel:
            return Weighs(TUPLES)

    queries = Queries(np.arange(2), Sequences.of([[0], [1]]), np.array([1, 2]))
    beams = Weighs(TUPLES).generate(queries.histories, width=2, runtime=Runtime())
    found = stages.exhaust(Searches(), {}, IDS, beams, queries, Runtime())
    assert ("decoding/valid_mass" in found) == told
    if told:
        assert found["decoding/valid_mass"] == pytest.approx([0.75, 0.75])


class Exhaustive(Echo):
    """Echo, which says that it can rank everything."""

    name = "exhaustive"
    exact_at_full_width = True


def test_the_pipeline_compares_only_generators_that_say_so(tmp_path: Path) -> None:
    records = run_tiny(tmp_path, ("generator", Exhaustive), generators=("exhaustive", "echo"),
                       baselines=False)  # fmt: skip
    said, silent = (record.outcome for record in records)
    assert said is not None
    assert silent is not None
    assert said.figures["decoding/found@10"].value == 1.0, "a beam of 100 holds all 12 items"
    assert said.figures["decoding/beam/recall@10"].low is not None
    assert not any("found@" in name for name in silent.figures)
