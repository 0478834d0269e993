"""The paper's datasets by name, as `prepare` left them in a data folder."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

from tokbench.api import option
from tokbench.datasets.folder import Folder
from tokbench.errors import DatasetError

HOME = "TOKBENCH_DATA"
PATH = "the prepared folder; empty: looked up by name under $TOKBENCH_DATA"


def data_roots() -> list[Path]:
    """Folders that hold datasets: those of $TOKBENCH_DATA, then the user's data folder."""
    named = [Path(part) for part in os.environ.get(HOME, "").split(os.pathsep) if part]
    return [*named, Path(platformdirs.user_data_dir("tokbench", appauthor=False))]


class Prepared(Folder):
    """A folder made by `prepare`, found by the name of the dataset."""

    def _folder(self) -> Path:
        if self.config.path:
            return super()._folder()
        folders = [root / self.name for root in data_roots()]
        folder = next((folder for folder in folders if folder.is_dir()), None)
        if folder is None:
            looked = ", ".join(str(root) for root in data_roots())
            raise DatasetError(
                f"dataset {self.name!r} is not prepared: looked in {looked}",
                remedy=f"tokbench data prepare {self.name}",
            )
        return folder


class Mind(Prepared):
    """MIND as in Table 1 of the paper; item text: category, sub-category, title (Sec. 4.1)."""

    name = "mind"
    citation = "Wu et al., MIND: A Large-scale Dataset for News Recommendation, ACL 2020"
    deviations = ("the paper's filters are not given: its recipe is a reading, see recipe.json",)

    class Config(Folder.Config):
        """As for any folder."""

        path: str = option("", description=PATH)
        template: str = option(
            "Category: {category}. Sub-category: {subcategory}. Title: {title}.",
            description="what the encoder reads; fields an item lacks vanish",
        )


class OfficeS(Prepared):
    """Office (S) as in Table 1 of the paper: users of 10 to 20 interactions; item text: type,
    brand, title, category (Sec. 4.1)."""

    name = "office-s"
    citation = "He & McAuley, Ups and Downs, WWW 2016"
    deviations = Mind.deviations

    class Config(Folder.Config):
        """As for any folder."""

        path: str = option("", description=PATH)
        template: str = option(
            "Type: {type}. Brand: {brand}. Title: {title}. Category: {categories}.",
            description="what the encoder reads; fields an item lacks vanish",
        )


class OfficeL(OfficeS):
    """Office (L) as in Table 1 of the paper: users of at least 5 interactions, the last 50."""

    name = "office-l"
