"""Do records agree with each other? What one of them says may be borne out or refuted by another.

Equal inputs give equal outputs: two records that name the same inputs of a stage, and were made by
the same versions on the same kind of machine, have the same digest of what it made. And other
inputs give other outputs: two trainings with other seeds or over other codes do not end with the
same weights. A record that was copied and renamed to look like another seed fails the second rule,
one whose figures or users were edited often the first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from tokbench.schema.record import Outcome, Record
from tokbench.schema.run_spec import ComponentSpec, canonical_digest

MACHINE = ("python", "torch", "numpy", "scikit-learn", "transformers", "system", "device",
           "threads")  # fmt: skip
Claim = tuple[str, object, object]  # what; the inputs; what came of them


def disagreements(records: Mapping[Path, Record]) -> Iterator[tuple[Path, str]]:
    """(file, reason) of every record that contradicts an earlier one."""
    equal: dict[tuple[str, str], tuple[Path, str]] = {}
    other: dict[tuple[str, str], tuple[Path, str]] = {}
    for path, record in records.items():
        if record.outcome is None:
            continue
        for what, inputs, output in same_outputs(record, record.outcome):
            said = canonical_digest(output)
            first, theirs = equal.setdefault((what, canonical_digest(inputs)), (path, said))
            if said != theirs:
                yield path, f"the same inputs as {first.name}, and other {what}"
        for what, inputs, output in other_outputs(record, record.outcome):
            given = canonical_digest(inputs)
            first, theirs = other.setdefault((what, canonical_digest(output)), (path, given))
            if given != theirs:
                yield path, f"other inputs than {first.name}, and the same {what}"


def same_outputs(record: Record, outcome: Outcome) -> Iterator[Claim]:
    """What follows from what, one claim each."""
    spec, digests = record.spec, outcome.digests
    machine = [record.provenance.environment.get(name) for name in MACHINE]
    data = [digests.get("dataset"), digests.get("split"), spec.protocol]
    yield (
        "data or split",
        [spec.dataset.model_dump(mode="json"), spec.protocol],
        [digests.get("dataset"), digests.get("split"), outcome.users, outcome.items,
         outcome.interactions],
    )  # fmt: skip
    if outcome.queries is not None:
        facts = {name: packed.array().tolist() for name, packed in outcome.queries.items()}
        facts.pop("shared_prefix", None)
        yield "facts of the queries", data, facts
    if outcome.item_frequency is not None:
        yield "frequencies of items", data, outcome.item_frequency.array().tolist()
    embedded = [data[0], _code(spec.encoder), machine]
    yield "embeddings", embedded, digests.get("embed")
    yield (
        "codes",
        [embedded, data, _code(spec.tokenizer), spec.tokenizer_seed],
        digests.get("tokenize"),
    )
    addressed = [digests.get("tokenize"), digests.get("embed"), spec.collision_policy, machine]
    yield "codes after the collision policy", addressed, digests.get("address")
    trained = [embedded, data, digests.get("address"), _code(spec.generator), spec.generator_seed]
    yield "weights", trained, digests.get("train")
    generated = [digests.get("train"), digests.get("address"), data, _code(spec.generator),
                 spec.beam_width, machine]  # fmt: skip
    yield "beams", generated, digests.get("generate")
    places = {name: packed.array().tolist() for name, packed in outcome.placement.items()}
    yield "places of the targets", [digests.get("generate"), digests.get("address"), data], places
    if outcome.millibits is not None:
        yield "bits", [*generated[:4], machine], outcome.millibits.array().tolist()
    measured = {
        name: figure.value
        for name, figure in outcome.figures.items()
        if name.startswith("intrinsic/") and not name.startswith("intrinsic/decoder/")
    }
    inputs = [digests.get("tokenize"), digests.get("embed"), data, sorted(measured), machine]
    yield "intrinsic figures", inputs, measured


def other_outputs(record: Record, outcome: Outcome) -> Iterator[Claim]:
    """What cannot be the same twice: of what has a training curve, and so learns by chance."""
    spec, digests = record.spec, outcome.digests
    if outcome.curves.get("tokenize"):
        inputs = [digests.get("embed"), _code(spec.tokenizer), spec.tokenizer_seed]
        yield "codes", inputs, digests.get("tokenize")
    if outcome.curves.get("train"):
        inputs = [digests.get("address"), digests.get("split"), _code(spec.generator),
                  spec.generator_seed]  # fmt: skip
        yield "weights", inputs, digests.get("train")


def _code(component: ComponentSpec) -> list[object]:
    return [component.name, component.config, component.fingerprint, component.inputs]
