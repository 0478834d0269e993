"""The JSON schema of a record, for readers that are not tokbench."""

from __future__ import annotations

import json

from tokbench.schema.record import RECORD_SCHEMA, Record


def record_schema() -> str:
    """The schema (draft 2020-12) as json text, equal for equal code.

    It says what a reader may rely on; a record also has the digest of its own spec as `run_id`,
    which no schema can say and `tokbench verify` looks at.
    """
    schema = Record.model_json_schema()
    schema["properties"]["record_schema"] = {"const": RECORD_SCHEMA, "type": "integer"}
    schema["required"] = ["record_schema", *schema["required"]]
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"tokbench record, schema {RECORD_SCHEMA}",
    }
    return json.dumps({**schema, **head}, indent=1, sort_keys=True, ensure_ascii=True) + "\n"
