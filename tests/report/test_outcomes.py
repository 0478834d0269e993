"""Families, and pairs for all of a board together."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from tests.components import registry_of
from tests.pipeline.test_grid import tiny_request
from tests.report.points import made_outcomes
from tokbench.pipeline.resolve import resolve
from tokbench.report.outcomes import COLUMNS, HEADLINE, Methods, Outcomes, family_of, twins
from tokbench.schema.run_spec import RunSpec
from tokbench.stats.estimate import Values
from tokbench.stats.family_wise import adjusted

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def spec() -> RunSpec:
    (cell,) = resolve(tiny_request(baselines=False), registry_of())
    return cell.spec


def named(spec: RunSpec, tokenizer: str, generator: str = "tiger") -> RunSpec:
    parts = {
        "tokenizer": spec.tokenizer.model_copy(update={"name": tokenizer}),
        "generator": spec.generator.model_copy(update={"name": generator}),
    }
    return spec.model_copy(update=parts)


def hits(rate: float, runs: int, users: int = 3000) -> Values:
    return (RNG.random((runs, users)) < rate).astype(float)


@pytest.mark.parametrize(
    ("tokenizer", "generator", "family"),
    [("item-id", "bigram", None), ("item-id", "sasrec", "item-id"), ("random", "tiger", "random"),
     ("rqvae", "tiger", "semantic"), ("lsh", "causal", "semantic"),
     ("rqvae", "bigram", "semantic")],
)  # fmt: skip
def test_the_family_of_a_row(
    spec: RunSpec, tokenizer: str, generator: str, family: str | None
) -> None:
    assert family_of(named(spec, tokenizer, generator)) == family


def test_pairs_are_corrected_where_runs_are_covered_and_of_users_only_elsewhere(
    spec: RunSpec,
) -> None:
    methods = Methods([
        made_outcomes(hits(0.20, 3), named(spec, "rqvae")),
        made_outcomes(hits(0.10, 1), named(spec, "cost")),
        made_outcomes(hits(0.10, 1), named(spec, "item-id", "bigram")),
        made_outcomes(hits(0.30, 1), named(spec, "random")),
    ])  # fmt: skip
    assert [*methods.variances(HEADLINE)] == ["semantic"]
    rows = methods.samples(HEADLINE)
    assert [row.covers_runs for row in rows.values()] == [True, True, True, False]
    pairs = methods.pairs(HEADLINE)
    p = adjusted([rows[n] for n in range(3)])
    for i, j in itertools.permutations(range(3), 2):
        assert pairs[i, j].p == p[i, j] >= methods.difference(i, j, HEADLINE).p
        low, high = pairs[i, j].interval
        alone = methods.difference(i, j, HEADLINE).interval()
        assert low < alone[0] and alone[1] < high, "for all pairs together"
        assert pairs[i, j].interval == (-pairs[j, i].high, -pairs[j, i].low)
    assert pairs[0, 1].sign == 1 and pairs[1, 0].sign == -1 and pairs[1, 2].sign == 0
    assert pairs[3, 1].different is None and pairs[3, 1].sign == 0 and pairs[3, 1].p < 1e-3


def test_any_figure_that_runs_keep_for_users_has_its_statistics(spec: RunSpec) -> None:
    """An unbounded one too, and a method without it is left out."""
    bits = RNG.normal(9.0, 1.0, (2, 50))
    seeds = tuple(spec.model_copy(update={"generator_seed": n}) for n in range(2))
    shared = dict.fromkeys(COLUMNS, hits(0.2, 2, 50))
    methods = Methods([Outcomes(shared, seeds), Outcomes({**shared, "bits": bits}, seeds)])
    assert [*methods.samples("bits")] == [1]
    low, high = methods.interval(1, "bits")
    assert 1 < low < bits.mean() < high
    assert (low, high) == methods.samples("bits")[1].estimate.interval()


def test_random_codes_with_and_without_collisions_are_twins(spec: RunSpec) -> None:
    def one(name: str, label: str, policy: str = "none") -> RunSpec:
        tokenizer = spec.tokenizer.model_copy(update={"name": name, "label": label})
        return spec.model_copy(update={"tokenizer": tokenizer, "collision_policy": policy})

    rows = [one("random", "random"), one("random", "random:unique"), one("cost", "cost"),
            one("cost", "cost:tuned"), one("random", "random", "extra-token")]  # fmt: skip
    assert twins(rows) == [2, 2, 1, 1, 1]
    seeds = [row.model_copy(update={"generator_seed": n, "tokenizer_seed": n})
             for row in rows[:1] for n in range(3)]  # fmt: skip
    methods = Methods([
        Outcomes(dict.fromkeys(COLUMNS, hits(0.1, 3)), tuple(seeds)) for _ in range(2)
    ])  # fmt: skip
    assert methods.variances(HEADLINE)["random"].df == 2
