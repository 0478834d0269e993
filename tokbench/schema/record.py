"""One record file per run: what was run, what came out, and enough per-user data to recompute it.

Everything under `spec` and `outcome` is determined by the inputs (on one machine, bit for bit);
`provenance` (seconds, memory, hardware, versions, command) is not, and stands apart.
Arrays are packed as base64 of zlib of little-endian int32: compact, lossless, no pickle.
"""

from __future__ import annotations

import base64
import binascii
import gc
import json
import math
import os
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tokbench.api import Score
from tokbench.errors import RecordError
from tokbench.schema.notebook import html_table
from tokbench.schema.regular_files import read_regular
from tokbench.schema.run_spec import RunSpec, canonical_digest
from tokbench.types import Placement, SemanticIds

RECORD_SCHEMA = 1
LONGEST = 1 << 28  # bytes of a record's file
LARGEST = 1 << 27  # numbers in a packed array
ABANDONED = 3600.0  # seconds after which a partial file has no writer any more
CHANGED = "it was changed after it was written: its digest is not that of its content"
SHOWN = ("recall@10", "ndcg@10")  # figures that a record shows of itself

# What is kept of each test query: see scoring/query_facts.py and scoring/decoding.py.
QUERY_FACTS = ("target_frequency", "history_length", "same_day", "shared_prefix")
# `tokens_per_item` M after the policy; `training_sequences` rows that the generator learns from;
# `generator_parameters` numbers in the trained generator's state, `tokenizer_parameters` likewise.
SIZES = ("tokens_per_item", "training_sequences", "generator_parameters", "tokenizer_parameters")


class _Closed(BaseModel):
    # NaN and infinity, which json does not have, are written as words.
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")


class Packed(_Closed):
    """An integer array in a json file, of up to LARGEST numbers."""

    shape: tuple[Annotated[int, Field(ge=0, le=2**31)], ...] = Field(max_length=3)
    data: str

    @classmethod
    def of(cls, array: NDArray[Any]) -> Packed:
        """Pack; raises OverflowError when a value does not fit 32 bits."""
        small = array.astype("<i4")
        if not np.array_equal(small, array):
            raise OverflowError("values beyond 32 bits cannot be packed")
        packed = base64.b64encode(zlib.compress(small.tobytes(), 9)).decode("ascii")
        return cls(shape=array.shape, data=packed)

    def array(self) -> NDArray[np.int64]:
        """Unpack. Raises RecordError when the data are damaged, or more than the shape says."""
        size = math.prod(self.shape)
        if size > LARGEST:
            raise RecordError(f"a packed array of {size} numbers, the limit is {LARGEST}")
        try:
            unpacking = zlib.decompressobj()
            packed = binascii.a2b_base64(self.data, strict_mode=True)
            data = unpacking.decompress(packed, 4 * size + 1)
            if not unpacking.eof or unpacking.unused_data:
                raise ValueError(f"it is cut short, or has more than {size} numbers")
            return np.frombuffer(data, "<i4").reshape(self.shape).astype(np.int64)
        except (zlib.error, binascii.Error, ValueError) as error:
            raise RecordError(f"a packed array cannot be read: {error}") from error


class Figure(_Closed):
    """A metric's value; `low` and `high` bound its 95 % bootstrap interval over users."""

    value: float
    low: float | None = None
    high: float | None = None

    def __str__(self) -> str:
        """`0.0741 [0.0674, 0.0815]`."""
        interval = "" if self.low is None else f" [{self.low:.4f}, {self.high:.4f}]"
        return f"{self.value:.4f}{interval}"


