"""`verify`: silent on honest records, and every kind of tampering is found and named."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

from tests.components import registry_of
from tests.pipeline.test_grid import run_tiny
from tokbench.cli import main
from tokbench.pipeline.context import RunContext
from tokbench.pipeline.stages import CHAIN
from tokbench.report.board import page
from tokbench.report.result_set import ResultSet
from tokbench.schema.record import CHANGED, Figure, Packed, Record
from tokbench.schema.run_spec import RunSpec
from tokbench.scoring.metrics import CUTOFFS, Ties
from tokbench.types import Placement
from tokbench.verify import recount, rerun, verify

Json = dict[str, Any]


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cell under two policies, the baselines, and their board, made once."""
    folder = tmp_path_factory.mktemp("honest")
    run_tiny(folder, collision_policies=("none", "extra-token"))
    board = page(ResultSet.read(folder / "results"))
    (folder / "results" / "BOARD.md").write_text(board, encoding="utf-8")
    return folder / "results"


@pytest.fixture
def results(honest: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(honest, tmp_path / "results"))


def one(results: Path) -> Path:
    """A record with collisions."""
    return next(results.rglob("hashed_none*.json"))


def edit(results: Path, change: Callable[[Json], None], path: Path | None = None) -> list[str]:
    """What verify says of a record after `change`, the board left aside."""
    path = path or one(results)
    data = json.loads(path.read_text())
    change(data)
    data.pop("digest")  # a forger makes it again
    path.write_text(json.dumps(data))
    return [f.reason for f in verify.verify(results) if f.file == path]


def repack(data: Json, name: str, change: Callable[[Any], None]) -> None:
    """Change one packed array of a record."""
    outcome = data["outcome"]
    places = (outcome, outcome["placement"], outcome["queries"])
    place = next(place for place in places if name in place)
    array = Packed(**place[name]).array().copy()
    change(array)
    place[name] = Packed.of(array).model_dump()


def test_honest_records_have_no_findings(results: Path) -> None:
    assert verify.verify(results) == []


def test_what_verify_expects_is_what_the_pipeline_writes() -> None:
    assert CHAIN == ("embed", "tokenize", "address", "train", "generate")
    assert recount.CUTOFFS == CUTOFFS
    assert get_args(Ties) == recount.TIES


def nudge(name: str, data: Json) -> None:
    data["outcome"]["figures"][name]["value"] += 1e-6


def put(array: Any, where: Any, value: Any) -> None:
    array[where] = value


