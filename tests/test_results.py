"""The committed results are data under test: complete, consistent, and the boards are theirs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tokbench.report.board import page
from tokbench.report.outcomes import FIGURES, PerUser
from tokbench.report.result_set import ResultSet
from tokbench.schema.record import read_record
from tokbench.verify.verify import verify, verify_file

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "results"
SENSITIVITY = ROOT / "benchmarks/sensitivity"  # of the figures, so many rows that no board has them
RECORDS = sorted(RESULTS.rglob("*.json"))
OTHERS = sorted(SENSITIVITY.rglob("*.json"))


@pytest.mark.parametrize("path", RECORDS + OTHERS, ids=lambda path: path.stem)
def test_a_committed_record_follows_from_its_own_data(path: Path) -> None:
    record, reasons = verify_file(path, RESULTS if path in RECORDS else SENSITIVITY)
    assert reasons == []
    assert record is not None
    assert record.provenance.public, "rows of unpublished plugins do not belong here"
    if record.outcome is None:
        return
    found = PerUser([record])  # the board's own arithmetic, beside verify's
    for name in FIGURES:
        assert record.outcome.figures[name].value == pytest.approx(found[name].mean(), abs=1e-12)


def test_the_committed_results_agree_with_each_other() -> None:
    for root in (RESULTS, SENSITIVITY):
        assert [str(finding) for finding in verify(root)] == []


def test_the_committed_board_is_made_from_the_committed_records() -> None:
    board = RESULTS / "BOARD.md"
    records = [read_record(path) for path in RECORDS]
    assert board.read_text(encoding="utf-8") == page(ResultSet(records)), "run `make board`"
