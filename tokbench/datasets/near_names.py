"""Names of datasets that look like a name nobody has."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from pathlib import Path

from tokbench.datasets.layout import ITEMS


def near_names(name: str, registered: Iterable[str], roots: Sequence[Path]) -> str:
    """`did you mean office-5core?`, of registered names and the dataset folders under `roots`, or
    what there is; a sentence for an error message."""
    folders = {
        path.parent.name for root in roots if root.is_dir() for path in root.glob(f"*/{ITEMS}")
    }
    known = sorted({*registered, *folders} - {"folder"})
    near = difflib.get_close_matches(Path(name).name, known, n=3)
    return f"did you mean {' or '.join(near)}?" if near else f"there are: {', '.join(known)}"
