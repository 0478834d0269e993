"""One run on one page: what was run, what came out, what it cost, and whether it adds up."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tokbench.report.site.curves import Chart, charts
from tokbench.report.site.options import ComponentView, Described, component_view
from tokbench.schema.record import Figure, Outcome, Record
from tokbench.scoring.metrics import CUTOFFS, TIES
from tokbench.types import SemanticIds

KINDS = ("dataset", "encoder", "tokenizer", "generator")
RANKING = re.compile(r"(recall|ndcg)@(\d+)(?:/([a-z-]+))?")
CROWDS, EXAMPLES = 6, 5  # tuples shown, and items of each
METRICS = {"recall": "Recall", "ndcg": "NDCG"}

Known = Mapping[tuple[str, str], Described]  # (kind, name) -> what the registry says


@dataclass(frozen=True)
class Bar:
    """Tuples that as many items share."""

    size: int
    tuples: int
    items: int
    share: float  # of all items


@dataclass(frozen=True)
class Crowd:
    """A tuple that several items share."""

    codes: str
    items: int
    examples: tuple[str, ...]


@dataclass(frozen=True)
class RunView:
    """A record, arranged."""

    record: Record
    components: tuple[ComponentView, ...]
    findings: tuple[str, ...]  # of `tokbench verify`
    ranking: tuple[tuple[str, tuple[Figure | None, ...]], ...]  # figure, then one per tie rule
    groups: tuple[tuple[str, tuple[tuple[str, Figure], ...]], ...]  # the other figures by prefix
    charts: tuple[Chart, ...]
    collisions: tuple[Bar, ...]
    crowds: tuple[Crowd, ...]
    tree: str  # file name of its code tree; empty where there is none

    @property
    def title(self) -> str:
        """Tokenizer, policy and generator in one line."""
        spec = self.record.spec
        return f"{spec.tokenizer.label} · {spec.collision_policy} · {spec.generator.label}"

    @property
    def ties(self) -> tuple[str, ...]:
        """Columns of `ranking`."""
        return TIES


def run_view(
    record: Record,
    *,
    known: Known,
    findings: Sequence[str],
    tree: str,
    titles: Sequence[str] | None = None,
) -> RunView:
    """Everything that a page shows of a run, done or failed."""
    outcome = record.outcome
    return RunView(
        record=record,
        components=tuple(_components(record, known)),
        findings=tuple(findings),
        ranking=tuple(_ranking(outcome)) if outcome else (),
        groups=tuple(_groups(outcome)) if outcome else (),
        charts=tuple(charts(outcome.curves)) if outcome else (),
        collisions=tuple(collision_bars(outcome.read_ids())) if outcome else (),
        crowds=tuple(most_crowded(outcome.read_ids(), titles)) if outcome else (),
        tree=tree,
    )


def _components(record: Record, known: Known) -> list[ComponentView]:
    views = []
    for kind in KINDS:
        spec = getattr(record.spec, kind)
        name = re.split("[@#]", spec.fingerprint)[0]  # a dataset's own name is its folder's
        views.append(component_view(kind, spec, record.spec.profile, known.get((kind, name))))
    return views


def _ranking(outcome: Outcome) -> list[tuple[str, tuple[Figure | None, ...]]]:
    """Recall and NDCG at every cutoff the record has, one figure per tie rule."""
    found = {name: match for name in outcome.figures if (match := _ranked(name))}
    cutoffs = sorted({*CUTOFFS, *(int(match[2]) for match in found.values())})
    rows = []
    for metric, word in METRICS.items():
        for k in cutoffs:
            names = [f"{metric}@{k}" if t == "expected" else f"{metric}@{k}/{t}" for t in TIES]
            cells = tuple(outcome.figures.get(name) for name in names)
            if any(cells):
                rows.append((f"{word}@{k}", cells))
    return rows


def _ranked(name: str) -> re.Match[str] | None:
    match = RANKING.fullmatch(name)
    return match if match and match[3] in (None, *TIES) else None


def _groups(outcome: Outcome) -> list[tuple[str, tuple[tuple[str, Figure], ...]]]:
    """The figures outside the ranking table by what stands before the first slash."""
    groups: dict[str, list[tuple[str, Figure]]] = {}
    for name, figure in outcome.figures.items():
        if not _ranked(name):
            prefix, slash, rest = name.partition("/")
            groups.setdefault(prefix if slash else "", []).append((rest or name, figure))
    return [(prefix, tuple(groups[prefix])) for prefix in sorted(groups)]


def collision_bars(ids: SemanticIds) -> list[Bar]:
    """How many tuples one item has, two items share, and so on."""
    sizes = Counter(ids.groups()[2].tolist())
    return [
        Bar(size, tuples, size * tuples, size * tuples / len(ids))
        for size, tuples in sorted(sizes.items())
    ]


def most_crowded(ids: SemanticIds, titles: Sequence[str] | None) -> list[Crowd]:
    """The tuples that most items share, with the first of them; none where each has its own."""
    tuples, member, sizes = ids.groups()
    crowds = []
    for group in np.argsort(-sizes, kind="stable")[:CROWDS]:
        if sizes[group] > 1:
            items = np.flatnonzero(member == group)[:EXAMPLES]
            names = [f"item {n}" if titles is None else titles[n] for n in items.tolist()]
            codes = " · ".join(map(str, tuples[group].tolist()))
            crowds.append(Crowd(codes, int(sizes[group]), tuple(names)))
    return crowds