class Outcome(_Closed):
    """What came out of a completed run."""

    users: int = Field(ge=1, le=2**31)
    items: int = Field(ge=1, le=2**31)
    interactions: int = Field(ge=0, le=2**53)
    digests: dict[str, str]  # stage -> content digest of what it produced
    figures: dict[str, Figure]
    placement: dict[str, Packed]  # position, ahead, group: [Q] each
    codes: Packed  # [N, M] as generated, after the collision policy
    level_sizes: tuple[Annotated[int, Field(ge=1, le=2**31)], ...] = Field(
        min_length=1, max_length=100
    )
    curves: dict[str, list[dict[str, float]]]  # stage -> rows of its training log
    # Absent (None) in records of earlier versions:
    raw_codes: Packed | None = None  # [N, M] before the collision policy, where it changed them
    queries: dict[str, Packed] | None = None  # QUERY_FACTS, [Q] each
    item_frequency: Packed | None = None  # [N] training interactions of the items, falling
    sizes: dict[str, int] | None = None  # SIZES, those that are known
    # [Q] the user of each query, numbered from 0; None where every user has one query. Figures are
    # means over users, and a user's value is the mean over the queries.
    owners: Packed | None = None
    # [Q] -log2 p(target item | history) in thousandths of a bit; None too where the generator is no
    # distribution. Integers take half the room of floats here, and are as exact as anybody needs.
    millibits: Packed | None = None

    def __repr__(self) -> str:
        shown = "".join(f", {name} {figure}" for name, figure in self.shown().items())
        more = len(self.figures) - len(self.shown())
        return f"Outcome({self.users} users, {self.items} items{shown}, {more} more figures)"

    __str__ = __repr__

    def shown(self) -> dict[str, Figure]:
        """The figures of SHOWN."""
        return {name: self.figures[name] for name in SHOWN if name in self.figures}

    def read_placement(self) -> Placement:
        """The per-user integers from which every leave-one-out metric follows."""
        return Placement(**{name: packed.array() for name, packed in self.placement.items()})

    def read_ids(self) -> SemanticIds:
        """The code table."""
        return SemanticIds(self.codes.array().astype(np.int32), self.level_sizes)

    def read_raw_ids(self) -> SemanticIds | None:
        """The tokenizer's own codes, before the collision policy; None where an earlier version
        did not keep them. A policy may add levels behind the tokenizer's, never before."""
        if self.raw_codes is not None:
            codes = self.raw_codes.array().astype(np.int32)
            return SemanticIds(codes, self.level_sizes[: codes.shape[1]])
        unchanged = self.digests.get("tokenize") == self.digests.get("address")
        return self.read_ids() if unchanged else None

    def read_queries(self) -> dict[str, NDArray[np.int64]] | None:
        """QUERY_FACTS of every test query, [Q] each; None in records of earlier versions."""
        if self.queries is None:
            return None
        return {name: packed.array() for name, packed in self.queries.items()}

    def read_owners(self) -> NDArray[np.int64] | None:
        """The user of each query, [Q]; None where every user has one."""
        return None if self.owners is None else self.owners.array()

    def read_bits(self) -> NDArray[np.float64] | None:
        """-log2 of the probability of every target item, [Q]; None without a distribution."""
        return None if self.millibits is None else self.millibits.array() / 1000


class Cost(_Closed):
    """What one stage took when it was built; `reused` if this run found it ready."""

    seconds: float
    peak_memory_mb: float  # of the process so far, on the host
    reused: bool
    device_memory_mb: float | None = None  # highest during this stage; None without such a device


class Budget(_Closed):
    """What it took to choose the options of a component (`tokbench tune`)."""

    component: str
    dataset: str
    trials: int
    core_seconds: float
    file: str  # sha256


class Provenance(_Closed):
    """When, where and how: never part of a result's identity."""

    created: str
    command: str
    costs: dict[str, Cost]
    environment: dict[str, str]
    public: bool  # False: a single plugin file took part; the public board leaves such rows out
    tuned: tuple[Budget, ...] | None = None  # of the components whose options `--tuned` gave


class Record(_Closed):
    """A run, done or failed."""

    record_schema: int = RECORD_SCHEMA
    run_id: str
    status: Literal["done", "failed"]
    spec: RunSpec
    outcome: Outcome | None = None
    error: str | None = Field(None, max_length=10_000)
    provenance: Provenance
    digest: str | None = None  # of all of the above; None in records of earlier versions

    def own_digest(self) -> str:
        """sha256 of everything in it but `digest`."""
        return canonical_digest(self.model_dump(mode="json", exclude={"digest"}))

    def sealed(self) -> Record:
        """The record with its digest."""
        return self.model_copy(update={"digest": self.own_digest()})

    def outcome_digest(self) -> str:
        """Equal for two runs that came out the same."""
        outcome = None if self.outcome is None else _without_times(self.outcome)
        return canonical_digest([self.spec.model_dump(mode="json"), outcome, self.error])

    def __repr__(self) -> str:
        figures = ", ".join(f"{name} {said}" for name, said in self._came_out().items())
        return f"Record({', '.join(self._ran().values())}: {figures})"

    __str__ = __repr__

    def _repr_html_(self) -> str:
        return html_table(f"run {self.run_id}", {**self._ran(), **self._came_out()})

    def _ran(self) -> dict[str, str]:
        """What was run, in a few words."""
        spec = self.spec
        method = f"{spec.tokenizer.label}/{spec.collision_policy}/{spec.generator.label}"
        return {
            "method": method,
            "dataset": spec.dataset.label,
            "profile": f"profile {spec.profile}",
            "seed": f"seed {spec.seeds}",
        }

    def _came_out(self) -> dict[str, str]:
        """Its main figures, or why there are none."""
        if self.outcome is None:
            return {"failed": str(self.error)}
        return {name: str(figure) for name, figure in self.outcome.shown().items()}

    @property
    def file_name(self) -> str:
        """Where the record lives under results/: readable, unique by run id."""
        spec = self.spec
        parts = (spec.tokenizer.label, spec.collision_policy, spec.generator.label, spec.profile)
        words = "_".join(part.split(" ")[0].replace(":", "+").replace("/", "+") for part in parts)
        seeds = f"s{spec.tokenizer_seed}-{spec.generator_seed}"
        return f"{spec.dataset.name}/{words[:180]}_{seeds}_{self.run_id}.json"


