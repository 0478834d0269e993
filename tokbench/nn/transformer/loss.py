"""The loss of the encoder-decoder on a micro-batch, and the likelihood of single targets.

Axes: B windows of the micro-batch, T targets, M levels, V vocabulary.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from tokbench.nn.devices import bias_learning_attention, on_cuda
from tokbench.nn.transformer.collator import IGNORED, MicroBatch
from tokbench.nn.transformer.t5 import START, Transformer


def summed_loss(model: Transformer, batch: MicroBatch, *, smoothing: float = 0.0) -> Tensor:
    """Cross-entropy over the whole vocabulary, summed over the supervised tokens."""
    device = batch.encoder.device
    with bias_learning_attention(device):
        memory = model.encode(batch.encoder, batch.encoder_allowed)
        hidden = model.decode(batch.decoder, memory, batch.memory_length)
        labels = batch.labels
        if not on_cuda(device):  # a GPU would have to tell the host how many tokens are kept
            kept = labels != IGNORED
            hidden, labels = hidden[kept], labels[kept]
        return F.cross_entropy(
            model.logits(hidden).flatten(0, -2),
            labels.flatten(),
            ignore_index=IGNORED,
            reduction="sum",
            label_smoothing=smoothing,
        )


def log_likelihood(
    model: Transformer, tokens: Tensor, memory: Tensor, memory_length: Tensor | None
) -> Tensor:
    """log p of the tokens [B, M] after each memory [B, S, d_model], over the whole vocabulary:
    float64 [B], natural. All of a target's tokens are read at once, as in training."""
    shifted = F.pad(tokens[:, :-1], (1, 0), value=START).unsqueeze(1)
    hidden = model.decode(shifted, memory, memory_length)[:, 0]
    return log_p_of(tokens, model.logits(hidden)).sum(1)


def log_p_of(labels: Tensor, logits: Tensor) -> Tensor:
    """log softmax of the labels [...] in logits [..., V]: float64 [...]."""
    log_p = logits.double().log_softmax(-1)
    return log_p.gather(-1, labels.unsqueeze(-1)).squeeze(-1)
