"""The complete, frozen description of one cell.

A RunSpec holds only what changes the numbers. Its canonical json is hashed: that is the run id.
Device, threads, folders and progress are run-time arguments and stay out.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
)

from tokbench.api import Precision

# Generators that stand on every board, over item ids.
BASELINE_TOKENIZER = "item-id"
BASELINES = (
    "popularity", "recent-popularity", "query-time-popularity", "bigram", "item-item",
    "content-neighbours", "sasrec",
)  # fmt: skip
DIAGNOSTICS = ("query-time-popularity",)  # told what no method is told: never the best baseline
TRAINED_BASELINES = ("sasrec",)  # of these, what training by chance makes vary: run at every seed
# How test items are held out, in the order in which boards stand: those without a leak first.
TEMPORAL = ("temporal-all", "temporal-all-warm", "temporal", "temporal-warm")
PROTOCOLS = (*TEMPORAL, "leave-one-out")
SPEC_SCHEMA = 1  # raise when the core's own stages change the numbers


def is_baseline(tokenizer: str, generator: str) -> bool:
    """Is this what every grid runs beside its tokenizers? Over other codes it is a method."""
    return tokenizer == BASELINE_TOKENIZER and generator in BASELINES


def trained(tokenizer: str, generator: str) -> bool:
    """Could another seed give another figure? A baseline that only counts has no chance in it."""
    return generator in TRAINED_BASELINES or not is_baseline(tokenizer, generator)


class Frozen(BaseModel):
    """A closed, immutable value."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ComponentSpec(Frozen):
    """A component with all of its options, as it enters a run's identity."""

    name: str = Field(pattern=r"^[^/\\\x00-\x1f\x7f]{1,200}$")  # of a dataset: its folder's
    label: str  # name, preset and changed options, as the board prints them
    config: dict[str, Any]  # every option but locations
    fingerprint: str
    inputs: dict[str, str] = {}  # file name -> sha256 of what the component reads

    @field_validator("name")
    @classmethod
    def leads_nowhere_else(cls, name: str) -> str:
        """Names become folders of records and pages."""
        if name in (".", ".."):
            raise ValueError(f"{name!r} is no name")
        return name


class RunSpec(Frozen):
    """One cell: dataset x encoder x tokenizer x policy x generator x seeds, under a profile."""

    spec_schema: int = SPEC_SCHEMA
    profile: str
    protocol: str
    dataset: ComponentSpec
    encoder: ComponentSpec
    tokenizer: ComponentSpec
    collision_policy: str
    generator: ComponentSpec
    beam_width: int = Field(ge=1, le=100_000)
    tokenizer_seed: int
    generator_seed: int
    precision: Precision = "float32"  # of the generator's products on a GPU

    @model_serializer(mode="wrap")
    def without_the_common_precision(
        self, handler: SerializerFunctionWrapHandler
    ) -> dict[str, Any]:
        """float32 is not written: identities are older than the choice."""
        found: dict[str, Any] = handler(self)
        if self.precision == "float32":
            del found["precision"]
        return found

    @property
    def run_id(self) -> str:
        """First 12 hex digits of the sha256 of the canonical json."""
        return canonical_digest(self.model_dump(mode="json"))[:12]

    @property
    def seed_pair(self) -> tuple[int, int]:
        """Of the tokenizer and of the generator."""
        return self.tokenizer_seed, self.generator_seed

    @property
    def seeds(self) -> str:
        """`0`, or `0-1` where tokenizer and generator have seeds of their own."""
        pair = self.seed_pair
        return str(pair[0]) if pair[0] == pair[1] else f"{pair[0]}-{pair[1]}"


def canonical_digest(value: object) -> str:
    """sha256 of json with sorted keys and no spaces."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()
