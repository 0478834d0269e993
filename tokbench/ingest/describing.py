"""The counts of a dataset as it was loaded."""

from __future__ import annotations

import numpy as np

from tokbench.ingest.official.recipe import Events, Statistics, count
from tokbench.types import Dataset


def describe(dataset: Dataset) -> Statistics:
    """The counts of Table 1; `items` are those that occur in an interaction."""
    rows = dataset.interactions
    users = np.repeat(np.arange(len(rows)), rows.lengths)
    return count(Events(users, rows.items, dataset.times))
