"""Beam search against exhaustive, teacher-forced scoring of every tuple."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.speed.generator.t5 import allowed_next, beam_search, t5_with_weights_of
from tokbench.nn.transformer.beam import PrefixTree, search
from tokbench.nn.transformer.layers import Size
from tokbench.nn.transformer.t5 import START, Transformer

LEVELS = (7, 5, 2, 9)  # codes per level: uneven on purpose
BASE = 1 + np.concatenate([[0], np.cumsum(LEVELS)[:-1]])
SIZE = Size(
    1 + sum(LEVELS), d_model=24, d_ff=32, heads=2, d_head=8, encoder_layers=1, decoder_layers=2
)


@pytest.fixture(scope="module")
def model() -> Transformer:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = Transformer(SIZE).eval()
    for parameter in model.parameters():
        parameter.data.mul_(1.5)  # peaked enough that ranks differ between users
    return model


@pytest.fixture(scope="module")
def tuples() -> NDArray[np.int64]:
    """150 distinct tuples as tokens, lexicographic; the last root child has a single tuple."""
    rng = np.random.default_rng(0)
    codes = np.stack([rng.integers(0, size, 220) for size in LEVELS], axis=1)
    codes = codes[codes[:, 0] < LEVELS[0] - 1]
    codes = np.unique(np.vstack([codes[:150], [[LEVELS[0] - 1, 0, 1, 3]]]), axis=0)
    tokens: NDArray[np.int64] = (codes + BASE).astype(np.int64)
    return tokens


def exhaustive(model: Transformer, tuples: NDArray[np.int64], memory: Tensor) -> Tensor:
    """log p(tuple | memory) of every tuple by teacher forcing, [B, G]."""
    rows = torch.from_numpy(tuples)
    inputs = torch.cat([torch.full((len(rows), 1), START), rows[:, :-1]], 1)
    scores = []
    with torch.no_grad():
        for one in memory:
            hidden = model.decode(inputs[None], one[None])[0]
            logs = model.logits(hidden).double().log_softmax(-1)
            scores.append(logs.gather(2, rows.unsqueeze(-1)).sum((1, 2)))
    return torch.stack(scores)


def memories(model: Transformer, users: int = 6) -> Tensor:
    draw = torch.Generator().manual_seed(1)
    with torch.no_grad():
        return model.encode(torch.randint(1, SIZE.vocabulary, (users, 8), generator=draw))


def test_a_beam_as_wide_as_the_catalogue_is_exhaustive_scoring(
    model: Transformer, tuples: NDArray[np.int64]
) -> None:
    memory = memories(model)
    truth = exhaustive(model, tuples, memory)
    rows, scores = search(model, PrefixTree.of(tuples), memory, len(tuples))
    assert torch.equal(rows.sort(1).values, torch.arange(len(tuples)).expand(6, -1))
    torch.testing.assert_close(scores.double(), truth.gather(1, rows), atol=1e-4, rtol=1e-4)
    expected = truth.sort(1, descending=True).values
    torch.testing.assert_close(scores.double(), expected, atol=1e-4, rtol=1e-4)
    assert (truth.argmax(1) == rows[:, 0]).all()
    assert len(set(truth.argmax(1).tolist())) > 1, "the users must differ for this to prove much"


def test_scores_of_a_narrow_beam_are_teacher_forced_log_probabilities(
    model: Transformer, tuples: NDArray[np.int64]
) -> None:
    memory = memories(model)
    rows, scores = search(model, PrefixTree.of(tuples), memory, 10)
    truth = exhaustive(model, tuples, memory)
    torch.testing.assert_close(scores.double(), truth.gather(1, rows), atol=1e-4, rtol=1e-4)
    assert (scores[:, 1:] <= scores[:, :-1]).all()
    assert all(len(set(row.tolist())) == 10 for row in rows)


def test_the_beams_are_those_of_transformers_constrained_search() -> None:
    """T5 with the same weights, generate with prefix_allowed_tokens_fn: same tuples, same scores.

    All four levels of 5 codes, so that no beam of transformers is ever without a candidate.
    """
    rng = np.random.default_rng(2)
    codes = np.unique(rng.integers(0, 5, (300, 4)), axis=0)
    tokens: NDArray[np.int64] = (codes + 1 + 5 * np.arange(4)).astype(np.int64)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        model = Transformer(replace(SIZE, vocabulary=21, encoder_layers=2)).eval()
    histories = torch.randint(1, 21, (3, 7), generator=torch.Generator().manual_seed(4))
    length = torch.tensor([[7], [4], [1]])
    mask = torch.arange(7) < length
    with torch.inference_mode():
        memory = model.encode(histories, mask[:, None, None])
        rows, scores = search(model, PrefixTree.of(tokens), memory, 5, length)
        theirs, their_scores = beam_search(
            t5_with_weights_of(model), histories, mask.long(), allowed_next(tokens),
            levels=4, width=5,
        )  # fmt: skip
    assert torch.equal(torch.from_numpy(tokens)[rows], theirs)
    torch.testing.assert_close(scores, their_scores, atol=1e-4, rtol=1e-4)


def test_masked_memory_is_not_looked_at(model: Transformer, tuples: NDArray[np.int64]) -> None:
    memory, tree = memories(model), PrefixTree.of(tuples)
    rows, scores = search(model, tree, memory[:, :5], 20)
    length = torch.full((6, 1), 5)
    masked_rows, masked_scores = search(model, tree, memory, 20, length)
    assert torch.equal(rows, masked_rows)
    torch.testing.assert_close(scores, masked_scores, atol=1e-5, rtol=1e-5)


def test_a_beam_wider_than_the_catalogue_is_padded(
    model: Transformer, tuples: NDArray[np.int64]
) -> None:
    rows, scores = search(model, PrefixTree.of(tuples[:4]), memories(model), 7)
    assert (rows[:, 4:] == -1).all()
    assert (scores[:, 4:] == -torch.inf).all()
    assert (rows[:, :4] >= 0).all()
    assert scores[:, :4].isfinite().all()


def test_the_tree_holds_exactly_the_prefixes(tuples: NDArray[np.int64]) -> None:
    tree = PrefixTree.of(tuples)
    assert len(tree) == len(tuples)
    paths: list[tuple[int, ...]] = [()]
    for first, token, fanout in zip(tree.first, tree.token, tree.fanout, strict=True):
        grown = []
        for node, path in enumerate(paths):
            inside = range(int(first[node]), int(first[node + 1]))
            assert 1 <= len(inside) <= fanout
            grown += [(*path, int(token[child])) for child in inside]
        paths = grown
    assert paths == [tuple(row) for row in tuples.tolist()]
