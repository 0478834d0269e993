"""Rules for tokenizers.

Axes: N items, M levels.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

from tokbench.errors import CollapseError, ConfigError
from tokbench.ids.code_table import CodeTable
from tokbench.ids.formats import read_table, write_table
from tokbench.pipeline import stages
from tokbench.pipeline.contracts import check_ids, described
from tokbench.pipeline.files import read_arrays, write_arrays
from tokbench.testing import worlds
from tokbench.testing.subject import Subject
from tokbench.types import Catalog, SemanticIds, digest

TINY = (1, 2, 5)  # items
SAYS_SOMETHING = 5  # words of an error that tells what to change


def shape_and_range(subject: Subject) -> str:
    """tokenize returns SemanticIds, a row per item, whole numbers within level_sizes."""
    given: list[object] = []
    with _constructions(given):
        ids = _standard(subject)
    for codes in given:
        kind = np.asarray(codes).dtype
        subject.require(
            np.issubdtype(kind, np.integer),
            expected="codes of an integer type",
            found=f"{kind}",
            remedy="round on purpose, e.g. codes.astype(np.int32): a cast drops fractions and NaN",
        )
    distinct = len(ids.groups()[0])
    return f"{ids.levels} levels of {list(ids.level_sizes)}, {distinct} tuples, {len(ids)} items"


def same_seed_same_codes(subject: Subject) -> None:
    """The same catalogue and seed give the same codes, in another instance too."""
    one, two = _standard(subject), _codes(subject, _catalog(subject), seed=0)
    subject.require(
        one.digest() == two.digest(),
        expected="the codes of the first time",
        found=_difference(one, two),
        remedy="draw all chance from `seed`: np.random.default_rng(seed), torch.Generator()",
    )


def other_seed_other_codes(subject: Subject) -> str:
    """Another seed gives other codes, unless the class says `deterministic = True`."""
    one, two = _standard(subject), _codes(subject, _catalog(subject), seed=1)
    same = one.digest() == two.digest()
    if subject.cls.deterministic:  # type: ignore[attr-defined]
        subject.require(
            same,
            expected="the same codes for every seed, since deterministic = True",
            found=_difference(one, two),
            remedy="remove `deterministic = True`, or do not use the seed",
        )
        return "deterministic"
    subject.require(
        not same,
        expected="other codes for another seed",
        found=f"the same codes for seeds 0 and 1, {len(one.groups()[0])} tuples",
        remedy="use `seed`, or say `deterministic = True` in the class",
    )
    return ""


def inputs_unmodified(subject: Subject) -> None:
    """The catalogue is left as it was."""
    catalog = _catalog(subject)
    before = digest(catalog)
    _codes(subject, catalog)
    subject.require_unchanged(before, catalog)


def tiny_catalogues(subject: Subject) -> str:
    """Catalogues of 1, 2 and 5 items get codes, or an error that says what to change."""
    remarks = [_answer(subject, _catalog(subject, items=items)) for items in TINY]
    return next((remark for remark in remarks if remark), "")


def duplicate_embeddings(subject: Subject) -> str:
    """A catalogue where every embedding occurs four times gets codes."""
    seen = worlds.duplicates(_catalog(subject), worlds.ITEMS // 4)
    return _answer(subject, seen, collapse_allowed=False)


def constant_embeddings(subject: Subject) -> str:
    """A catalogue of one embedding gets codes, or an error that says what to change."""
    return _answer(subject, worlds.duplicates(_catalog(subject), 1))


def large_catalogue(subject: Subject) -> str:
    """4,000 items get codes; time and memory are reported, not judged."""
    seen = _catalog(subject, items=worlds.LARGE)
    started, before = time.perf_counter(), _peak_memory()
    refused = _answer(subject, seen, collapse_allowed=False)
    seconds, grown = time.perf_counter() - started, _peak_memory() - before
    return refused or f"{worlds.LARGE} items: {seconds:.1f} s, {grown / 2**20:.0f} MiB more memory"


def unseen_items(subject: Subject) -> str:
    """Where `fit` is offered, what it returns codes embeddings it was not fitted on."""
    tokenizer = subject.build()
    if not hasattr(tokenizer, "fit"):
        return "no fit: cannot code new items"
    seen = _catalog(subject)
    part = _catalog(subject, items=worlds.ITEMS * 3 // 4)
    sizes = _codes(subject, part).level_sizes
    fitted = tokenizer.fit(part, seed=0, runtime=subject.runtime)
    codes: NDArray[np.int32] = fitted.encode(seen.embeddings)
    subject.require(
        isinstance(codes, np.ndarray)
        and np.issubdtype(codes.dtype, np.integer)
        and codes.shape == (len(seen), len(sizes)),
        expected=f"integer codes [{len(seen)}, {len(sizes)}] from fit(...).encode(embeddings)",
        found=described(codes),
        remedy="return what tokenize puts into SemanticIds",
    )
    check_ids(SemanticIds(codes, sizes), len(seen), subject.name)
    return f"{len(seen) - len(part)} new items coded"


def save_and_load(subject: Subject) -> None:
    """The codes survive the artifact store and a json code table."""
    ids = _standard(subject)
    catalog = _catalog(subject)
    with TemporaryDirectory() as folder:
        write_arrays(Path(folder), {"codes": ids.codes})
        stored = SemanticIds(read_arrays(Path(folder))["codes"], ids.level_sizes)
        (path,) = write_table(CodeTable(catalog.item_ids, ids), Path(folder) / "ids.json", "json")
        table = read_table(path, level_sizes=ids.level_sizes).ids
    for found in (stored, table):
        subject.require(
            found.digest() == ids.digest(),
            expected="the codes that were saved",
            found=_difference(ids, found),
            remedy="return plain SemanticIds, no subclass with more in it",
        )


def no_held_out_data(subject: Subject) -> str:
    """Codes are the same whatever the held-out interactions are; training rows only on request."""
    other = _catalog(subject, other_held_out=True)
    asks = _uses_interactions(subject)
    assert (other.interactions is not None) == asks, "a run shows interactions on request only"
    subject.require(
        _standard(subject).digest() == _codes(subject, other).digest(),
        expected="codes that do not depend on held-out interactions",
        found="other codes when only held-out interactions differ",
        remedy="use nothing but the catalogue that tokenize is given",
    )
    return "reads training interactions" if asks else "reads no interactions"


def _uses_interactions(subject: Subject) -> bool:
    return bool(subject.cls.uses_interactions)  # type: ignore[attr-defined]


def _catalog(
    subject: Subject, *, items: int = worlds.ITEMS, other_held_out: bool = False
) -> Catalog:
    seen = _uses_interactions(subject)
    return worlds.catalog(interactions=seen, items=items, other_held_out=other_held_out)


def _codes(subject: Subject, catalog: Catalog, seed: int = 0) -> SemanticIds:
    return stages.tokenize(catalog, subject.build(), seed, subject.runtime)


def _standard(subject: Subject) -> SemanticIds:
    return subject.once("standard", lambda: _codes(subject, _catalog(subject)))


def _answer(subject: Subject, catalog: Catalog, *, collapse_allowed: bool = True) -> str:
    """Codes, or a refusal in words; which of the two is the remark."""
    try:
        _codes(subject, catalog)
    except CollapseError as error:
        if not collapse_allowed:
            raise
        return f"refused: {error}"
    except ConfigError as error:
        subject.require(
            len(str(error).split()) >= SAYS_SOMETHING,
            expected="a ConfigError that says what to change",
            found=f"{str(error)!r}",
            remedy="name the option, the value it has and the values that would do",
        )
        return f"refused: {error}"
    return ""


def _difference(one: SemanticIds, two: SemanticIds) -> str:
    if one.codes.shape != two.codes.shape or one.level_sizes != two.level_sizes:
        return f"codes {list(two.codes.shape)} of sizes {list(two.level_sizes)}"
    return (
        f"different codes for {int((one.codes != two.codes).any(axis=1).sum())} of {len(one)} items"
    )


@contextmanager
def _constructions(given: list[object]) -> Iterator[None]:
    """Collects the codes as they are handed to SemanticIds, which casts them to int32."""
    finish = SemanticIds.__post_init__

    def watch(ids: SemanticIds) -> None:
        given.append(ids.codes)
        finish(ids)

    with patch.object(SemanticIds, "__post_init__", watch):
        yield


def _peak_memory() -> int:
    """Bytes this process has held at most; 0 where the platform does not tell."""
    try:
        import resource
    except ImportError:  # Windows
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
