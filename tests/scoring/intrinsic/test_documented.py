"""docs/intrinsic.md defines every figure that a record can hold, by name."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from tests.report.test_stability import A, B
from tests.scoring.intrinsic.test_intrinsic import PLAIN
from tokbench.report.stability import agreement
from tokbench.scoring.intrinsic import measure_decoder
from tokbench.types import SemanticIds

PAGE = (Path(__file__).parents[3] / "docs/intrinsic.md").read_text(encoding="utf-8")


def test_every_measure_is_defined() -> None:
    ids = SemanticIds(A, (4, 4))
    x = np.random.default_rng(0).normal(size=(30, 3)).astype(np.float32)
    decoded = measure_decoder("decoder", x[: len(ids.groups()[2])], ids, x)
    names = {*PLAIN, *decoded, *agreement(ids, SemanticIds(B, (4, 4)))}
    for name in sorted(names):
        shape = re.sub(r"level\d", "levelL", re.sub(r"depth\d", "depthD", name))
        assert f"`{shape}`" in PAGE, name
