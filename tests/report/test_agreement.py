"""Bits per item on the board, in `compare` and beside Recall@10."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr

from tests.pipeline.test_grid import run_tiny
from tests.report.test_board import with_hits
from tokbench.cli import main
from tokbench.report.agreement import tables
from tokbench.report.board import csv_tables, page
from tokbench.report.board import tables as board_tables
from tokbench.report.compare import compare
from tokbench.report.compare_datasets import compare_datasets
from tokbench.report.compare_datasets import tables as pair_tables
from tokbench.report.result_set import ResultSet
from tokbench.report.tables import Table, fields
from tokbench.schema.record import Figure, Packed, Record, write_record
from tokbench.stats.pairs import difference

LABELS = ("hashed", "hashed:wide", "item-id")
BITS = {"hashed": 9.0, "hashed:wide": 7.0, "item-id": 8.0}
HITS = {"hashed": 1, "hashed:wide": 6, "item-id": 3}


def with_bits(record: Record, bits: float, mass: float = 0.5) -> Record:
    """The same record, its users' bits around a mean, no two runs and no two users alike."""
    assert record.outcome is not None
    rng = np.random.default_rng([record.spec.tokenizer_seed, round(bits)])
    users = np.rint(1000 * bits + 100 * rng.normal(size=record.outcome.users))
    figures = record.outcome.figures | {"decoding/valid_mass": Figure(value=mass)}
    update = {"millibits": Packed.of(users), "figures": figures}
    return record.model_copy(update={"outcome": record.outcome.model_copy(update=update)})


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> list[Record]:
    """Three rows of two runs with bits, and a baseline without."""
    made = run_tiny(tmp_path_factory.mktemp("bits"), tokenizers=LABELS, seeds=(0, 1))
    found = []
    for record in made:
        label = record.spec.tokenizer.label
        if record.spec.generator.name == "echo":
            record = with_bits(with_hits(record, HITS[label]), BITS[label])
        if record.spec.generator.name in ("echo", "item-item"):
            found.append(record)
    return found


def by_row(table: Table) -> dict[str, dict[str, object]]:
    return {str(row["tokenizer"]): row for row in fields(table) if row["generator"] == "echo"}


def test_the_board_shows_bits_where_a_row_has_them(records: list[Record]) -> None:
    results = ResultSet(records)
    shown = by_row(board_tables(results)[0])
    for label in LABELS:
        runs = [one.outcome.millibits.array() / 1000 for one in records
                if one.spec.tokenizer.label == label and one.spec.generator.name == "echo"
                and one.outcome is not None and one.outcome.millibits is not None]  # fmt: skip
        assert len(runs) == 2
        assert shown[label]["bits"] == pytest.approx(np.mean(runs))
    (empty,) = (row for row in fields(board_tables(results)[0]) if row["generator"] == "item-item")
    assert empty["bits"] is None
    assert "bits: -log2" in page(results)
    full = by_row(csv_tables(results)[0])["hashed"]
    assert full["bits/low"] < full["bits"] < full["bits/high"]  # type: ignore[operator]
    none = ResultSet([one for one in records if one.spec.generator.name == "item-item"])
    assert "bits" not in {column.head for column in board_tables(none)[0].columns}
    assert "bits:" not in page(none)


def test_compare_says_the_difference_in_bits_and_what_it_could_have_seen(
    records: list[Record],
) -> None:
    results = ResultSet(records)
    (board,) = results.boards
    found = compare(results, "hashed", "hashed:wide", dataset="tiny")
    a, b = (next(row for row in board.rows if row.tokenizer == name)
            for name in ("hashed", "hashed:wide"))  # fmt: skip
    one = difference(board.sample(a, "bits"), board.sample(b, "bits"))
    assert found.bits is not None
    assert found.bits.difference.mean == pytest.approx(one.value) != 0
    assert found.bits.difference.interval == pytest.approx(one.interval())
    seen = one.detectable()
    assert seen is not None
    low, high = one.interval()
    assert seen > (high - low) / 2, "what is found four times in five is above the half width"
    text = str(found)
    assert f"In bits per item (fewer are better): {found.bits.means[0]:.4f} and " in text
    assert f"a true difference of {seen:.4f} (" in text
    (table,) = pair_tables(compare_datasets(results, "hashed", "hashed:wide"))
    (row,) = fields(table)
    assert row["bits"] == pytest.approx(one.value)
    assert row["seen, bits"] == found.bits.seen
    assert row["seen"] == found.seen
    # users with fewer bits do better
    bits = compare(results, "hashed", "hashed:wide", dataset="tiny", figure="bits")
    assert bits.better == (0, 8)
    assert bits.bits is None
    without = compare(results, "hashed", "item-item", dataset="tiny")
    assert without.bits is None
    assert "bits" not in str(without)


def test_agreement_by_hand(records: list[Record], tmp_path: Path) -> None:
    (table,) = tables(ResultSet(records))
    (row,) = fields(table)
    rho = -spearmanr([HITS[one] for one in LABELS], [BITS[one] for one in LABELS]).statistic
    assert row["rank correlation"] == pytest.approx(rho)
    assert row["95 %/low"] - 1e-9 <= rho <= row["95 %/high"] + 1e-9
    assert (row["dataset"], row["rows"], row["pairs"]) == ("tiny", 3, 3)
    counts = ("R@10 alone", "bits alone", "both, alike", "both, opposed")
    assert sum(row[name] for name in counts) <= 3
    assert (row["valid mass"], row["bits it takes"]) == ("0.500", "1.00")
    for record in records:
        write_record(record, tmp_path)
    assert main(["report", "agreement", str(tmp_path)]) == 0


def test_opposed_pairs_are_named(records: list[Record]) -> None:
    """Recall and bits that both tell rows apart, the other way round."""
    turned = [with_bits(one, 16 - BITS[one.spec.tokenizer.label])
              for one in records if one.spec.generator.name == "echo"]  # fmt: skip
    (table,) = tables(ResultSet(turned))
    (row,) = fields(table)
    assert row["rank correlation"] == pytest.approx(-1)
    assert row["both, alike"] == 0
    if row["both, opposed"]:
        assert "and needs more bits" in table.note


def test_two_rows_are_too_few(records: list[Record]) -> None:
    few = [one for one in records if one.spec.tokenizer.label != "hashed"]
    assert tables(ResultSet(few)) == []
