"""The grid: shared stages, failures as values, resumption, and honest plans."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.components import CALLS, Echo, EchoModel, Failing, Timed, registry_of
from tokbench.api import Runtime
from tokbench.errors import DatasetError
from tokbench.pipeline.context import RunContext
from tokbench.pipeline.grid import run_grid
from tokbench.pipeline.plan import plan_grid
from tokbench.pipeline.resolve import make_request
from tokbench.pipeline.store import Store
from tokbench.report.result_set import ResultSet
from tokbench.report.slices import outcomes_by_slice
from tokbench.schema.record import Record, read_records
from tokbench.types import Beams, Catalog, Dataset, Histories, SemanticIds, Sequences
from tokbench.verify.verify import verify


def context_in(folder: Path) -> RunContext:
    return RunContext(folder / "results", folder / "cache")


def run_tiny(folder: Path, *extra: Any, **fields: Any) -> list[Record]:
    CALLS.clear()
    return run_grid(tiny_request(**fields), context_in(folder), registry=registry_of(*extra))


def tiny_request(**fields: Any) -> Any:
    request = {"datasets": ("tiny",), "tokenizers": ("hashed",), "generators": ("echo",),
               "encoder": "letters"} | fields  # fmt: skip
    return make_request(**request)


def test_cells_share_the_stages_whose_inputs_are_equal(tmp_path: Path) -> None:
    run_tiny(
        tmp_path,
        tokenizers=("hashed", "hashed:wide"),
        collision_policies=("none", "extra-token"),
        baselines=False,
    )
    assert CALLS.count("encode") == 1
    assert CALLS.count("tokenize") == 2, "one per tokenizer, not per policy"
    assert CALLS.count("train") == 4


def test_a_cell_with_a_record_is_not_run_again(tmp_path: Path) -> None:
    first = run_tiny(tmp_path)
    again = run_tiny(tmp_path)
    assert CALLS == []
    assert again == first


def test_without_its_record_a_cell_comes_out_the_same_from_the_store(tmp_path: Path) -> None:
    first = run_tiny(tmp_path)
    for path in (tmp_path / "results").rglob("*.json"):
        path.unlink()
    again = run_tiny(tmp_path)
    assert CALLS == [], "every stage was ready"
    assert [r.outcome_digest() for r in again] == [r.outcome_digest() for r in first]
    assert all(cost.reused for record in again for cost in record.provenance.costs.values())


def test_a_cell_has_one_thread_and_another_count_is_in_the_record_and_on_the_board(
    tmp_path: Path,
) -> None:
    before = torch.get_num_threads()
    request, registry = tiny_request(baselines=False), registry_of()
    one = run_grid(request, context_in(tmp_path / "one"), registry=registry)
    two = run_grid(request, context_in(tmp_path / "two"), registry=registry, threads=2)
    for records, count in ((one, "1"), (two, "2")):
        (row,) = ResultSet(records).boards[0].rows
        assert records[0].provenance.environment["threads"] == count
        assert ("2 threads" in row.remark) == (count == "2")
    assert torch.get_num_threads() == before


def test_a_seed_that_gives_the_same_codes_shares_what_follows(tmp_path: Path) -> None:
    """Keys are content: two tokenizers with equal codes have one address stage."""
    run_tiny(tmp_path, baselines=False)
    before = len(list((tmp_path / "cache/store/address").iterdir()))
    run_tiny(tmp_path, baselines=False, beam_width=51)
    assert len(list((tmp_path / "cache/store/address").iterdir())) == before
    assert CALLS == ["generate"]


def test_a_failing_cell_is_a_value_and_the_grid_goes_on(tmp_path: Path) -> None:
    records = run_tiny(
        tmp_path, ("tokenizer", Failing), tokenizers=("failing", "hashed"), baselines=False
    )
    assert [record.status for record in records] == ["failed", "done"]
    assert records[0].error is not None
    assert "a stranger's mistake" in records[0].error
    assert "components.py" in records[0].error
    assert len(read_records(tmp_path / "results")) == 2


def test_a_failed_cell_is_tried_again(tmp_path: Path) -> None:
    run_tiny(tmp_path, ("tokenizer", Failing), tokenizers=("failing",), baselines=False)
    (again,) = run_tiny(tmp_path, ("tokenizer", Failing), tokenizers=("failing",), baselines=False)
    assert again.status == "failed"
    assert len(read_records(tmp_path / "results")) == 1


def test_a_plan_builds_nothing_and_knows_what_is_ready(tmp_path: Path) -> None:
    request, context, registry = tiny_request(baselines=False), context_in(tmp_path), registry_of()
    CALLS.clear()
    (planned,) = plan_grid(request, context, registry=registry)
    assert (planned.ready, planned.recorded, CALLS) == ((), False, [])
    assert planned.example == "i0"
    assert not (tmp_path / "cache").exists()
    run_tiny(tmp_path, baselines=False)
    (planned,) = plan_grid(tiny_request(baselines=False, beam_width=51), context, registry=registry)
    assert planned.ready == ("embed", "tokenize", "address", "train", "measure")
    (planned,) = plan_grid(request, context, registry=registry)
    assert planned.recorded


CHILD = """
import sys
from pathlib import Path
from tests.pipeline.test_grid import context_in, tiny_request
from tests.components import registry_of
from tokbench.pipeline.grid import run_grid
print("go", flush=True)
run_grid(tiny_request(seeds=tuple(range(6))), context_in(Path(sys.argv[1])), registry=registry_of())
"""


def test_a_run_killed_anywhere_ends_the_same_when_started_again(tmp_path: Path) -> None:
    """Kill the grid at growing delays until it once completes; compare with one never killed."""
    calm, hunted = tmp_path / "calm", tmp_path / "hunted"
    whole = run_tiny(calm, seeds=tuple(range(6)))
    delay, kills = 0.03, 0
    for _ in range(25):
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(hunted)],
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[2],
        )
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(delay)
        done = child.poll() is not None
        if not done:
            os.kill(child.pid, signal.SIGKILL)
            kills += 1
        child.wait()
        child.stdout.close()
        if done:
            break
        delay *= 1.4
    assert kills > 0, "the test killed nothing: start with a shorter delay"
    found = {record.run_id: record for record in read_records(hunted / "results")}
    assert found.keys() == {record.run_id for record in whole}
    for record in whole:
        assert found[record.run_id].outcome_digest() == record.outcome_digest()
    Store(hunted / "cache/store").sweep(0)  # as a later run does, of what is an hour old
    assert not list((hunted / "cache/store/partial").iterdir())


@pytest.mark.parametrize("seed", [0, 1])
def test_two_fresh_runs_agree_bit_for_bit(tmp_path: Path, seed: int) -> None:
    one = run_tiny(tmp_path / "one", seeds=(seed,))
    two = run_tiny(tmp_path / "two", seeds=(seed,))
    assert [r.outcome_digest() for r in one] == [r.outcome_digest() for r in two]


class SeesTimes(Echo):
    """Notes what it is given of times."""

    name = "sees-times"
    uses_times = True

    def train(self, catalog: Catalog, histories: Histories, *args: Any, **more: Any) -> Any:
        given = (histories.train.times, histories.validation.histories.asked)
        CALLS.extend(f"train {one is not None}" for one in given)
        return super().train(catalog, histories, *args, **more)

    def restore(self, state: Any, ids: SemanticIds) -> Any:
        return NotesTimes(state["order"])


class NotesTimes(EchoModel):
    def generate(self, histories: Sequences, *, width: int, runtime: Runtime) -> Beams:
        assert histories.times is None or len(histories.times) == len(histories.items)
        CALLS.extend(f"generate {one is not None}" for one in (histories.times, histories.asked))
        return super().generate(histories, width=width, runtime=runtime)


class SeesQueryTimes(SeesTimes):
    name = "sees-query-times"
    uses_query_time = True


class SeesNothing(SeesTimes):
    name = "sees-nothing"
    uses_times = False


@pytest.mark.parametrize(
    ("generator", "times", "asked"),
    [(SeesNothing, False, False), (SeesTimes, True, False), (SeesQueryTimes, True, True)],
)
def test_times_reach_only_generators_that_use_them(
    tmp_path: Path, generator: type[Echo], times: bool, asked: bool
) -> None:
    extra = ("dataset", Timed), ("generator", generator)
    fields: Any = {"datasets": ("timed",), "baselines": False}
    (record,) = run_tiny(tmp_path, *extra, generators=(generator.name,), **fields)
    assert record.status == "done"
    seen = [call for call in CALLS if " " in call]
    assert seen == [f"{verb} {told}" for verb in ("train", "generate") for told in (times, asked)]
    (plain,) = run_tiny(tmp_path, ("dataset", Timed), **fields)
    assert record.outcome is not None
    assert plain.outcome is not None
    assert record.outcome.digests["split"] == plain.outcome.digests["split"]
    assert plain.provenance.costs["tokenize"].reused, "a tokenizer never sees times"


def test_a_baseline_that_needs_times_of_queries_is_left_out_without_them(tmp_path: Path) -> None:
    told = "query-time-popularity"
    records = run_tiny(tmp_path / "tiny")
    with_times = run_tiny(tmp_path / "timed", ("dataset", Timed), datasets=("timed",))
    assert {record.status for record in [*records, *with_times]} == {"done"}
    assert told not in {record.spec.generator.name for record in records}
    assert told in {record.spec.generator.name for record in with_times}
    assert len(plan_grid(tiny_request(), context_in(tmp_path), registry=registry_of())) == len(
        records
    )
    with pytest.raises(DatasetError, match=r"tiny: generator .* needs the time of each"):
        run_tiny(tmp_path, generators=(told,), baselines=False)


def test_bits_per_item_are_kept_of_every_user_where_the_generator_is_a_distribution(
    tmp_path: Path,
) -> None:
    outcomes = {one.spec.generator.name: one.outcome for one in run_tiny(tmp_path)}
    popularity, echo = outcomes["popularity"], outcomes["echo"]
    assert popularity is not None
    assert echo is not None
    assert echo.millibits is None
    assert echo.read_bits() is None
    assert "bits" not in echo.figures
    assert popularity.queries is not None
    counts = popularity.queries["target_frequency"].array() + 1  # Laplace
    shares = counts / (8 * 3 + 12)  # users, training items each, items
    bits = popularity.read_bits()
    assert bits is not None
    assert bits == pytest.approx(-np.log2(shares), abs=0.0005)
    figure = popularity.figures["bits"]
    assert figure.value == pytest.approx(bits.mean(), abs=1e-12)
    assert figure.low is not None
    assert figure.high is not None
    assert figure.low <= figure.value <= figure.high
    assert {name for name, one in outcomes.items() if one and "bits" in one.figures} == {
        "popularity", "bigram", "sasrec",
    }  # fmt: skip


def test_several_queries_of_a_user_are_one_user_in_record_verify_and_reports(
    tmp_path: Path,
) -> None:
    """Figures against a loop over the users of the split."""
    request = tiny_request(
        datasets=("timed",), protocol="temporal-all", baselines=False,
        overrides=("timed.step=1",),
    )  # fmt: skip
    registry = registry_of(("dataset", Longer))
    (record,) = run_grid(request, context_in(tmp_path), registry=registry)
    outcome = record.outcome
    assert outcome is not None, record.error
    owners = outcome.read_owners()
    assert owners is not None
    position, ids = outcome.read_placement().position, outcome.read_ids()
    assert len(ids.groups()[2]) == len(ids), "so that a rank is a position"
    assert outcome.users == len(set(owners.tolist())) < len(position)
    assert len({owners.tolist().count(user) for user in range(outcome.users)}) > 1
    values = []
    for user in range(outcome.users):
        hits = [0 <= place < 5 for place, one in zip(position, owners, strict=True) if one == user]
        values.append(sum(hits) / len(hits))
    assert 0 < np.mean(values) < 1
    assert outcome.figures["recall@5"].value == pytest.approx(np.mean(values))
    board = ResultSet([record]).boards[0]
    assert board.rows[0].values["recall@5"] == pytest.approx(np.mean(values))
    assert board.rows[0].users == outcome.users
    assert verify(tmp_path / "results") == []
    (whole, *_) = outcomes_by_slice(board.rows[0])
    assert whole[0] == "all"
    assert len(whole[1]) == outcome.users
    assert whole[1][:, 0].mean() == pytest.approx(outcome.figures["recall@10"].value)


class Longer(Timed):
    """Users with one to three interactions in the test window."""

    def load(self, *, runtime: Runtime) -> Dataset:
        rows = [[(u + i) % 12 for i in range(4 + u % 3)] for u in range(8)]
        times = [[10 * i + u for i in range(2)] + [50 + i for i in range(2 + u % 3)]
                 for u in range(8)]  # fmt: skip
        for row in times[:4]:
            row[2:3] = [30]  # of the validation window
        dataset = super().load(runtime=runtime)
        flat = np.array([time for row in times for time in row])
        return replace(dataset, interactions=Sequences.of(rows), times=flat)
