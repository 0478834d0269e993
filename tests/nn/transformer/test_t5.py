"""The model against transformers' T5, and its masks."""

from __future__ import annotations

import copy
import math
from dataclasses import replace

import pytest
import torch

from benchmarks.speed.generator.t5 import t5_with_weights_of
from tokbench.nn.transformer.layers import Size, distance_bounds, distance_bucket
from tokbench.nn.transformer.t5 import Past, Transformer

SIZE = Size(40, d_model=32, d_ff=48, heads=3, d_head=16, encoder_layers=2, decoder_layers=3)


@pytest.fixture(scope="module")
def model() -> Transformer:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Transformer(SIZE).eval()


@pytest.mark.parametrize("gradients", [True, False], ids=["plain", "fused"])
def test_logits_equal_those_of_transformers_t5(model: Transformer, gradients: bool) -> None:
    """To 1e-4 on logits of order 10, with and without padding, past the exact distances."""
    draw = torch.Generator().manual_seed(1)
    tokens = torch.randint(1, 40, (4, 50), generator=draw)
    targets = torch.randint(1, 40, (4, 5), generator=draw)
    lengths = torch.tensor([50, 50, 17, 1])
    mask = torch.arange(50) < lengths[:, None]
    t5 = t5_with_weights_of(model)
    for attention in (mask, torch.ones_like(mask)):
        allowed, length = attention[:, None, None], attention.sum(1, keepdim=True)
        with torch.set_grad_enabled(gradients):
            memory = model.encode(tokens, allowed)
            ours = model.logits(model.decode(targets[:, None], memory, length))[:, 0]
        with torch.no_grad():
            theirs = t5(
                input_ids=tokens, attention_mask=attention.long(), decoder_input_ids=targets
            ).logits
        assert theirs.std() > 0.1
        torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)


def test_gradients_equal_those_of_transformers_t5(model: Transformer) -> None:
    draw = torch.Generator().manual_seed(2)
    tokens = torch.randint(1, 40, (3, 12), generator=draw)
    targets = torch.randint(1, 40, (3, 4), generator=draw)
    labels = torch.randint(1, 40, (3, 4), generator=draw)
    t5 = t5_with_weights_of(model)
    t5(input_ids=tokens, decoder_input_ids=targets, labels=labels).loss.backward()
    model.zero_grad()
    hidden = model.decode(targets[:, None], model.encode(tokens))
    loss = torch.nn.functional.cross_entropy(model.logits(hidden).flatten(0, -2), labels.flatten())
    torch.autograd.backward(loss)
    first = "encoder.block.0.layer.0"
    pairs = {
        "embedding": "shared.weight",
        "encoder_bias.weight": f"{first}.SelfAttention.relative_attention_bias.weight",
        "decoder.1.feed_forward.inward": "decoder.block.1.layer.2.DenseReluDense.wi.weight",
        "encoder.0.attention.norm.weight": f"{first}.layer_norm.weight",
    }
    for ours, theirs in pairs.items():
        mine, other = model.get_parameter(ours).grad, t5.get_parameter(theirs).grad
        assert mine is not None
        assert other is not None
        torch.testing.assert_close(mine, other, atol=1e-5, rtol=1e-3)


@pytest.fixture(params=[False, True], ids=["plain", "cross-bias"])
def either(request: pytest.FixtureRequest) -> Transformer:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Transformer(replace(SIZE, cross_bias=request.param)).eval()


def test_targets_of_one_sequence_do_not_see_each_other(either: Transformer) -> None:
    """Decoding T targets at once equals decoding each alone against what it may look at."""
    draw = torch.Generator().manual_seed(3)
    tokens = torch.randint(1, 40, (2, 9), generator=draw)
    targets = torch.randint(1, 40, (2, 3, 4), generator=draw)
    seen = torch.tensor([[3, 6, 9]])
    with torch.no_grad():
        memory = either.encode(tokens)
        together = either.decode(targets, memory, seen)
        for t in range(3):
            alone = either.decode(targets[:, t : t + 1], memory[:, : seen[0, t]])
            torch.testing.assert_close(together[:, t], alone[:, 0], atol=1e-5, rtol=1e-4)


