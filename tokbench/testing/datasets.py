"""Rules for datasets.

Axes: N items, U users.
"""

from __future__ import annotations

import numpy as np

from tokbench.pipeline import stages
from tokbench.pipeline.contracts import described
from tokbench.testing.subject import Subject
from tokbench.types import Dataset


def loads_a_dataset(subject: Subject) -> str:
    """load returns a Dataset whose item and user ids are distinct and whose items exist."""
    data = _loaded(subject)
    subject.require(
        isinstance(data, Dataset),
        expected="a Dataset",
        found=described(data),
        remedy="return tokbench.Dataset(...)",
    )
    for what, ids in (("item", data.item_ids), ("user", data.user_ids)):
        subject.require(
            len(set(ids)) == len(ids) > 0 and all(isinstance(one, str) and one for one in ids),
            expected=f"distinct {what} ids, none empty",
            found=f"{len(set(ids))} different of {len(ids)}",
            remedy="keep one row for each id",
        )
    items = data.interactions.items
    subject.require(
        len(items) > 0 and int(items.min()) >= 0 and int(items.max()) < len(data.item_ids),
        expected=f"item numbers in [0, {len(data.item_ids)})",
        found=f"{items.min()} to {items.max()}" if len(items) else "no interactions",
        remedy="interactions name items by their place in item_ids",
    )
    return f"{len(data.item_ids)} items, {len(data.user_ids)} users, {len(items)} interactions"


def texts_say_something(subject: Subject) -> None:
    """Every item has a text for the encoder."""
    data = _loaded(subject)
    silent = [n for n, text in enumerate(data.texts) if not isinstance(text, str) or not text]
    subject.require(
        not silent,
        expected="a text for every item",
        found=f"none for {len(silent)}, the first {data.item_ids[silent[0]] if silent else ''!r}",
        remedy="fall back on the title or the id",
    )


def same_options_same_data(subject: Subject) -> None:
    """Loading twice gives the same content."""
    first, again = _loaded(subject).digest(), subject.build().load(runtime=subject.runtime).digest()
    subject.require(
        first == again,
        expected=f"the content of the first load, digest {first[:8]}",
        found=f"content of digest {again[:8]}",
        remedy="order what comes from sets and folders; draw chance from a seed in Config",
    )


def times_never_run_backwards(subject: Subject) -> str:
    """Where there are times, each user's are in order."""
    data = _loaded(subject)
    if data.times is None:
        return "no times"
    step = np.diff(data.times) < 0
    ends = data.interactions.offsets[1:-1]
    step[ends[(ends > 0) & (ends < len(data.times))] - 1] = False
    subject.require(
        not step.any(),
        expected="each user's interactions oldest first",
        found=f"{int(step.sum())} that step back in time",
        remedy="sort each user's rows by time, stably",
    )
    return ""


def can_be_split(subject: Subject) -> str:
    """Leave-one-out finds something to train, to select and to test on."""
    found = stages.split(_loaded(subject), "leave-one-out")
    return f"{len(found.test)} test queries"


def inputs_are_files(subject: Subject) -> str:
    """inputs() lists files that are there, so that a changed file is a changed dataset."""
    paths = list(subject.build().inputs())
    missing = [str(path) for path in paths if not path.is_file()]
    subject.require(
        not missing,
        expected="files that exist",
        found=", ".join(missing[:3]),
        remedy="list the raw files load reads, not folders",
    )
    return f"{len(paths)} files"


def _loaded(subject: Subject) -> Dataset:
    data: Dataset = subject.once("loaded", lambda: subject.build().load(runtime=subject.runtime))
    return data
