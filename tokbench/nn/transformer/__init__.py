"""Attention networks over tokens, what they read, and the search that writes tuples.

SASRec is imported from its own file: its micro-batches and loss have the same names.
"""

from __future__ import annotations

from tokbench.nn.transformer.beam import PrefixTree, children, search
from tokbench.nn.transformer.collator import IGNORED, Collator, Grid, MicroBatch
from tokbench.nn.transformer.layers import (
    Attention,
    DecoderLayer,
    EncoderLayer,
    FeedForward,
    RelativeBias,
    RMSNorm,
    Size,
    attend,
)
from tokbench.nn.transformer.loss import summed_loss
from tokbench.nn.transformer.t5 import START, Transformer
from tokbench.nn.transformer.windows import Windows, pack, prefix_windows, sequence_windows

__all__ = [
    "IGNORED", "START", "Attention", "Collator", "DecoderLayer", "EncoderLayer", "FeedForward",
    "Grid", "MicroBatch", "PrefixTree", "RMSNorm", "RelativeBias", "Size", "Transformer", "Windows",
    "attend", "children", "pack", "prefix_windows", "search", "sequence_windows", "summed_loss",
]  # fmt: skip
