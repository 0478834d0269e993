"""Embeddings of one text field of a catalogue, as a modality for cost-multimodal.

    python plugins/cost-multimodal/examples/embed_field.py DATASET_FOLDER description OUT.npy

Rows are in the order of items.jsonl, as a folder dataset reads them. The encoder is MiniLM (the
extra `minilm`). An item without the field gets the embedding of an empty text.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from tokbench.api import Runtime
from tokbench.encoders.minilm import MiniLm

folder, field, out = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
with (folder / "items.jsonl").open(encoding="utf-8") as lines:
    texts = [str(json.loads(line).get(field) or "") for line in lines]
np.save(out, MiniLm().encode(texts, runtime=Runtime()))
