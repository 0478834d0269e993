"""The command line: parse, call one function, print. Commands are imported when they are used."""

from __future__ import annotations

import difflib
import importlib
import os
import sys

import click

from tokbench import __version__
from tokbench.cli.screen import say

COMMANDS = {  # in the order a newcomer needs them; each module imports the rest when it runs
    "run": "tokbench.cli.run",
    "quick": "tokbench.cli.quick",
    "plan": "tokbench.cli.run",
    "tune": "tokbench.cli.tune",
    "report": "tokbench.cli.report",
    "compare": "tokbench.cli.compare",
    "power": "tokbench.cli.power",
    "verify": "tokbench.cli.verify",
    "submit": "tokbench.cli.submit",
    "pull": "tokbench.cli.submit",
    "track": "tokbench.cli.track",
    "schema": "tokbench.cli.schema",
    "list": "tokbench.cli.show",
    "show": "tokbench.cli.show",
    "check": "tokbench.cli.plugins",
    "plugins": "tokbench.cli.plugins",
    "new": "tokbench.cli.new",
    "data": "tokbench.cli.data",
    "ids": "tokbench.cli.ids",
    "cache": "tokbench.cli.cache",
}


class _Commands(click.Group):
    """A group whose commands are imported only when they are needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order of COMMANDS."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """The command function NAME_command of its module."""
        if name not in COMMANDS:  # click knows near names of what is loaded only
            near = difflib.get_close_matches(name, COMMANDS, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(COMMANDS)}"
            raise click.UsageError(f"no command {name!r}; {hint}", ctx)
        command: click.Command = getattr(importlib.import_module(COMMANDS[name]), f"{name}_command")
        return command


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
@click.option("--debug", is_flag=True, help="Show the traceback of an error (anywhere).")
def cli(debug: bool) -> None:
    """The benchmark suite for semantic tokenizers in generative recommendation.

    \b
    tokbench run --tokenizer cost --dataset toy --encoder tfidf --profile toy
    tokbench report
    \b
    Status: 0 done; 1 an error, a failed cell or a finding; 2 a wrong command line;
    130 interrupted, and the same command resumes.
    """


def main(arguments: list[str] | None = None) -> int:
    """Entry point: every error becomes one line and status 1, `--debug` shows the traceback."""
    from tokbench.errors import TokbenchError, sentence

    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words
    words = [word for word in words if word != "--debug"]
    try:
        status = cli.main(words, prog_name="tokbench", standalone_mode=False)
        return status if isinstance(status, int) else 0
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        say("interrupted: finished stages are kept, the same command resumes", err=True)
        return 130
    except BrokenPipeError:  # whoever read our output has gone
        sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115  (nothing more to flush)
        return 1
    except Exception as error:
        if debug:
            raise
        ours = isinstance(error, TokbenchError)
        hint = "" if ours else " (not foreseen; --debug shows where it comes from)"
        say(f"error: {sentence(error)}{hint}", err=True)
        return 1
