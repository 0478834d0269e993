"""Checks on what components return: a ContractError names component, expectation and finding."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tokbench.api import GeneratorModel, Likelihood
from tokbench.errors import ContractError
from tokbench.scoring.placement import name_groups, repeated
from tokbench.types import Beams, Floats, SemanticIds

LEVELS, CODES = 64, 1 << 16  # of a code table, and codes of a level (or as many as items)
ROUNDING = 1e-4  # of float32 sums: so far above 0 a log-probability may lie


def check_embeddings(found: object, texts: tuple[str, ...], name: str) -> Floats:
    """The embeddings as float32 [N, D]: one finite row per text."""
    n = len(texts)
    if not (isinstance(found, np.ndarray) and found.ndim == 2 and len(found) == n):
        raise ContractError(name, expected=f"an array [{n}, D]", found=described(found))
    broken = np.flatnonzero(~np.isfinite(found).all(axis=1))
    if len(broken):
        raise ContractError(
            name,
            expected="finite embeddings",
            found=f"NaN or infinity for {len(broken)} of {n} texts, the first is row {broken[0]} "
            f"(text {texts[broken[0]][:60]!r})",
            remedy="mend that text, or use another encoder",
        )
    return np.ascontiguousarray(found, dtype=np.float32)


def check_ids(ids: object, items: int, name: str) -> SemanticIds:
    """The ids, if they are a SemanticIds of `items` rows with codes in range."""
    if not isinstance(ids, SemanticIds):
        raise ContractError(name, expected="SemanticIds", found=described(ids))
    if len(ids) != items:
        raise ContractError(name, expected=f"{items} rows of codes", found=f"{len(ids)}")
    most = max(CODES, items)
    if not 1 <= ids.levels <= LEVELS or not all(1 <= size <= most for size in ids.level_sizes):
        raise ContractError(
            name,
            expected=f"1 to {LEVELS} levels of 1 to {most} codes (a generator keeps a row of "
            "weights for each)",
            found=f"{ids.levels} levels of up to {max(ids.level_sizes, default=0)}",
            remedy="number the codes that are used from 0",
        )
    for level, size in enumerate(ids.level_sizes):
        column = ids.codes[:, level]
        if items and not (column.min() >= 0 and column.max() < size):
            raise ContractError(
                name,
                expected=f"codes in [0, {size}) at level {level + 1}",
                found=f"codes from {column.min()} to {column.max()}",
                remedy="level_sizes gives the number of codes of each level",
            )
    return ids


def check_model(model: object, name: str) -> GeneratorModel:
    """The model, if `train` returned one."""
    if not isinstance(model, GeneratorModel):
        raise ContractError(name, expected="a GeneratorModel from train", found=described(model))
    return model


def check_beams(beams: object, queries: int, ids: SemanticIds, width: int, name: str) -> Beams:
    """The beams, if each of `queries` rows has up to `width` distinct tuples, best first."""
    if not isinstance(beams, Beams):
        raise ContractError(name, expected="Beams", found=described(beams))
    shape = (queries, ids.levels)
    if (len(beams), beams.codes.shape[2]) != shape or beams.codes.shape[1] > width:
        raise ContractError(
            name,
            expected=f"codes [{shape[0]}, up to {width}, {shape[1]}]",
            found=f"codes {list(beams.codes.shape)}",
        )
    rising = (beams.scores[:, 1:] > beams.scores[:, :-1]) | np.isnan(beams.scores[:, 1:])
    wrong = rising.any(axis=1) | np.isnan(beams.scores[:, :1]).any(axis=1)
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise ContractError(
            name,
            expected="scores that never rise along a row",
            found=f"in row {row} {beams.scores[row, :5].tolist()}, and so on",
        )
    _, groups = name_groups(ids, beams.codes)
    repeats = repeated(groups) & (beams.codes >= 0).all(axis=2)
    if repeats.any():
        row, place = np.argwhere(repeats)[0]
        raise ContractError(
            name,
            expected="distinct tuples in a row",
            found=f"{beams.codes[row, place].tolist()} again in row {row}",
        )
    return beams


def check_likelihood(model: GeneratorModel, name: str) -> Likelihood:
    """The model, if it has `log_likelihood`."""
    if not isinstance(model, Likelihood):
        raise ContractError(
            name,
            expected="a model with log_likelihood",
            found=described(model),
            remedy="write it, or leave is_distribution False",
        )
    return model


def check_log_likelihood(found: object, queries: int, name: str) -> NDArray[np.float64]:
    """The log-probabilities [Q], at most 0, if every one is finite."""
    if not (isinstance(found, np.ndarray) and found.shape == (queries,)):
        raise ContractError(name, expected=f"an array [{queries}]", found=described(found))
    wrong = np.flatnonzero(~np.isfinite(found) | (found > ROUNDING))
    if len(wrong):
        raise ContractError(
            name,
            expected="a positive probability of each target",
            found=f"a log-probability of {found[wrong[0]]} in row {wrong[0]}, and {len(wrong)} "
            f"such of {queries}",
            remedy="smooth the distribution, or leave is_distribution False",
        )
    return np.minimum(found.astype(np.float64), 0.0)


def described(value: object) -> str:
    """A short description of an unexpected value for an error message."""
    if isinstance(value, np.ndarray):
        return f"an array {list(value.shape)} of {value.dtype}"
    return type(value).__name__
