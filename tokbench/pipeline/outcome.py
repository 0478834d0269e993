"""From what the stages of a cell made to what its record says: every figure, and per-user data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from tokbench.api import Metric, Score
from tokbench.pipeline.files import Arrays
from tokbench.schema.record import Outcome, Packed, figures_of, pack_placement
from tokbench.scoring import decoding
from tokbench.scoring.placement import place
from tokbench.scoring.query_facts import item_frequency, query_facts
from tokbench.scoring.splits import Split
from tokbench.scoring.users import by_user, owners_of
from tokbench.stats.bootstrap import bootstrap
from tokbench.types import Beams, Dataset, Floats, SemanticIds


class Made(NamedTuple):
    """What the stored stages of one cell gave."""

    embeddings: Floats
    raw: SemanticIds  # as the tokenizer made them
    ids: SemanticIds  # after the collision policy
    state: Arrays
    beams: Beams
    measures: dict[str, float]  # intrinsic figures of `raw`
    told: dict[str, float]  # `parameters` and decoder figures, where the tokenizer tells
    searched: Arrays  # beam against exhaustive search, [S] each
    likelihood: Arrays  # log_p [Q], where the generator is a distribution
    digests: dict[str, str]
    curves: dict[str, list[dict[str, float]]]


def make_outcome(made: Made, dataset: Dataset, split: Split, metrics: Sequence[Metric]) -> Outcome:
    """place and score, and what follows from the data alone."""
    test, raw, ids = split.test, made.raw, made.ids
    placement = place(made.beams, ids, test.targets)
    longest = decoding.shared_prefix(made.beams, ids, test.targets)
    owners = owners_of(test)
    figures: dict[str, Score] = {}
    for metric in metrics:
        figures |= metric.score(placement, ids, made.embeddings)
    figures |= raw_collisions(raw) | made.measures
    figures |= decoding.survival(longest, ids.levels)
    figures |= {name: value for name, value in made.told.items() if name != "parameters"}
    figures = {name: by_user(value, owners) for name, value in figures.items()}
    facts = query_facts(dataset, split) | {"shared_prefix": longest}
    frequency = np.sort(item_frequency(dataset, split))[::-1]
    millibits = pack_millibits(made.likelihood)
    bits = {} if millibits is None else {"bits": by_user(millibits.array() / 1000, owners)}
    return Outcome(
        users=len(np.unique(test.users)),
        items=len(dataset.item_ids),
        interactions=len(dataset.interactions.items),
        digests={"dataset": dataset.digest(), "split": split.digest(), **made.digests},
        figures=figures_of(figures, intervals_of(figures))
        | figures_of(made.searched, intervals_of(made.searched))
        | figures_of(bits, intervals_of(bits)),
        placement=pack_placement(placement),
        codes=Packed.of(ids.codes),
        level_sizes=ids.level_sizes,
        curves=made.curves,
        raw_codes=None if raw.digest() == ids.digest() else Packed.of(raw.codes),
        queries={name: Packed.of(values) for name, values in facts.items()},
        item_frequency=Packed.of(frequency),
        sizes=sizes_of(made, split),
        millibits=millibits,
        owners=None if owners is None else Packed.of(owners),
    )


def sizes_of(made: Made, split: Split) -> dict[str, int]:
    """The SIZES that are known."""
    sizes = {
        "tokens_per_item": made.ids.levels,
        "training_sequences": len(split.histories.train),
        "generator_parameters": sum(array.size for array in made.state.values()),
    }
    if "parameters" in made.told:
        sizes["tokenizer_parameters"] = int(made.told["parameters"])
    return sizes


def pack_millibits(likelihood: Arrays) -> Packed | None:
    """-log2 of the targets' probabilities in thousandths, [Q]; None without a distribution."""
    if not likelihood:
        return None
    return Packed.of(np.rint(likelihood["log_p"] * (-1000 / np.log(2))))


def raw_collisions(ids: SemanticIds) -> dict[str, float]:
    """Collision figures of the tokenizer itself, before the collision policy."""
    _, _, sizes = ids.groups()
    return {
        "raw/duplicate_rate": 1.0 - len(sizes) / len(ids),
        "raw/items_in_collision": float(sizes[sizes > 1].sum() / len(ids)),
    }


def intervals_of(figures: Mapping[str, Score]) -> dict[str, tuple[float, float]]:
    """95 % bootstrap intervals over users, one resampling for all figures."""
    names = [name for name, value in figures.items() if isinstance(value, np.ndarray)]
    if not names:
        return {}
    low, high = bootstrap(np.stack([figures[name] for name in names], axis=1))
    return {name: (float(low[i]), float(high[i])) for i, name in enumerate(names)}
