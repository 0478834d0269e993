"""The peer: transformers' T5ForConditionalGeneration, batches padded to their longest history."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import transformers
from numpy.typing import NDArray
from torch import Tensor

from tokbench.nn.transformer import START, Collator, Size, Transformer, Windows
from tokbench.types import Ints

NAME = f"transformers {transformers.__version__} T5ForConditionalGeneration"


def t5(size: Size) -> Any:
    """A fresh T5 of the same shape (which has no cross-attention bias)."""
    assert not size.cross_bias, "T5 has no relative positions in cross-attention"
    config = transformers.T5Config(
        vocab_size=size.vocabulary,
        d_model=size.d_model,
        d_kv=size.d_head,
        d_ff=size.d_ff,
        num_layers=size.encoder_layers,
        num_decoder_layers=size.decoder_layers,
        num_heads=size.heads,
        relative_attention_num_buckets=size.buckets,
        relative_attention_max_distance=size.furthest,
        dropout_rate=size.dropout,
        feed_forward_proj="relu",
        pad_token_id=START,
        eos_token_id=None,  # every tuple has the same number of codes
    )
    config.decoder_start_token_id = START
    return transformers.T5ForConditionalGeneration(config)


def parameters(model: Transformer) -> dict[str, list[str]]:
    """Our parameters' names, each with T5's for it: one, or those of q, k and v in turn."""
    names = {"embedding": ["shared.weight"]}
    for stack, attentions in (
        ("encoder", {"attention": "SelfAttention"}),
        ("decoder", {"self_attention": "SelfAttention", "cross_attention": "EncDecAttention"}),
    ):
        first = f"{stack}.block.0.layer.0.SelfAttention"
        names[f"{stack}_bias.weight"] = [f"{first}.relative_attention_bias.weight"]
        names[f"{stack}_norm.weight"] = [f"{stack}.final_layer_norm.weight"]
        for number in range(len(getattr(model, stack))):
            ours, theirs = f"{stack}.{number}", f"{stack}.block.{number}.layer"
            for at, (mine, other) in enumerate(attentions.items()):
                letters = [f"{theirs}.{at}.{other}.{letter}.weight" for letter in "qkv"]
                names[f"{ours}.{mine}.inward"] = letters
                names[f"{ours}.{mine}.outward"] = [f"{theirs}.{at}.{other}.o.weight"]
                names[f"{ours}.{mine}.norm.weight"] = [f"{theirs}.{at}.layer_norm.weight"]
            mine, last = f"{ours}.feed_forward", f"{theirs}.{len(attentions)}"
            names[f"{mine}.inward"] = [f"{last}.DenseReluDense.wi.weight"]
            names[f"{mine}.outward"] = [f"{last}.DenseReluDense.wo.weight"]
            names[f"{mine}.norm.weight"] = [f"{last}.layer_norm.weight"]
    return names


def t5_with_weights_of(model: Transformer) -> Any:
    """T5 with our weights copied in, in evaluation mode."""
    copied: dict[str, Tensor] = {}
    for ours, theirs in parameters(model).items():
        parts = model.get_parameter(ours).detach().clone().chunk(len(theirs))
        copied |= dict(zip(theirs, parts, strict=True))
    peer = t5(model.size)
    missing, unexpected = peer.load_state_dict(copied, strict=False)
    tied = {"encoder.embed_tokens.weight", "decoder.embed_tokens.weight", "lm_head.weight"}
    assert set(missing) <= tied, missing
    assert not unexpected, unexpected
    return peer.eval()


@torch.no_grad()
def copy_weights_of(peer: Any, model: Transformer) -> None:
    """The other way: our model with T5's weights."""
    for ours, theirs in parameters(model).items():
        parts = [peer.get_parameter(name) for name in theirs]
        model.get_parameter(ours).copy_(torch.cat(parts))


class PaddedTraining:
    """T5 trained on (history, next item) pairs as its documentation shows, fused AdamW."""

    def __init__(self, peer: Any, collator: Collator, windows: Windows, rate: float) -> None:
        self.peer, self.collator, self.windows = peer.train(), collator, windows
        self.optimizer = torch.optim.AdamW(peer.parameters(), lr=rate, weight_decay=0.0, fused=True)

    def step(self, rows: Ints) -> float:
        """One update on the windows `rows` as a single batch."""
        batch = self.collator.micro_batch(self.windows, rows)
        tokens = batch.encoder
        mask = torch.ones_like(tokens)
        if batch.memory_length is not None:
            mask = (torch.arange(tokens.shape[1]) < batch.memory_length).long()
        loss = self.peer(input_ids=tokens, attention_mask=mask, labels=batch.labels.squeeze(1)).loss
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return float(loss.detach())


def allowed_next(tuples: NDArray[np.int64]) -> Callable[[int, Tensor], list[int]]:
    """A prefix_allowed_tokens_fn over the trie of the tuples [G, M], given as tokens."""
    trie: dict[tuple[int, ...], list[int]] = {}
    for row in tuples.tolist():
        for m, token in enumerate(row):
            following = trie.setdefault(tuple(row[:m]), [])
            if token not in following:
                following.append(token)

    def allowed(batch: int, tokens: Tensor) -> list[int]:
        return trie.get(tuple(tokens[1:].tolist()), [START])  # a dead beam may go anywhere

    return allowed


def beam_search(
    peer: Any, tokens: Tensor, mask: Tensor, allowed: Callable[[int, Tensor], list[int]],
    *, levels: int, width: int,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Tokens [B, width, M] and summed log-probabilities [B, width] of transformers' beam search."""
    found = peer.generate(
        input_ids=tokens,
        attention_mask=mask,
        prefix_allowed_tokens_fn=allowed,
        num_beams=width,
        num_return_sequences=width,
        max_new_tokens=levels,
        min_new_tokens=levels,
        do_sample=False,
        length_penalty=0.0,
        output_scores=True,
        return_dict_in_generate=True,
    )
    sequences = found.sequences[:, 1 : 1 + levels].view(len(tokens), width, levels)
    return sequences, found.sequences_scores.view(len(tokens), width)