TAMPERED: dict[str, tuple[Callable[[Json], None], str]] = {
    **{
        name: (partial(nudge, name), f"{name} is ")
        for name in ("recall@10", "ndcg@40", "recall@5/cce", "ndcg@20/pessimistic", "max_group",
                     "entropy/level2", "raw/duplicate_rate")
    },
    "missing figure": (
        lambda d: d["outcome"]["figures"].pop("ndcg@5/cce"),
        "ndcg@5/cce is missing",
    ),
    "unknown figure": (
        lambda d: d["outcome"]["figures"].update({"recall@7": {"value": 0.5}}),
        "recall@7 cannot be checked",
    ),
    "narrow interval": (
        lambda d: d["outcome"]["figures"]["recall@5"].update(low=0.0, high=0.0),
        "is not one of these users",
    ),
    "user count": (lambda d: d["outcome"].update(users=9), "9 users, and the placement has 8"),
    "item count": (lambda d: d["outcome"].update(items=13), "13 items, and the code table has 12"),
    "code": (
        lambda d: repack(d, "codes", lambda a: put(a, 0, (a[0, 0] + 1) % 4)),
        "digest of the code table",
    ),
    "code beyond its level": (lambda d: repack(d, "codes", lambda a: put(a, 0, 99)), "level sizes"),
    "group size": (lambda d: repack(d, "group", lambda a: put(a, 0, 11)), "no tuple of the code"),
    "too many ahead": (
        lambda d: repack(d, "ahead", lambda a: put(a, a >= 0, 12)),
        "its beams cannot hold",
    ),
    "position": (lambda d: repack(d, "position", lambda a: put(a, 0, 100)), "beam of 100"),
    "damaged array": (
        lambda d: d["outcome"]["placement"]["group"].update(data="AAAA"),
        "arrays cannot be read",
    ),
    "array left out": (lambda d: d["outcome"]["placement"].pop("ahead"), "placement holds"),
    "cost left out": (lambda d: d["provenance"]["costs"].pop("train"), "no cost of train"),
    "digest left out": (lambda d: d["outcome"]["digests"].pop("split"), "malformed: split"),
    "other data": (
        lambda d: d["outcome"]["digests"].update(dataset="0" * 64), "and other data or split"),
    "another spec": (lambda d: d["spec"].update(beam_width=60), "not the digest of its own spec"),
    "schema": (lambda d: d.update(record_schema=9), "record schema 9"),
    "no raw codes": (lambda d: d["outcome"]["digests"].update(tokenize="0" * 64), "raw codes are"),
    "a popular target": (
        lambda d: repack(d, "target_frequency", lambda a: put(a, 0, 99)), "that no item has: [99]"),
    "a longer history": (
        lambda d: repack(d, "history_length", lambda a: put(a, 0, 9)), "leave-one-out leaves 32"),
    "another day": (lambda d: repack(d, "same_day", lambda a: put(a, 0, 2)), "neither 1, 0 nor -1"),
    "a lost prefix": (
        lambda d: repack(d, "shared_prefix", lambda a: put(a, slice(None), 0)), "disagree for"),
    "survival": (partial(nudge, "decoding/survival/level1"), "decoding/survival/level1 is"),
    "frequencies": (
        lambda d: repack(d, "item_frequency", lambda a: put(a, 0, a[0] + 1)), "leaves 24"),
    "frequencies in catalogue order": (
        lambda d: repack(d, "item_frequency", lambda a: put(a, slice(None), a[::-1].copy())),
        "do not fall"),
    "a missing fact": (lambda d: d["outcome"]["queries"].pop("same_day"), "facts of queries are"),
    "facts of fewer users": (
        lambda d: d["outcome"]["queries"].update(same_day=d["outcome"]["codes"]), "for 8 queries"),
    "no facts": (lambda d: d["outcome"].update(queries=None), "without the facts"),
    "perplexity": (partial(nudge, "intrinsic/perplexity/level1"), "intrinsic/perplexity/level1 is"),
    "gini": (partial(nudge, "intrinsic/gini/tuples"), "intrinsic/gini/tuples is"),
    "random line": (partial(nudge, "intrinsic/random/duplicate_rate"), "random/duplicate_rate is"),
    "more than all": (
        lambda d: d["outcome"]["figures"]["intrinsic/knn/linear@10"].update(value=1.5),
        "not a share"),
    "tokens": (lambda d: d["outcome"]["sizes"].update(tokens_per_item=5), "tokens_per_item is 5"),
    "an unknown size": (lambda d: d["outcome"]["sizes"].update(weight=1), "sizes are unknown"),
    "an error beside the outcome": (lambda d: d.update(error="boom"), "yet with an error"),
    "failed with an outcome": (lambda d: d.update(status="failed"), "status is failed"),
    "done without an outcome": (lambda d: d.update(outcome=None), "an outcome is absent"),
}  # fmt: skip


@pytest.mark.parametrize("kind", TAMPERED)
def test_tampering_is_found(results: Path, kind: str) -> None:
    change, said = TAMPERED[kind]
    reasons = edit(results, change)
    assert any(said in reason for reason in reasons), reasons


BITS: dict[str, tuple[Callable[[Json], None], str]] = {
    "the figure": (partial(nudge, "bits"), "bits is "),
    "a user": (lambda d: repack(d, "millibits", lambda a: put(a, 0, a[0] + 1)), "bits is "),
    "below 0": (lambda d: repack(d, "millibits", lambda a: put(a, 0, -1)), "8 queries, from -1"),
    "fewer users": (
        lambda d: d["outcome"].update(millibits=Packed.of(np.ones(7)).model_dump()), "7 values of"),
    "its interval": (lambda d: d["outcome"]["figures"]["bits"].update(low=9.0), "not one of these"),
    "the users alone": (lambda d: d["outcome"]["figures"].pop("bits"), "or the other way round"),
    "the figure alone": (lambda d: d["outcome"].pop("millibits"), "or the other way round"),
}  # fmt: skip


@pytest.mark.parametrize("kind", BITS)
def test_tampering_with_bits_is_found(results: Path, kind: str) -> None:
    change, said = BITS[kind]
    reasons = edit(results, change, next(results.rglob("item-id_none_bigram*.json")))
    assert any(said in reason for reason in reasons), reasons


