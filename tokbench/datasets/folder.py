"""Anybody's data: a folder with items.jsonl and sequences.jsonl.

items.jsonl      {"item_id": "7", "title": "Red pen", "brand": "Pilot", "categories": ["Office"]}
sequences.jsonl  {"user_id": "u1", "item_ids": ["7", "3", "9"], "days": [15000, 15001, 15001]}

Items carry any text fields; `categories` is a list from general to specific. Sequences are oldest
first; `days` (or `times`, in any unit) is optional and has one whole number per item.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import field_validator

from tokbench.api import DatasetSource, Runtime, option
from tokbench.datasets.layout import ITEMS, SEQUENCES, SHORTEST, read_items, read_sequences
from tokbench.datasets.text import clauses
from tokbench.errors import DatasetError, Fault, listed, shown, stop
from tokbench.types import Dataset, Sequences

LAYOUT = f"a dataset folder holds {ITEMS} and {SEQUENCES}"
TEMPLATE = (
    "Category: {categories}. Category: {category}. Sub-category: {subcategory}. "
    "Brand: {brand}. Title: {title}."
)


NO_TEXT = "items without text can be kept by their id: --set dataset.empty_text=id"


class Folder(DatasetSource):
    """Items and sequences from a folder, checked line by line."""

    name = "folder"

    class Config(DatasetSource.Config):
        """Where the folder is, how items are worded, what to do with rows of no use."""

        path: str = option(
            "", location=True, description="the folder with items.jsonl and sequences.jsonl"
        )
        sequences: str = option(SEQUENCES, description="name of the sequences file in the folder")
        template: str = option(
            TEMPLATE, description="what the encoder reads; fields an item lacks vanish"
        )
        empty_text: Literal["error", "id", "drop"] = option(
            "error", description="an item without text: stop, use its id as text, or leave it out"
        )
        short_users: Literal["error", "drop"] = option(
            "error", description=f"a user with fewer than {SHORTEST} items: stop, or leave out"
        )

        @field_validator("template")
        @classmethod
        def _template_parses(cls, template: str) -> str:
            clauses(template)
            return template

    @property
    def label(self) -> str:
        """The folder's own name."""
        return Path(self.config.path).expanduser().resolve().name

    def inputs(self) -> Iterable[Path]:
        """items.jsonl and the sequences file."""
        folder = self._folder()
        return (folder / ITEMS, folder / self.config.sequences)

    def load(self, *, runtime: Runtime) -> Dataset:
        """Read and check both files. Raises DatasetError at the first fault."""
        return self.read(stop)

    def problems(self) -> list[DatasetError]:
        """Every fault of the folder, in file order, then what makes a sound one worthless."""
        found: list[DatasetError] = []
        try:
            dataset = self.read(found.append)
        except DatasetError as error:
            return [*found, error]
        return found or [*_doubts(dataset, *self.inputs())]

    def read(self, fault: Fault) -> Dataset:
        """The dataset, with each fault passed to `fault` and its line left out."""
        items_path, sequences_path = self.inputs()
        for path in (items_path, sequences_path):
            if not path.is_file():
                raise DatasetError("no such file", path=path, remedy=LAYOUT)
        items = read_items(items_path, self.config.template, self.config.empty_text, fault)
        if not items.ids:
            raise DatasetError(f"no items left of {items.lines}", path=items_path, remedy=NO_TEXT)
        if self.config.template != TEMPLATE and (unused := items.unseen(self.config.template)):
            fault(DatasetError(
                f"no item has the template's field {listed(unused)}",
                path=items_path,
                remedy=f"items have {listed(sorted(items.fields))}",
            ))  # fmt: skip
        users = read_sequences(sequences_path, items, self.config.short_users, fault)
        if not users.ids:
            raise DatasetError(
                "no users left",
                path=sequences_path,
                remedy=f"leave-one-out needs users with at least {SHORTEST} items",
            )
        return Dataset(
            name=self._folder().resolve().name,
            item_ids=tuple(items.ids),
            texts=tuple(items.texts),
            titles=tuple(items.titles),
            user_ids=tuple(users.ids),
            interactions=Sequences(np.array(users.offsets), np.array(users.items)),
            times=np.array(users.times) if users.timed else None,
            categories=tuple(items.categories) if any(items.categories) else None,
        )

    def _folder(self) -> Path:
        if not self.config.path:
            raise DatasetError(
                "dataset 'folder' needs a path", remedy=f"--dataset FOLDER; {LAYOUT}"
            )
        folder = Path(self.config.path).expanduser()
        if not folder.is_dir():
            raise DatasetError("no such folder", path=folder, remedy=LAYOUT)
        return folder


def _doubts(dataset: Dataset, items: Path, sequences: Path) -> Iterator[DatasetError]:
    """What no format forbids and nothing can be learnt from."""
    text, times = Counter(dataset.texts).most_common(1)[0]
    if 2 * times > len(dataset.texts) > 2:
        problem = f"{times} of {len(dataset.texts)} items have the same text, {shown(text)}"
        yield DatasetError(problem, path=items, remedy="check the template and its fields")
    taken = dataset.interactions
    if len(dataset.item_ids) == 1 or (taken.items == taken.items[0]).all():
        found = shown(dataset.item_ids[taken.items[0]])
        problem = f"every interaction is with the item {found}"
        yield DatasetError(problem, path=sequences, remedy="nothing is left to predict")
    elif len(taken) > 2 and len({taken[user].tobytes() for user in range(len(taken))}) == 1:
        problem = f"all {len(taken)} users have the same items in the same order"
        yield DatasetError(problem, path=sequences, remedy="was one user copied?")
    if dataset.times is not None and (dataset.times == dataset.times[0]).all():
        problem = f"every interaction has the time {dataset.times[0]}"
        yield DatasetError(problem, path=sequences, remedy="leave the times out")


def find_folder(name_or_path: str, roots: Sequence[Path]) -> Path | None:
    """The dataset folder meant: a path to one, or its name under one of `roots`; else None."""
    path = Path(name_or_path).expanduser()
    if name_or_path and path.is_dir():
        return path
    if name_or_path in ("", ".", "..") or path.name != name_or_path:
        return None
    candidates = (root / name_or_path for root in roots)
    return next((folder for folder in candidates if (folder / ITEMS).is_file()), None)
