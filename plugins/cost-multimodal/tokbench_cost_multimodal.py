"""CoST over several embeddings of an item: its text's, and others read from files.

Zhu et al. (RecSys 2024, doi 10.1145/3640457.3688178) name multimodal items as future work; SimCIT
(arXiv 2506.16683) aligns codes with several modalities by contrast. Here the matrices are
standardised and put side by side, so that one code stands for all of them, and with `cross_weight`
an item's reconstruction from one modality alone must find its item in the others, by Eq. 4.

Axes: N items, B batch, D_m width of modality m (0 is the text), D their sum.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import permutations
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from tokbench import Runtime, SemanticIds, hookimpl, option
from tokbench.errors import ConfigError, DatasetError, listed
from tokbench.tokenizers.cost import Cost
from tokbench.types import Catalog, Codes, Floats

if TYPE_CHECKING:  # torch is imported where it is used, so that listing tokenizers stays fast
    from torch import Tensor

    from tokbench.nn.quantizer import Batch, LossTerms, QuantizedAutoencoder, Terms
    from tokbench.tokenizers.rqvae import FittedQuantizer


class CostMultimodal(Cost):
    """CoST over text and further embeddings from .npy files."""

    name: ClassVar[str] = "cost-multimodal"
    citation: ClassVar[str] = (
        "future work of Zhu et al., CoST, RecSys 2024; contrast across modalities as in SimCIT, "
        "arXiv 2506.16683"
    )

    class Config(Cost.Config):
        """Options of CoST, and where the other embeddings are."""

        paths: tuple[str, ...] = option(
            (), location=True, description=".npy files [N, D_m], one for each further modality"
        )
        item_ids: str = option(
            "",
            location=True,
            description="text file with the item id of each row, one a line, the same for all "
            "files; '' where rows are in the order of the catalogue",
        )
        cross_weight: float = option(
            0.0,
            ge=0,
            description="weight of the contrast between the reconstruction from one modality alone "
            "and the other modalities; 0 only puts them side by side",
        )

    config: Config
    presets = {
        **Cost.presets,
        "contrasted": {"cross_weight": 0.1},
    }
    deviations: ClassVar[Sequence[str]] = (
        *Cost.deviations,
        "with further modalities every column is z-scored and every modality scaled to the same "
        "total variance; without any the text's embeddings are used as they are",
    )

    @property
    def label(self) -> str:
        """The name, and what the modalities' files are called."""
        return "+".join([self.name, *(path.stem for path in self.files())])

    def files(self) -> list[Path]:
        """The modalities' files by name: in whatever order they were given, codes are the same.

        Raises ConfigError where two share a name, since names tell them apart in a record.
        """
        paths = sorted(
            (Path(path).expanduser() for path in self.config.paths), key=lambda p: p.name
        )
        names = [path.name for path in paths]
        if len(set(names)) < len(names):
            raise ConfigError(
                f"cost-multimodal: files need names of their own, found {listed(names)} "
                "(rename one of them)"
            )
        return paths

    def inputs(self) -> Iterable[Path]:
        """The embeddings, and the file with their item ids."""
        ids = self.config.item_ids
        return [*self.files(), *([Path(ids).expanduser()] if ids else [])]

    def tokenize(self, catalog: Catalog, *, seed: int, runtime: Runtime) -> SemanticIds:
        """Train on all modalities and code the catalogue by all of them."""
        fitted = self.fit(catalog, seed=seed, runtime=runtime)
        codes = fitted.quantizer.encode(self.combined(catalog))
        return SemanticIds(codes, (self.config.codebook_size,) * self.config.levels)

    def fit(self, catalog: Catalog, *, seed: int, runtime: Runtime) -> FittedMultimodal:  # type: ignore[override]
        """Train on all modalities. Raises DatasetError for files that do not fit the catalogue."""
        x = self.combined(catalog)
        seen = replace(catalog, embeddings=x)
        quantizer = super().fit(seen, seed=seed, runtime=runtime)
        text = catalog.embeddings
        mean, scale = moments(text) if self.config.paths else (0.0, 1.0)
        further = x.shape[1] - text.shape[1]
        return FittedMultimodal(quantizer, mean, scale, further, bool(self.config.cross_weight))

    def combined(self, catalog: Catalog) -> Floats:
        """[N, D] all modalities side by side, each standardised; the text alone as it is."""
        if not self.config.paths:
            return catalog.embeddings
        rows = self.rows(catalog)
        tables = [catalog.embeddings]
        tables += [read_table(path, rows, len(catalog)) for path in self.files()]
        parts = []
        for table in tables:
            mean, scale = moments(table)
            parts.append((table - mean) / scale)
        return np.concatenate(parts, axis=1, dtype=np.float32)

    def rows(self, catalog: Catalog) -> list[int] | None:
        """The files' row of each item; None where rows are in the order of the catalogue."""
        if not self.config.item_ids:
            return None
        path = Path(self.config.item_ids).expanduser()
        if not path.is_file():
            raise DatasetError("no such file", path=path, remedy="see option item_ids")
        row = {name: n for n, name in enumerate(path.read_text(encoding="utf-8").splitlines())}
        missing = [name for name in catalog.item_ids if name not in row]
        if missing:
            raise DatasetError(
                f"{len(missing)} of {len(catalog)} items have no row, the first: {missing[0]!r}",
                path=path,
                remedy="give every item an embedding, e.g. the mean of the others",
            )
        return [row[name] for name in catalog.item_ids]

    def losses(self, catalog: Catalog, model: QuantizedAutoencoder) -> LossTerms:
        """CoST's terms over all modalities, and the contrast across them where it has a weight."""
        c = self.config
        if not (c.cross_weight and c.paths):
            return self.terms
        further = [np.load(path, mmap_mode="r").shape[1] for path in self.files()]
        widths = [catalog.embeddings.shape[1] - sum(further), *further]

        def terms(batch: Batch) -> Terms:
            def reconstruct(x: Tensor) -> Tensor:
                return model(batch.rows, x, quantized=bool(batch.e.any())).x_hat  # type: ignore[no-any-return]

            cross = cross_loss(batch.x, widths, reconstruct, c.temperature)
            return {**self.terms(batch), "cross": (c.cross_weight, cross)}

        return terms


