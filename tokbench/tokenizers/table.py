"""A code table from a file: somebody else's semantic ids, benchmarked like one of ours.

`--tokenizer table:FILE`, or `--codes FILE`. What the table says of the catalogue's items is taken
as it is; the seed serves only items that it lacks, where `missing=random` allows that.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from tokbench import api
from tokbench.api import Runtime, Tokenizer, option
from tokbench.errors import ConfigError, DatasetError, listed
from tokbench.ids.formats import FormatName, files_of, read_table
from tokbench.tokenizers.random import hashed_codes
from tokbench.types import Catalog, SemanticIds

LONGEST_NAME = 60  # of a file, in a label: labels become names of files too


class Table(Tokenizer):
    """Code tuples read from a file, by item id."""

    name = "table"

    class Config(api.Config):
        """Where the table is and how it is read."""

        path: str = option("", location=True, description="the file with the codes")
        format: FormatName = option("auto", description="layout of the file; auto: by its content")
        level_sizes: tuple[Annotated[int, Field(ge=1)], ...] = option(
            (),
            symbol="K",
            description="codes at each level, used or not; () is what the file says, and where it "
            "says nothing the largest code + 1",
        )
        missing: Literal["error", "random"] = option(
            "error",
            description="items of the catalogue that the table lacks: stop, or give them random "
            "codes; items that only the table has are ignored",
        )

    @property
    def label(self) -> str:
        """The file's name, and the start of its content's digest: names alone repeat."""
        sha = hashlib.sha256()
        for file in self.inputs():
            if file.is_file():
                sha.update(file.read_bytes())
        name = re.sub(r"[^\w.+-]+", "-", self._path().name)[:LONGEST_NAME]
        return f"{self.name}:{name}@{sha.hexdigest()[:6]}"

    def inputs(self) -> Iterable[Path]:
        """The file, and the one beside it where the format has two.

        Raises ConfigError without a path, DatasetError when there is no such file.
        """
        return files_of(self._path(), self.config.format)

    def tokenize(self, catalog: Catalog, *, seed: int, runtime: Runtime) -> SemanticIds:
        """The catalogue's rows of the table. Raises DatasetError for a malformed file, and for
        one that lacks items unless `missing` says otherwise."""
        c = self.config
        table = read_table(self._path(), c.format, level_sizes=c.level_sizes)
        rows = table.rows_of(catalog.item_ids)
        missing = np.flatnonzero(rows < 0)
        if len(missing) and (c.missing == "error" or len(missing) == len(catalog)):
            first = listed([repr(catalog.item_ids[n]) for n in missing[:3]])
            raise DatasetError(
                f"no codes for {len(missing)} of {len(catalog)} items, the first: {first}",
                path=self._path(),
                remedy=f"this table has ids such as {table.item_ids[0]!r}; "
                "`tokbench ids audit` lists what is missing, "
                "--set table.missing=random gives those items random codes",
            )
        runtime.log(listed=len(table), unknown=len(table) - len(np.unique(rows[rows >= 0])))
        codes, sizes = table.ids.codes[rows].copy(), np.array(table.ids.level_sizes)
        for n in missing:
            drawn = hashed_codes(catalog.item_ids[n], seed, 0, len(sizes), 2**62)
            codes[n] = np.array(drawn) % sizes
        return SemanticIds(codes, table.ids.level_sizes)

    def _path(self) -> Path:
        if not self.config.path:
            raise ConfigError("tokenizer 'table' needs a file: table:FILE, or --codes FILE")
        return Path(self.config.path).expanduser()