def test_without_a_length_every_target_sees_the_whole_memory(either: Transformer) -> None:
    draw = torch.Generator().manual_seed(3)
    tokens = torch.randint(1, 40, (2, 9), generator=draw)
    targets = torch.randint(1, 40, (2, 3, 4), generator=draw)
    with torch.no_grad():
        memory = either.encode(tokens)
        found = either.decode(targets, memory)
        told = either.decode(targets, memory, torch.full((2, 3), 9))
    torch.testing.assert_close(found, told, atol=1e-6, rtol=1e-5)


def test_stepping_with_a_cache_equals_decoding_at_once(either: Transformer) -> None:
    draw = torch.Generator().manual_seed(4)
    memory = either.encode(torch.randint(1, 40, (2, 7), generator=draw)).detach()
    tokens = torch.randint(1, 40, (2, 5, 4), generator=draw)
    length = torch.tensor([[7], [4]])
    with torch.no_grad():
        whole = either.decode(tokens, memory, length.expand(2, 5))
        cross = either.cross_attend(memory, length)
        past: Past = []
        for m in range(4):
            hidden, past = either.step(tokens[..., m], past, cross)
            torch.testing.assert_close(hidden, whole[:, :, m], atol=1e-5, rtol=1e-4)


def test_with_cross_bias_the_decoder_knows_how_far_back_a_token_is() -> None:
    """The same memory twice over: T5's cross-attention cannot tell the copies' order, ours can."""
    for cross_bias in (False, True):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            model = Transformer(replace(SIZE, cross_bias=cross_bias)).eval()
        memory = torch.randn(1, 6, 32, generator=torch.Generator().manual_seed(7))
        target = torch.tensor([[[1, 2]]])
        with torch.no_grad():
            forth, back = model.decode(target, memory), model.decode(target, memory.flip(1))
        assert torch.allclose(forth, back, atol=1e-5) is not cross_bias


def test_evaluation_has_no_dropout_and_training_has(model: Transformer) -> None:
    tokens = torch.arange(1, 9).view(1, 8)
    assert torch.equal(model.encode(tokens), model.encode(tokens))
    model.train()
    try:
        assert not torch.equal(model.encode(tokens), model.encode(tokens))
    finally:
        model.eval()


def test_a_position_of_several_tokens_is_the_sum_of_their_embeddings(model: Transformer) -> None:
    """Read as one token whose embedding is that sum."""
    model, tokens = copy.deepcopy(model), torch.tensor([[[0, 0], [3, 5], [4, 4]]])
    with torch.no_grad():
        found = model.encode(tokens)
        sums = model.embedding[tokens[0]].sum(1)
        model.embedding[:3] = sums
        expected = model.encode(torch.tensor([[0, 1, 2]]))
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize(("buckets", "furthest"), [(32, 128), (16, 128), (32, 256)])
def test_classes_of_distance_are_t5s(buckets: int, furthest: int) -> None:
    """Its formula with real logarithms, a hair above the edges on which these fall."""
    exact = buckets // 2
    bounds = torch.tensor(distance_bounds(buckets, furthest))
    distance = torch.arange(2 * furthest)
    found = distance_bucket(-distance, bounds, causal=True).tolist()
    for at, bucket in enumerate(found):
        share = math.log(max(at, 1) / exact) / math.log(furthest / exact)
        far = exact + math.floor(share * (buckets - exact) + 1e-9)
        assert bucket == (at if at < exact else min(far, buckets - 1)), at
    both = distance_bucket(torch.tensor([-3, 0, 3, 10**6]), bounds, causal=False).tolist()
    assert both == [3, 0, buckets + 3, 2 * buckets - 1]
