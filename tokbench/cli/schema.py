"""`tokbench schema`."""

from __future__ import annotations

import click

from tokbench.cli.screen import say


@click.command("schema", short_help="Print the JSON schema of a record.")
def schema_command() -> None:
    """Print the JSON schema of a record, as docs/record.schema.json has it."""
    from tokbench.schema.json_schema import record_schema

    say(record_schema(), nl=False)
