"""Does every record follow from its own data, and the board from the records?

`verify` trusts nothing it can count: the figures are made again from the placement and the code
table by tokbench/verify/recount.py, which shares no code with what made them. Records are then
compared with each other (cross.py), and on request computed again (rerun.py). docs/trust.md says
what each of these can prove.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tokbench.api import Progress, Quiet
from tokbench.errors import RecordError, listed, one_line
from tokbench.pipeline.stages import CHAIN
from tokbench.report.board import page
from tokbench.report.result_set import ResultSet
from tokbench.schema.record import CHANGED, LONGEST, Outcome, Record, parse_record
from tokbench.schema.regular_files import read_regular
from tokbench.schema.soundness import ARRAYS, faults
from tokbench.types import Placement, SemanticIds
from tokbench.verify import recount
from tokbench.verify.cross import disagreements
from tokbench.verify.facts import fact_reasons, owners_of
from tokbench.verify.remembered import Remembered, key_of

DIGESTS = {"dataset", "split", *CHAIN}
EXACT = 1e-12  # two ways to add the same numbers differ by less


@dataclass(frozen=True)
class Discrepancy:
    """Something that does not follow: in which file, and why."""

    file: Path
    reason: str

    def __str__(self) -> str:
        return f"{self.file}: {self.reason}"


def verify(
    results: Path, *, progress: Progress | None = None, remembered: Remembered | None = None
) -> list[Discrepancy]:
    """Everything wrong under `results`, in a fixed order; empty where all is in order.

    What `remembered` knows of a file is not counted again.
    """
    discrepancies: list[Discrepancy] = []
    records: dict[Path, Record] = {}
    paths = sorted(results.rglob("*.json"))
    with (progress or Quiet()).track("verify", total=len(paths)) as advance:
        for path in paths:
            record, reasons = _looked_up(path, results, remembered)
            discrepancies += [Discrepancy(path, reason) for reason in reasons]
            if record is not None:
                records[path] = record
            advance()
    discrepancies += [Discrepancy(path, reason) for path, reason in disagreements(records)]
    discrepancies += _board_discrepancies(results / "BOARD.md", list(records.values()))
    return discrepancies


def _looked_up(
    path: Path, results: Path, remembered: Remembered | None
) -> tuple[Record | None, list[str]]:
    """As `verify_file`, and what it finds of a readable record is remembered."""
    if remembered is None:
        return verify_file(path, results)
    key = key_of(path, results)
    known = remembered.get(key)
    if known is not None:
        return parse_record(path), known
    record, reasons = verify_file(path, results)
    if record is not None:
        remembered.put(key, reasons)
    return record, reasons


def verify_file(path: Path, results: Path) -> tuple[Record | None, list[str]]:
    """The record of a file, if it can be worked with, and what is wrong with it."""
    try:
        record = parse_record(path)
        spec = json.loads(read_regular(path, LONGEST))["spec"]
    except (RecordError, OSError, ValueError) as error:
        return None, [str(error).removeprefix(f"{path}: ")]
    reasons = []
    if record.digest is not None and record.digest != record.own_digest():
        reasons.append(CHANGED)
    text = json.dumps(spec, sort_keys=True, separators=(",", ":"))
    if hashlib.sha256(text.encode()).hexdigest()[:12] != record.run_id:
        reasons.append(f"run id {record.run_id} is not the digest of the spec as written")
    if path != results / record.file_name:
        reasons.append(f"belongs at {record.file_name}")
    try:
        reasons += _record_reasons(record)
    except Exception as error:  # whatever a forger thought of: one file must not end the rest
        reasons.append(f"its arrays cannot be read: {one_line(str(error)) or 'shapes disagree'}")
    unsound = _unsound(record)
    return (None if unsound else record), reasons or ([unsound] if unsound else [])


def _unsound(record: Record) -> str:
    """Why comparisons and boards cannot rely on it; empty when they can."""
    try:
        return next(faults(record), "")
    except RecordError as error:
        return str(error)


def _record_reasons(record: Record) -> Iterator[str]:
    outcome = record.outcome
    if (record.status == "done") != (outcome is not None):
        yield f"status is {record.status}, and an outcome is {'there' if outcome else 'absent'}"
    if record.status == "failed" and not record.error:
        yield "failed without an error"
    if outcome is None:
        return
    if record.error:
        yield f"done, yet with an error: {record.error}"
    absent = [stage for stage in CHAIN if stage not in record.provenance.costs]
    if absent:
        yield f"no cost of {listed(absent)}"
    damaged = sorted(
        stage
        for stage in DIGESTS | set(outcome.digests)
        if stage not in DIGESTS or not re.fullmatch("[0-9a-f]{64}", outcome.digests.get(stage, ""))
    )
    if damaged:
        yield f"digests missing, unknown or malformed: {listed(damaged)}"
    if set(outcome.placement) != ARRAYS:
        yield f"placement holds {listed(sorted(outcome.placement))}, not {listed(sorted(ARRAYS))}"
        return
    ids, placement = outcome.read_ids(), outcome.read_placement()
    yield from _ids_reasons(record, outcome, ids)
    owners = outcome.read_owners()
    users = len(placement) if owners is None else len(set(owners.tolist()))
    if users != outcome.users or users < 1:
        yield f"{outcome.users} users, and the placement has {users}"
        return
    if owners is not None and (
        owners.shape != (len(placement),) or set(owners.tolist()) != set(range(users))
        or record.spec.protocol not in ("temporal-all", "temporal-all-warm")
    ):  # fmt: skip
        yield f"owners of queries are not the {users} users of protocol {record.spec.protocol}"
        return
    yield from _placement_reasons(placement, recount.group_sizes(ids), record.spec.beam_width)
    yield from _figure_reasons(outcome, ids, placement)
    yield from fact_reasons(record, outcome, placement)


def _ids_reasons(record: Record, outcome: Outcome, ids: SemanticIds) -> Iterator[str]:
    if len(ids) != outcome.items:
        yield f"{outcome.items} items, and the code table has {len(ids)}"
    if ((ids.codes < 0) | (ids.codes >= np.asarray(ids.level_sizes))).any():
        yield "codes lie outside their level sizes"
    if ids.digest() != outcome.digests.get("address"):
        yield "the digest of the code table is not that of the address stage"
    same = outcome.digests.get("tokenize") == outcome.digests.get("address")
    if record.spec.collision_policy == "none" and not same:
        yield "policy none, and the address stage changed the codes"


def _placement_reasons(placement: Placement, sizes: list[int], width: int) -> Iterator[str]:
    """`sizes` are those of the groups, largest first: `position` beams hold at most so many."""
    position, ahead, group = placement.position, placement.ahead, placement.group
    strange = sorted(set(group.tolist()) - set(sizes))
    if strange:
        yield f"group sizes that no tuple of the code table has: {strange[:5]}"
    if ((position < -1) | (position >= width)).any():
        yield f"positions outside the beam of {width}"
        return
    most = np.concatenate([[0], np.cumsum((sizes + [1] * width)[:width])])
    hit = position >= 0
    if (ahead[~hit] != -1).any():
        yield "items ahead of a target that no beam names"
    if ((ahead < position) | (ahead > most[position]))[hit].any():
        yield "items ahead of a target that its beams cannot hold"


def _figure_reasons(outcome: Outcome, ids: SemanticIds, placement: Placement) -> Iterator[str]:
    known = set()
    owners = owners_of(outcome)
    for name, mean, error in recount.recalls(placement, owners):
        known.add(name)
        figure = outcome.figures.get(name)
        if figure is None:
            yield f"{name} is missing"
            continue
        if not abs(figure.value - mean) <= EXACT:
            yield f"{name} is {figure.value!r}, its users say {mean!r}"
        yield from _interval_reasons(name, (figure.low, figure.high), mean, error, outcome.users)
    yield from _bits_reasons(outcome)
    counted = recount.collisions(ids)
    if outcome.digests.get("tokenize") == outcome.digests.get("address"):
        counted |= {f"raw/{n}": counted[n] for n in ("duplicate_rate", "items_in_collision")}
    for name, value in counted.items():
        figure = outcome.figures.get(name)
        if figure is None or not abs(figure.value - value) <= EXACT:
            found = None if figure is None else figure.value
            yield f"{name} is {found!r}, the code table says {value!r}"
    for name in ("raw/duplicate_rate", "raw/items_in_collision"):
        if name not in outcome.figures or not 0 <= outcome.figures[name].value <= 1:
            yield f"{name} is missing or not a share"
    for name in sorted(set(outcome.figures) - known):
        if name.startswith(("recall@", "ndcg@")):
            yield f"{name} cannot be checked: no such cutoff or tie rule"


def _bits_reasons(outcome: Outcome) -> Iterator[str]:
    figure = outcome.figures.get("bits")
    if figure is None or outcome.millibits is None:
        if figure is not None or outcome.millibits is not None:
            yield "bits per item without the bits of each user, or the other way round"
        return
    found, owners = outcome.millibits.array().tolist(), owners_of(outcome)
    queries = outcome.users if owners is None else len(owners)
    if len(found) != queries or min(found) < 0:
        yield f"{len(found)} values of bits for {queries} queries, from {min(found)}"
        return
    mean, error = recount.bits(found, owners)
    if not abs(figure.value - mean) <= EXACT * max(1.0, mean):
        yield f"bits is {figure.value!r}, its users say {mean!r}"
    yield from _interval_reasons("bits", (figure.low, figure.high), mean, error, outcome.users)


def _interval_reasons(
    name: str, bounds: tuple[float | None, float | None], mean: float, error: float, users: int
) -> Iterator[str]:
    """A percentile bootstrap lies near mean +- 1.96 standard errors: half an error for skewness
    and for the resampling, one user and a half for the steps in which a mean moves."""
    low, high = bounds
    if low is None or high is None:
        yield f"{name} has no interval"
        return
    room = 0.5 * error + 1.5 / users
    expected = (mean - 1.96 * error, mean + 1.96 * error)
    if not (abs(low - expected[0]) <= room and abs(high - expected[1]) <= room):
        yield (
            f"{name}: the interval [{low:.4f}, {high:.4f}] is not one of these users, "
            f"about [{expected[0]:.4f}, {expected[1]:.4f}]"
        )


def _board_discrepancies(board: Path, records: list[Record]) -> Iterator[Discrepancy]:
    if not board.is_file():
        return
    try:
        expected = page(ResultSet(records))
    except Exception as error:  # a record with discrepancies of its own may not make a board at all
        yield Discrepancy(board, f"cannot be made from these records: {error!r}")
        return
    if board.read_text(encoding="utf-8") != expected:
        yield Discrepancy(board, "is not the board of these records; `make board` rewrites it")