def test_a_user_moved_up_changes_every_figure_it_enters(results: Path) -> None:
    """The placement is what figures are held to: not one of them may be copied."""

    def change(data: Json) -> None:
        for name, value in (("position", 0), ("ahead", 0)):
            repack(data, name, partial(put, where=slice(None), value=value))

    text = "\n".join(edit(results, change))
    assert "recall@5 is" in text or "ndcg@5 is" in text


def test_a_renamed_file_and_an_edited_board_are_found(results: Path) -> None:
    path = one(results)
    (path.parent / "better.json").write_text(path.read_text())
    board = results / "BOARD.md"
    board.write_text(board.read_text().replace("hashed", "ours"))
    said = {f.file.name: f.reason for f in verify.verify(results)}
    assert "belongs at" in said["better.json"]
    assert "make board" in said["BOARD.md"]


def test_a_failed_record_needs_its_error(results: Path) -> None:
    reasons = edit(results, lambda d: d.update(status="failed", outcome=None, error=None))
    assert reasons == ["failed without an error"]


def test_recounting_agrees_with_explicit_random_orders() -> None:
    """Expected figures: the target among its group in every place, one list at a time."""
    placement = Placement(np.array([2, -1, 0]), np.array([4, -1, 0]), np.array([3, 2, 1]))
    figures = {name: mean for name, mean, _ in recount.recalls(placement, None)}
    for k in CUTOFFS:
        recall, ndcg = [], []
        for s, g in ((4, 3), (0, 1)):
            orders = list(itertools.permutations(range(g)))  # the target is member 0
            ranks = [s + 1 + order.index(0) for order in orders]
            recall.append(np.mean([rank <= k for rank in ranks]))
            ndcg.append(np.mean([(rank <= k) / np.log2(rank + 1) for rank in ranks]))
        assert figures[f"recall@{k}"] == pytest.approx(sum(recall) / 3)
        assert figures[f"ndcg@{k}"] == pytest.approx(sum(ndcg) / 3)
    assert figures["recall@5/code-level"] == pytest.approx(2 / 3)
    assert figures["recall@5/cce"] == pytest.approx((1 / 3 + 1) / 3)
    assert figures["recall@5/optimistic"] == pytest.approx(2 / 3)
    assert figures["recall@5/pessimistic"] == pytest.approx(1 / 3)


def test_the_command_lists_all_findings(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(results)]) == 0
    files = len(list(results.rglob("*.json")))
    assert f"{files} records and the board follow" in capsys.readouterr().out
    edit(results, TAMPERED["user count"][0])
    assert main(["verify", str(results)]) == 1
    out = capsys.readouterr().out
    assert "9 users" in out
    assert one(results).name in out
    assert main(["verify", str(results / "nothing")]) == 1


