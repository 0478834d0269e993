"""Causal learns what can be learnt, searches exactly at full width, sees no later token, repeats
itself bit for bit, survives storage and odd input, and keeps the contract."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from tokbench.api import Runtime
from tokbench.errors import ConfigError
from tokbench.nn.transformer import IGNORED, PrefixTree, Size, Windows, sequence_windows
from tokbench.testing import assert_conforms
from tokbench.types import Catalog, Histories, Queries, SemanticIds, Sequences
from tokbench_causal import Causal, CausalModel
from tokbench_causal.examples import Collator, summed_loss
from tokbench_causal.network import Network, search

ITEMS, USERS = 30, 60
SMALL: dict[str, Any] = {
    "layers": 2,
    "d_model": 32,
    "d_ff": 64,
    "heads": 2,
    "d_head": 16,
    "history_items": 6,
    "batch_size": 8,
    "learning_rate": 3e-3,
    "schedule": "cosine",
    "warmup_steps": 10,
}


def toy() -> tuple[Catalog, Histories, SemanticIds]:
    """Users walk a fixed permutation: the next item is a function of the last one."""
    rng = np.random.default_rng(0)
    successor = np.roll(rng.permutation(ITEMS), 1)
    rows = []
    for user in range(USERS):
        walk = [user % ITEMS]
        for _ in range(int(rng.integers(2, 12))):
            walk.append(int(successor[walk[-1]]))
        rows.append(walk)
    validation = Queries(
        np.arange(USERS),
        Sequences.of([row[:-1] for row in rows]),
        np.array([row[-1] for row in rows]),
    )
    codes = np.stack(np.unravel_index(rng.permutation(4 * 5 * 3)[:ITEMS], (4, 5, 3)), axis=1)
    names = tuple(str(item) for item in range(ITEMS))
    catalog = Catalog(names, names, np.zeros((ITEMS, 2), np.float32))
    return (
        catalog,
        Histories(Sequences.of([row[:-1] for row in rows]), validation),
        SemanticIds(codes.astype(np.int32), (4, 5, 3)),
    )


def train(seed: int = 0, runtime: Runtime | None = None, **options: Any) -> CausalModel:
    catalog, histories, ids = toy()
    causal = Causal.of(**{**SMALL, **options})
    return causal.train(catalog, histories, ids, seed=seed, runtime=runtime or Runtime())


def network() -> Network:
    torch.manual_seed(0)
    return Network(
        Size(14, d_model=16, d_ff=24, heads=2, d_head=8, encoder_layers=2, decoder_layers=0)
    ).eval()


def tokens(*shape: int, seed: int = 0) -> Tensor:
    return torch.randint(0, 14, shape, generator=torch.Generator().manual_seed(seed))


def test_a_token_sees_itself_and_earlier_ones_only() -> None:
    net, row = network(), tokens(1, 9)
    hidden = net(row)
    for at in range(9):
        other = row.clone()
        other[0, at] = (other[0, at] + 1) % 14
        changed = (net(other) - hidden).abs().amax(dim=-1)[0] > 1e-6
        assert changed.tolist() == [False] * at + [True] * (9 - at)


@torch.no_grad()
def test_steps_of_beams_equal_one_pass_over_each_whole_sequence() -> None:
    net, prefix, more = network(), tokens(3, 7), tokens(3, 4, 3, seed=1)  # 3 users, 4 beams
    last, read = net.read(prefix)
    torch.testing.assert_close(last, net(prefix)[:, -1])
    past: Any = []
    for length in range(1, 4):
        hidden, past = net.step(more[:, :, length - 1], read, past)
        for user in range(3):
            for beam in range(4):
                whole = torch.cat([prefix[user], more[user, beam, :length]]).unsqueeze(0)
                torch.testing.assert_close(hidden[user, beam], net(whole)[0, -1])


@torch.no_grad()
def test_search_at_full_width_is_exhaustive_scoring() -> None:
    """Each tuple after each prefix by one plain pass, log-softmax over the whole vocabulary."""
    net, prefix = network(), tokens(4, 5)
    rng = np.random.default_rng(0)
    tuples = np.unique(rng.integers(0, [5, 4, 4], (25, 3)) + np.array([1, 6, 10]), axis=0)
    exact = np.zeros((4, len(tuples)))
    for row, item in enumerate(torch.from_numpy(tuples)):
        whole = torch.cat([prefix, item.expand(4, 3)], dim=1)
        log_p = net.logits(net(whole)).log_softmax(dim=-1)[:, 4:-1]
        exact[:, row] = log_p.gather(2, item.expand(4, 3).unsqueeze(-1)).sum(dim=(1, 2))
    found, scores = search(net, PrefixTree.of(tuples), prefix, len(tuples) + 2)
    order = np.argsort(-exact, axis=1)
    assert np.array_equal(found[:, :-2], order)
    np.testing.assert_allclose(scores[:, :-2], np.take_along_axis(exact, order, 1), atol=1e-4)
    assert (found[:, -2:] == -1).all()
    assert torch.isneginf(scores[:, -2:]).all()


def test_every_item_is_a_label_once_and_the_loss_is_cross_entropy() -> None:
    """Windows of 4 items over a sequence of 9, one of 2 and one of 1, item by item."""
    sequences = Sequences.of([[0, 1, 2, 3, 4, 5, 6, 7, 8], [9, 10], [11]])
    codes = np.stack([np.arange(12) % 6 + 1, np.arange(12) // 2 + 7], axis=1)
    windows = sequence_windows(sequences.offsets, 3)
    collator = Collator(sequences.items, codes, budget=16, device="cpu")
    net, labelled, expected, total, count = network(), [], 0.0, 0.0, 0
    for batch in collator.micro_batches(windows, np.arange(len(windows))):
        inputs, labels, number = batch.inputs, batch.labels, batch.supervised
        loss = summed_loss(net, batch)
        total, count = total + float(loss.detach()), count + number
        labelled += labels[labels != IGNORED].tolist()
        for row, wanted in zip(inputs, labels, strict=True):
            assert row[0] == 0
            log_p = net.logits(net(row.unsqueeze(0)))[0].log_softmax(dim=-1)
            for at, token in enumerate(wanted.tolist()):
                if token != IGNORED:
                    expected -= float(log_p[at, token].detach())
                    assert at + 1 == len(row) or row[at + 1] == token
    assert sorted(labelled) == sorted(codes[:11].flatten().tolist()), "a lone item is no example"
    assert count == 22
    assert total == pytest.approx(expected, rel=1e-5)
    window = Windows(np.array([5]), np.array([9]), np.array([2]))
    alone = collator.micro_batch(window, np.array([0]))
    assert alone.inputs.tolist() == [[0, *codes[5:9].flatten()[:-1]]]
    assert alone.labels.tolist() == [[IGNORED] * 4 + codes[7:9].flatten().tolist()]


def test_it_memorises_a_deterministic_catalogue() -> None:
    runtime = Runtime()
    model = train(runtime=runtime, dropout=0.0, epochs=40, eval_every=5, history_items=3)
    _, histories, ids = toy()
    queries = histories.validation
    beams = model.generate(queries.histories, width=10, runtime=runtime)
    hit = (beams.codes[:, 0] == ids.codes[queries.targets]).all(axis=1)
    assert hit.all(), f"Recall@1 = {hit.mean()}"
    curve = [row for row in runtime.rows if "validation_ndcg10" in row]
    assert curve[-1]["validation_ndcg10"] > curve[0]["validation_ndcg10"]
    assert set(curve[0]) >= {"epoch", "loss", "validation_recall10", "seconds"}


def test_same_seed_same_weights_bit_for_bit_and_other_seed_others() -> None:
    before = torch.random.get_rng_state()
    first, second, other = (train(seed, epochs=2).state() for seed in (3, 3, 4))
    assert torch.equal(before, torch.random.get_rng_state()), "the global generator is left alone"
    assert all(np.array_equal(first[name], second[name]) for name in first)
    assert any(not np.array_equal(first[name], other[name]) for name in first)


@pytest.fixture(scope="module")
def model() -> CausalModel:
    return train(epochs=3)


def test_a_restored_model_writes_the_same_beams(model: CausalModel) -> None:
    _, histories, ids = toy()
    again = Causal.of(**SMALL).restore(model.state(), ids)
    ours, theirs = (
        m.generate(histories.validation.histories, width=8, runtime=Runtime())
        for m in (model, again)
    )
    assert np.array_equal(ours.codes, theirs.codes)
    assert np.array_equal(ours.scores, theirs.scores)


def test_queries_keep_their_order_whatever_their_lengths(model: CausalModel) -> None:
    """Generated in one call or one by one; empty and over-long histories among them."""
    rng = np.random.default_rng(5)
    rows = [rng.integers(0, ITEMS, length) for length in (4, 0, 11, 1, 6, 4, 25, 2)]
    together = model.generate(Sequences.of(rows), width=6, runtime=Runtime())
    for row, history in enumerate(rows):
        alone = model.generate(Sequences.of([history]), width=6, runtime=Runtime())
        np.testing.assert_allclose(together.scores[row], alone.scores[0], atol=1e-4)
        assert np.array_equal(together.codes[row], alone.codes[0])
    pair = model.generate(Sequences.of([rows[2], rows[2][-6:]]), width=6, runtime=Runtime())
    assert np.array_equal(pair.codes[0], pair.codes[1]), "only the last history_items are read"
    assert len({together.codes[row].tobytes() for row in range(len(rows))}) > 1


def test_beams_are_distinct_existing_codes_padded_past_the_catalogue(model: CausalModel) -> None:
    _, histories, ids = toy()
    beams = model.generate(histories.validation.histories, width=ITEMS + 5, runtime=Runtime())
    everything = {tuple(code) for code in ids.codes.tolist()}
    for codes, scores in zip(beams.codes, beams.scores, strict=True):
        assert {tuple(code) for code in codes[:ITEMS].tolist()} == everything
        assert (codes[ITEMS:] == -1).all()
        assert np.isneginf(scores[ITEMS:]).all()
        assert (np.diff(scores[:ITEMS]) <= 0).all()


def test_the_likelihood_is_a_distribution_and_the_scores_of_beams(model: CausalModel) -> None:
    """Summed over every triple of the 13 tokens, and compared with the search's steps."""
    _, _, ids = toy()
    rows = [[], [4], [3, 19, 7, 2]]
    every = np.stack(np.unravel_index(np.arange(13**3), (13, 13, 13)), axis=1)
    for row in rows:
        codes = (every - model.base).astype(np.int32)
        found = model.log_likelihood(Sequences.of([row] * 13**3), codes, runtime=Runtime())
        assert np.exp(found).sum() == pytest.approx(1, abs=1e-6)
    beams = model.generate(Sequences.of(rows), width=ITEMS, runtime=Runtime())
    for place in (0, 7, ITEMS - 1):
        codes = beams.codes[:, place]
        found = model.log_likelihood(Sequences.of(rows), codes, runtime=Runtime())
        np.testing.assert_allclose(found, beams.scores[:, place], atol=1e-4)
        again = Causal.of(**SMALL).restore(model.state(), ids)
        same = again.log_likelihood(Sequences.of(rows), codes, runtime=Runtime())
        assert np.array_equal(found, same)


