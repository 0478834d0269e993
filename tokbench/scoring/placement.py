"""Where each query's target landed in its beams: the expansion from code tuples to items.

Axes: N items, G distinct tuples, Q queries, B beams, M levels.

A beam stands for every item that carries its tuple, so it takes as many slots of the ranking as
its group has items. Two kinds of beam stand for none:

- padding (all codes -1) takes no slot;
- a tuple that no item carries takes one slot and can never be right. Constrained decoding cannot
  produce it; in free decoding dropping it silently would hide the generator's mistake.

A tuple repeated within a row counts where it first appears.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tokbench.types import Beams, Codes, Ints, Placement, SemanticIds


def place(beams: Beams, ids: SemanticIds, targets: ArrayLike) -> Placement:
    """The position, the items ahead and the group size of each query's target item.

    `targets` is [Q], item indices. All work is on whole arrays: no Python per query.
    """
    wanted = np.asarray(targets, dtype=np.int64)
    assert len(wanted) == len(beams), f"{len(wanted)} targets for {len(beams)} rows of beams"
    assert beams.codes.shape[2] == ids.levels, (beams.codes.shape, ids.levels)
    member, named = name_groups(ids, beams.codes)
    sizes = np.bincount(member)
    padding = (beams.codes == -1).all(axis=2)
    fresh = ~padding & ~repeated(named)
    slots = fresh * np.append(sizes, 1)[np.minimum(named, len(sizes))]
    hit = fresh & (named == member[wanted][:, None])  # at most one per row
    found = hit.any(axis=1)
    position = ((np.cumsum(fresh, axis=1) - fresh) * hit).sum(axis=1)
    ahead = ((np.cumsum(slots, axis=1) - slots) * hit).sum(axis=1)
    return Placement(
        position=np.where(found, position, -1),
        ahead=np.where(found, ahead, -1),
        group=sizes[member[wanted]],
    )


def name_groups(ids: SemanticIds, tuples: Codes) -> tuple[Ints, Ints]:
    """A number for every distinct tuple: (of each item [N], of each of `tuples` [...]).

    Tuples that items carry are numbered 0..G-1 in lexicographic order; any other tuple gets a
    number of its own from G on. The tuples are followed down the prefix tree one level at a time,
    which needs no K^M key and so has no limit on M.
    """
    flat = tuples.reshape(-1, ids.levels).astype(np.int64)
    member = np.zeros(len(ids), np.int64)
    named = np.zeros(len(flat), np.int64)
    valid = np.ones(len(flat), dtype=bool)
    for level, size in enumerate(ids.level_sizes):
        prefixes, member = np.unique(
            member * size + ids.codes[:, level].astype(np.int64), return_inverse=True
        )
        code = flat[:, level]
        key = named * size + code
        valid &= (code >= 0) & (code < size)
        named = np.minimum(np.searchsorted(prefixes, key), len(prefixes) - 1)
        valid &= prefixes[named] == key
    named = named.astype(np.int64)
    _, strangers = np.unique(flat[~valid], axis=0, return_inverse=True)
    named[~valid] = member.max(initial=-1) + 1 + strangers.reshape(-1)
    return member.reshape(-1).astype(np.int64), named.reshape(tuples.shape[:-1])


def repeated(rows: Ints) -> NDArray[np.bool_]:
    """True where a value already stands further left in its row. [Q, B] -> [Q, B]."""
    order = np.argsort(rows, axis=1, kind="stable")
    ranked = np.take_along_axis(rows, order, axis=1)
    again = np.zeros(rows.shape, dtype=bool)
    again[:, 1:] = ranked[:, 1:] == ranked[:, :-1]
    out = np.empty_like(again)
    np.put_along_axis(out, order, again, axis=1)
    return out
