"""The committed results are data under test: complete, consistent, and the boards are theirs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tokbench.record import read_record
from tokbench.report.board import FIGURES, make_boards, per_user
from tokbench.report.render import markdown

RESULTS = Path(__file__).parent.parent / "results"
RECORDS = sorted(RESULTS.rglob("*.json"))


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)
def test_a_committed_record_follows_from_its_own_data(path: Path) -> None:
    record = read_record(path)
    assert path == RESULTS / record.file_name
    assert record.provenance.public, "rows of unpublished plugins do not belong here"
    if record.outcome is None:
        assert record.error
        return
    outcome = record.outcome
    ids = outcome.read_ids()
    assert len(ids) == outcome.items
    assert ids.digest() == outcome.digests["address"]
    placement = outcome.read_placement()
    assert len(placement) == outcome.users
    _, _, sizes = ids.groups()
    assert set(placement.group.tolist()) <= set(sizes.tolist())
    means = per_user(record).mean(axis=0)
    for name, mean in zip(FIGURES, means, strict=False):
        assert outcome.figures[name].value == pytest.approx(mean, abs=1e-12)


def test_the_committed_board_is_made_from_the_committed_records() -> None:
    board = RESULTS / "BOARD.md"
    boards = make_boards([read_record(path) for path in RECORDS])
    assert board.read_text(encoding="utf-8") == markdown(boards), "run `make board`"
