"""Pairs on every board: those of `compare`, and their mean by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.pipeline.test_grid import run_tiny
from tests.report.test_overview import elsewhere
from tokbench.cli import main
from tokbench.errors import RecordError
from tokbench.report.compare import compare
from tokbench.report.compare_datasets import compare_datasets, most_run, tables, verdict
from tokbench.report.result_set import ResultSet
from tokbench.schema.record import Record, write_record
from tokbench.stats.estimate import mean


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> list[Record]:
    """Two policies and two seeds on `tiny`, one of each on `other`."""
    folder = tmp_path_factory.mktemp("datasets")
    here = run_tiny(folder, tokenizers=("hashed", "hashed:wide"), seeds=(0, 1),
                    collision_policies=("none", "nearest-free"))  # fmt: skip
    there = [
        elsewhere(one)
        for one in here
        if one.spec.collision_policy == "none" and one.spec.generator_seed == 0
    ]
    return here + there


def test_pairs_differ_in_the_tokenizer_alone_and_are_those_of_compare(
    records: list[Record],
) -> None:
    pairs = compare_datasets(ResultSet(records), "hashed:wide", "hashed", figure="ndcg@10")
    found = {(pair.title.dataset, *pair.a.method[1:]): pair.found for pair in pairs}
    assert set(found) == {
        ("other", "none", "echo"), ("tiny", "none", "echo"), ("tiny", "nearest-free", "echo"),
    }  # fmt: skip
    for (dataset, policy, _), one in found.items():
        a, b = (f"{name}/{policy}/echo" for name in ("hashed:wide", "hashed"))
        assert one == compare(ResultSet(records), a, b, dataset=dataset, figure="ndcg@10")


def test_a_dataset_counts_once_in_the_mean_by_the_pair_with_the_most_runs(
    records: list[Record],
) -> None:
    once = [
        r
        for r in records
        if r.spec.collision_policy == "none"
        or r.spec.generator_seed == 0
        or r.spec.tokenizer.label != "hashed"
    ]
    pairs = compare_datasets(ResultSet(once), "hashed:wide", "hashed")
    best = list(most_run(pairs))
    assert [(pair.title.dataset, pair.a.policy) for pair in best] == [
        ("other", "none"), ("tiny", "none"),
    ]  # fmt: skip
    over = mean([pair.found.estimate for pair in best])
    assert over.value == pytest.approx(np.mean([pair.found.difference.mean for pair in best]))
    low, high = over.interval()
    said = verdict(pairs)
    assert (
        f"Mean over 2 datasets, of each the pair with the most runs: {over.value:+.4f} "
        f"[{low:+.4f}, {high:+.4f}], not covering the training runs of all."
    ) in said
    assert "Of 1 nothing can be claimed (users only)" in said
    above = sum(pair.found.difference.mean > 0 for pair in pairs)
    assert said.startswith(f"hashed:wide stands above hashed in {above} of 3 pairs. ")


def test_a_baseline_is_compared_with_every_row(records: list[Record]) -> None:
    (table,) = tables(compare_datasets(ResultSet(records), "popularity", "hashed"))
    assert table.title.startswith("popularity against hashed · ")
    heads = [column.head for column in table.columns]
    for row in table.rows:
        cells = dict(zip(heads, row, strict=True))
        a, b = cells["popularity"], cells["hashed"]
        assert isinstance(a, float)
        assert isinstance(b, float)
        assert cells["relative"] == f"{100 * (a / b - 1):+.1f} %"
    assert [row[:3] for row in table.rows] == [
        ("other", "none", "echo"), ("tiny", "nearest-free", "echo"), ("tiny", "none", "echo"),
    ]  # fmt: skip


def test_rows_that_never_meet_are_refused(records: list[Record]) -> None:
    apart = [
        r
        for r in records
        if (r.spec.tokenizer.label == "hashed") == (r.spec.collision_policy == "none")
    ]
    with pytest.raises(RecordError, match="one collision policy and generator; there are records"):
        compare_datasets(ResultSet(apart), "hashed", "hashed:wide")
    with pytest.raises(RecordError, match="no board has 'hashd' and 'hashed'"):
        compare_datasets(ResultSet(records), "hashd", "hashed")
    with pytest.raises(RecordError, match="no board has"):
        compare_datasets(ResultSet(records), "hashed", "hashed:wide", board="beam 7")


def test_the_command_prints_a_table_with_whole_labels(
    records: list[Record], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for record in records:
        dataset = record.spec.dataset.model_copy(update={"label": "tiny [step=2]"})
        spec = record.spec.model_copy(update={"dataset": dataset})
        write_record(record.model_copy(update={"spec": spec, "run_id": spec.run_id}), tmp_path)
    assert main(["compare", "hashed:wide", "hashed", "--results", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "[step=2]" in out, "no markup"
    assert "hashed:wide stands above hashed in" in out
    assert main(["report", str(tmp_path)]) == 0
    assert "tiny [step=2] · leave-one-out" in capsys.readouterr().out, "nor in a board's title"
