"""Sources of item texts and interactions."""

from __future__ import annotations

from tokbench.api import DatasetSource, hookimpl


@hookimpl
def register_datasets() -> list[type[DatasetSource]]:
    """Built-in datasets."""
    from tokbench.datasets.folder import Folder
    from tokbench.datasets.prepared import Mind, OfficeL, OfficeS
    from tokbench.datasets.toy import Toy

    return [Folder, Toy, Mind, OfficeS, OfficeL]