def test_items_that_share_a_tuple_are_one_beam() -> None:
    catalog, histories, ids = toy()
    codes: NDArray[np.int32] = ids.codes.copy()
    codes[1] = codes[0]
    shared = SemanticIds(codes, ids.level_sizes)
    model = Causal.of(**SMALL, epochs=1).train(
        catalog, histories, shared, seed=0, runtime=Runtime()
    )
    beams = model.generate(Sequences.of([[0], [1]]), width=ITEMS, runtime=Runtime())
    assert (beams.codes[:, -2] >= 0).all()
    assert (beams.codes[:, -1] == -1).all()


def test_no_gain_for_patience_validations_ends_training_with_the_best_weights() -> None:
    runtime = Runtime()
    options: dict[str, Any] = {"learning_rate": 1e-9, "warmup_steps": 0, "eval_every": 3}
    model = train(runtime=runtime, epochs=50, patience=2, **options)
    evaluated = [row for row in runtime.rows if "validation_ndcg10" in row]
    best = int(np.argmax([row["validation_ndcg10"] for row in evaluated]))
    assert len(runtime.rows) < 50
    assert len(evaluated) == best + 3
    assert model.network.training is False


def test_training_needs_a_pair_of_items() -> None:
    catalog, histories, ids = toy()
    lonely = Histories(Sequences.of([[1], [2]]), histories.validation)
    with pytest.raises(ConfigError, match="at least two items"):
        Causal.of(**SMALL).train(catalog, lonely, ids, seed=0, runtime=Runtime())


@pytest.mark.parametrize("preset", ["quick", "toy"])
def test_presets_are_those_of_tiger_with_its_stacks_put_together(preset: str) -> None:
    from tokbench.generators.tiger import Tiger

    ours, theirs = Causal.Config(**Causal.presets[preset]), Tiger.Config(**Tiger.presets[preset])
    assert ours.layers == theirs.encoder_layers + theirs.decoder_layers
    for name in set(Causal.Config.model_fields) - {"layers"}:
        assert getattr(ours, name) == getattr(theirs, name), name


def test_the_conformance_kit() -> None:
    assert_conforms(Causal, **SMALL, epochs=2)