def _without_times(outcome: Outcome) -> dict[str, Any]:
    """The outcome with clock readings taken out of its curves."""
    dump = outcome.model_dump(mode="json")
    for rows in dump["curves"].values():
        for row in rows:
            row.pop("seconds", None)
    return dump


def write_record(record: Record, results: Path) -> Path:
    """Write the record, sealed, atomically under `results` and return its path. Raises RecordError
    where the folder cannot be written."""
    path = results / record.file_name
    try:
        write_text(path, record.sealed().model_dump_json(indent=1) + "\n")
    except OSError as error:
        raise RecordError(
            f"cannot write {path}: {error.strerror or error} (the stages are kept: once mended, "
            "the same command takes no time)"
        ) from error
    return path


def write_text(path: Path, text: str) -> None:
    """Write a file whole or not at all, its folder made where it is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".{os.getpid()}.partial")
    try:
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def check_writable(results: Path) -> None:
    """Raises RecordError where no record can be written under `results`. Sweeps what writers that
    were killed have left there."""
    try:
        results.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=results) as stream:
            stream.write(b"0" * 4096)
        for partial in results.rglob("*.partial"):
            with suppress(FileNotFoundError):  # its writer is at work: it has its name by now
                if time.time() - partial.stat().st_mtime > ABANDONED:
                    partial.unlink(missing_ok=True)
    except OSError as error:
        raise RecordError(
            f"cannot write records under {results}: {error.strerror or error} (choose another "
            "folder with --results)"
        ) from error


def read_record(path: Path) -> Record:
    """The record of a file, if it can be worked with (tokbench/schema/soundness.py). Raises
    RecordError naming the file and what is wrong with it."""
    from tokbench.schema.soundness import check

    record = parse_record(path)
    if record.digest is not None and record.digest != record.own_digest():
        raise RecordError(f"{path}: {CHANGED}")
    try:
        check(record)
    except RecordError as error:
        raise RecordError(f"{path}: {error}") from error
    return record


def parse_record(path: Path) -> Record:
    """The record of a file, its arrays not looked at. Raises RecordError as `read_record` does."""
    try:
        data = json.loads(read_regular(path, LONGEST))
    except (OSError, ValueError, RecursionError) as error:
        raise RecordError(f"{path}: not a readable json file: {error}") from error
    schema = data.get("record_schema") if isinstance(data, Mapping) else None
    if schema != RECORD_SCHEMA:
        raise RecordError(
            f"{path}: record schema {schema!r}, this version reads {RECORD_SCHEMA} "
            "(run the cell again, or use the tokbench version that wrote it)"
        )
    try:
        record = Record.model_validate(data)
        own = record.spec.run_id
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part)[:60] for part in first["loc"])
        raise RecordError(f"{path}: {where}: {first['msg']}") from error
    except (ValueError, RecursionError) as error:  # what no json text holds, nested too deep
        raise RecordError(f"{path}: {error}") from error
    if record.run_id != own:
        raise RecordError(f"{path}: run id {record.run_id} is not the digest of its own spec")
    return record


def no_records(folder: Path, of: str = "") -> RecordError:
    """What every command says of a folder without records, or without those `of` something."""
    return RecordError(
        f"no records under {folder}/{of}; make some with `tokbench run`, or name the folder that "
        "has them"
    )


def read_records(results: Path, skip: Callable[[RecordError], None] | None = None) -> list[Record]:
    """Every record under `results`, in a fixed order. A file that is none is told to `skip` and
    left out; without it the error is raised."""
    records = []
    with uncollected():
        for path in sorted(results.rglob("*.json")):
            try:
                records.append(read_record(path))
            except RecordError as error:
                if skip is None:
                    raise
                skip(error)
    return records


@contextmanager
def uncollected() -> Iterator[None]:
    """No search for garbage inside: records make none, and looking through all of them again and
    again takes four fifths of the time of reading them."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def find_record(results: Path, spec: RunSpec) -> Record | None:
    """The completed record of that spec, if it is there and readable."""
    for path in sorted((results / spec.dataset.name).glob(f"*_{spec.run_id}.json")):
        try:
            record = read_record(path)
        except RecordError:
            continue
        if record.status == "done":
            return record
    return None


def figures_of(
    scored: Mapping[str, Score], intervals: Mapping[str, tuple[float, float]]
) -> dict[str, Figure]:
    """Figures from per-user arrays (their mean, with an interval) and single values."""
    figures: dict[str, Figure] = {}
    for name, value in scored.items():
        low, high = intervals.get(name, (None, None))
        mean = float(np.mean(value)) if isinstance(value, np.ndarray) else float(value)
        figures[name] = Figure(value=mean, low=low, high=high)
    return figures


def pack_placement(placement: Placement) -> dict[str, Packed]:
    """The three integers per user, packed."""
    names: Sequence[str] = ("position", "ahead", "group")
    return {name: Packed.of(getattr(placement, name)) for name in names}