def cross_loss(x: Tensor, widths: Sequence[int], reconstruct: Any, tau: float) -> Tensor:
    """Mean over m != n of Eq. 4 between x^n and the part n of the reconstruction from x^m alone.

    x [B, D] with blocks of `widths`; a modality left out is zero, which is its mean; `reconstruct`
    gives x_hat [B, D]. Mean over the batch.
    """
    import torch

    from tokbench.nn.quantizer import contrastive_loss

    parts = torch.split(x, list(widths), dim=1)
    found = []
    for m in range(len(parts)):
        alone = [part if n == m else torch.zeros_like(part) for n, part in enumerate(parts)]
        found.append(torch.split(reconstruct(torch.cat(alone, dim=1)), list(widths), dim=1))
    pairs = permutations(range(len(parts)), 2)
    return torch.stack([contrastive_loss(parts[n], found[m][n], tau) for m, n in pairs]).mean()


@dataclass(frozen=True)
class FittedMultimodal:
    """A trained quantizer over all modalities; codes new items from their text where it can."""

    quantizer: FittedQuantizer
    mean: Floats | float  # of the text
    scale: Floats | float
    further: int  # columns of the other modalities
    crossed: bool  # was it trained to do with one modality?

    def encode(self, embeddings: Floats) -> Codes:
        """Text embeddings [N, D_0] to codes, the other modalities at their mean.

        Raises ConfigError where there are others and training never left any out.
        """
        if self.further and not self.crossed:
            raise ConfigError(
                "cost-multimodal cannot code new items from their text: it was trained on all "
                "modalities together (set tokenizer.cross_weight above 0, which trains each alone)"
            )
        x = (embeddings - self.mean) / self.scale if self.further else embeddings
        blank = np.zeros((len(x), self.further), np.float32)
        return self.quantizer.encode(np.concatenate([x, blank], axis=1, dtype=np.float32))


def moments(table: Floats) -> tuple[Floats, Floats]:
    """Mean [D_m], and what to divide by: deviations times sqrt(D_m), so that an item's squared
    norm over the modality is 1 on average. Constant columns are only centred."""
    deviation = table.std(axis=0)
    deviation = np.where(deviation > 1e-6, deviation, 1)
    return table.mean(axis=0), deviation * np.sqrt(table.shape[1])


def read_table(path: Path, rows: list[int] | None, items: int) -> Floats:
    """float32 [N, D_m] in the catalogue's order. Raises DatasetError for what is no such table."""
    if not path.is_file():
        raise DatasetError("no such file", path=path, remedy="see option paths")
    try:
        table = np.load(path, allow_pickle=False)
    except ValueError as error:
        raise DatasetError(str(error), path=path, remedy="save numbers with numpy.save") from None
    if table.ndim != 2 or not np.issubdtype(table.dtype, np.number):
        found = f"{table.dtype} {list(table.shape)}"
        raise DatasetError(
            f"need numbers [N, D], found {found}", path=path, remedy="one row an item"
        )
    needed = items if rows is None else max(rows) + 1
    if len(table) < needed or (rows is None and len(table) != items):
        raise DatasetError(
            f"{len(table)} rows for {needed} items",
            path=path,
            remedy="one row an item in the catalogue's order, or name the rows by option item_ids",
        )
    if not np.isfinite(table).all():
        raise DatasetError("not all numbers are finite", path=path, remedy="replace NaN and inf")
    return np.asarray(table if rows is None else table[rows], np.float32)


@hookimpl
def register_tokenizers() -> list[type[CostMultimodal]]:
    """What this package offers."""
    return [CostMultimodal]