@pytest.mark.parametrize(
    "words", [["verify", "{}"], ["compare", "hashed/none/echo", "item-id/none/bigram", "-d", "tiny",
                                 "--results", "{}"], ["report", "{}", "--format", "latex"],
              ["report", "site", "{}", "--out", "{}/../site"]],
    ids=lambda words: words[0] + words[-2],
)  # fmt: skip
def test_reading_records_imports_no_torch(honest: Path, words: list[str]) -> None:
    told = [word.format(honest) for word in words]
    code = (
        f"import sys; from tokbench.cli import main; status = main({told!r}); "
        "sys.exit('torch was imported' if 'torch' in sys.modules else status)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def other_seed(results: Path) -> Path:
    """A record of the same method with another seed, copied from a trained one."""
    source = next(results.rglob("item-id_none_sasrec*.json"))
    data = json.loads(source.read_text())
    data.pop("digest")
    data["spec"]["generator_seed"] = 5
    spec = RunSpec.model_validate(data["spec"])
    data["run_id"] = spec.run_id
    record = Record.model_validate(data)
    path = results / record.file_name
    path.write_text(json.dumps(data))
    return path


def test_a_copy_that_passes_for_another_seed_is_found(results: Path) -> None:
    path = other_seed(results)
    said = [f.reason for f in verify.verify(results) if "sasrec" in f.file.name]
    assert any("other inputs than" in reason and "the same weights" in reason for reason in said)
    assert path.is_file()


CROSSED: dict[str, tuple[Callable[[Json], None], str]] = {
    "embeddings": (lambda d: d["outcome"]["digests"].update(embed="1" * 64), "other embeddings"),
    "codes": (
        lambda d: d["outcome"]["digests"].update(tokenize="1" * 64), "other codes"),
    "a target": (
        lambda d: repack(d, "target_frequency", lambda a: put(a, slice(None), a[::-1].copy())),
        "other facts of the queries"),
    "times": (lambda d: repack(d, "same_day", lambda a: put(a, slice(None), 0)), "other facts"),
    "neighbours": (
        lambda d: d["outcome"]["figures"]["intrinsic/knn/linear@10"].update(value=0.5),
        "other intrinsic figures"),
}  # fmt: skip


@pytest.mark.parametrize("kind", CROSSED)
def test_records_are_held_to_each_other(results: Path, kind: str) -> None:
    """Two policies over one tokenizer: what they share is compared."""
    change, said = CROSSED[kind]
    path = next(results.rglob("hashed_none*.json"))
    data = json.loads(path.read_text())
    change(data)
    data.pop("digest")
    path.write_text(json.dumps(data))
    reasons = [f.reason for f in verify.verify(results)]
    assert any(said in reason for reason in reasons), reasons


def test_a_changed_byte_is_found_by_the_digest(results: Path) -> None:
    path = one(results)
    path.write_text(path.read_text().replace('"seconds": 0.', '"seconds": 1.', 1))
    assert [f.reason for f in verify.verify(results) if f.file == path] == [CHANGED]


def test_one_bad_file_stops_nothing(results: Path) -> None:
    (results / "tiny/z.json").write_text("[" * 10**5)
    os.mkfifo(results / "tiny/y.json")
    (results / "tiny/x.json").symlink_to("/dev/zero")
    edit(results, TAMPERED["user count"][0])
    files = {f.file.name for f in verify.verify(results)}
    assert {"z.json", "y.json", "x.json", one(results).name} <= files


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d["outcome"].update(level_sizes=[2**31, 2**31]),
        lambda d: repack(d, "group", lambda a: put(a, 0, 2**31 - 1)),
        lambda d: repack(d, "ahead", lambda a: put(a, slice(None), -1)),
        lambda d: repack(d, "position", lambda a: put(a, slice(None), -7)),
    ],
    ids=["level sizes", "group", "ahead", "position"],
)
def test_strange_numbers_take_no_longer_and_are_found(
    results: Path, change: Callable[[Json], None]
) -> None:
    started = time.process_time()
    assert edit(results, change)
    assert time.process_time() - started < 20


def test_a_cell_is_computed_again(results: Path, tmp_path: Path) -> None:
    """An honest record comes out the same; one whose every figure was moved together does not."""
    honest = Record.model_validate_json(one(results).read_text())
    records = {one(results): honest}
    context = RunContext(results, tmp_path / "cache")
    (same,) = rerun.rerun(records, 3, 0, registry_of(), context)
    assert same.verdict == "same", same.reason
    assert honest.outcome is not None
    figures = honest.outcome.figures | {"recall@10": Figure(value=0.9, low=0.8, high=1.0)}
    lie = honest.model_copy(
        update={"outcome": honest.outcome.model_copy(update={"figures": figures})}
    )
    (other,) = rerun.rerun({one(results): lie}, 1, 0, registry_of(), context)
    assert other.verdict == "other"
    assert "recall@10 0.900000 in the record" in other.reason
    elsewhere = lie.model_copy(
        update={"provenance": lie.provenance.model_copy(update={"environment": {"torch": "1"}})}
    )
    (unknown,) = rerun.rerun({one(results): elsewhere}, 1, 0, registry_of(), context)
    assert unknown.verdict == "unknown"
    assert "torch 1 then" in unknown.reason


def test_a_record_of_other_code_cannot_be_run_again(results: Path, tmp_path: Path) -> None:
    honest = Record.model_validate_json(one(results).read_text())
    tokenizer = honest.spec.tokenizer.model_copy(update={"fingerprint": "hashed@0"})
    older = honest.model_copy(
        update={"spec": honest.spec.model_copy(update={"tokenizer": tokenizer})}
    )
    context = RunContext(results, tmp_path / "cache")
    (found,) = rerun.rerun({one(results): older}, 1, 0, registry_of(), context)
    assert found.verdict == "unknown"
    assert "is not at hand as it was: other fingerprint" in found.reason
