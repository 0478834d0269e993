"""The published schema is that of the code, and says what a record of a run holds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.pipeline.test_grid import run_tiny
from tokbench.cli import main
from tokbench.schema.json_schema import record_schema
from tokbench.schema.record import RECORD_SCHEMA

PUBLISHED = Path(__file__).parents[2] / "docs/record.schema.json"


def test_the_published_schema_is_that_of_the_code(capsys: pytest.CaptureFixture[str]) -> None:
    """`tokbench schema > docs/record.schema.json` writes it anew."""
    assert main(["schema"]) == 0
    assert capsys.readouterr().out == record_schema() == PUBLISHED.read_text(encoding="utf-8")


def test_a_record_has_the_fields_of_the_schema_and_no_other(tmp_path: Path) -> None:
    run_tiny(tmp_path, baselines=False)
    (path,) = (tmp_path / "results").rglob("*.json")
    record, schema = json.loads(path.read_text()), json.loads(record_schema())
    assert schema["properties"]["record_schema"]["const"] == RECORD_SCHEMA
    for name, part in (
        (None, record), ("RunSpec", record["spec"]), ("Outcome", record["outcome"]),
        ("Provenance", record["provenance"]), ("Packed", record["outcome"]["codes"]),
    ):  # fmt: skip
        check(part, schema if name is None else schema["$defs"][name])


def check(part: Mapping[str, Any], schema: Mapping[str, Any]) -> None:
    assert schema["additionalProperties"] is False
    assert set(schema["required"]) <= part.keys() <= schema["properties"].keys()
