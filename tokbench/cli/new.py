"""`tokbench new`: start a package for a component of your own."""

from __future__ import annotations

from pathlib import Path

import click

from tokbench.cli.screen import say


@click.command("new", short_help="Start a package for a tokenizer of your own.")
@click.argument("kind", type=click.Choice(["tokenizer"]))
@click.argument("name")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default=None,
              help="The folder to write [default: NAME in this folder].")  # fmt: skip
def new_command(kind: str, name: str, out: Path | None) -> None:
    """Write an installable package with a working KIND called NAME, its test and its README."""
    from tokbench.errors import ConfigError
    from tokbench.registry.isolated.isolated import isolated_registry
    from tokbench.scaffold import start_package

    for entry in isolated_registry().find(name):
        raise ConfigError(
            f"{entry.kind} {name!r} is there already ({entry.origin}): choose another name"
        )
    folder = out or Path(name)
    for path in start_package(kind, name, folder):
        say(f"wrote {path}")
    say(f"next: cd {folder} && pip install -e '.[dev]' && pytest && tokbench check {name}")
