"""`tokbench check` and `tokbench plugins`: does a component conform, and who brought it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tokbench.cli.report import FORMAT, show
from tokbench.cli.screen import say
from tokbench.cli.show import PLUGIN

if TYPE_CHECKING:
    from tokbench.registry.registry import Entry, Registry

NOTHING = "nothing: mark its hook functions with @tokbench.hookimpl"


@click.command("check", short_help="Examine a component by the conformance kit.")
@click.argument("name")
@PLUGIN
@click.option("--set", "overrides", multiple=True, metavar="SCOPE.OPTION=VALUE",
              help="Override an option, e.g. tokenizer.epochs=3. Repeatable.")  # fmt: skip
def check_command(name: str, plugins: tuple[Path, ...], overrides: tuple[str, ...]) -> int:
    """Examine NAME, NAME:PRESET or NAME:PATH: each rule with pass or finding.

    A component is examined on small synthetic data, with its preset `toy` where it has one, in this
    very process. The status is 1 when a rule is broken.
    """
    from tokbench.cli.show import entries_called
    from tokbench.registry.registry import build_registry

    registry = build_registry(plugins)
    entries = entries_called(name, registry)
    broken = sum(_examine(entry, name, registry, overrides) for entry in entries)
    return 1 if broken else 0


def _examine(entry: Entry, text: str, registry: Registry, overrides: tuple[str, ...]) -> int:
    """Print the verdicts on one component; how many rules it breaks."""
    from tokbench.pipeline.resolve import find_component
    from tokbench.testing import examine

    component = find_component(entry.kind, text, registry, profile="toy", overrides=overrides)
    changed = component.config.model_dump(exclude_defaults=True)
    said = ", ".join(f"{option}={value}" for option, value in changed.items())
    say(f"{entry.kind} {text} ({entry.origin})" + (f", {said}" if said else ""))
    broken = kept = 0
    for verdict in examine(entry, component.config.model_dump()):
        finding = verdict.finding
        if finding is None:
            kept += 1
            remark = f" ({verdict.remark})" if verdict.remark else ""
            say(f"  pass  {verdict.rule}{remark}")
            continue
        broken += 1
        say(f"  FAIL  {verdict.rule}: {verdict.says}")
        say(f"        expected {finding.expected}")
        say(f"        found    {finding.found}")
        say(f"        remedy   {finding.remedy}")
    say(f"{kept} rules kept, {broken} broken")
    return broken


@click.command("plugins", short_help="Say which plugins are installed, and what failed to load.")
@PLUGIN
@FORMAT
def plugins_command(plugins: tuple[Path, ...], form: str) -> int:
    """List plugins: from which package and version, what each adds, what failed and why.

    A plugin that takes longer than 30 seconds to load is left out; TOKBENCH_PLUGIN_SECONDS sets
    another limit, 0 none. The status is 1 where one failed.
    """
    from tokbench.cli.screen import screen
    from tokbench.registry.isolated.isolated import isolated_registry
    from tokbench.report.tables import Column, Table

    registry = isolated_registry(plugins)
    strangers = [plugin for plugin in registry.plugins if plugin.origin != "built-in"]
    rows = []
    for plugin in strangers:
        adds = [f"{entry.kind} {entry.name}" for entry in registry.added_by(plugin.name)]
        faults = any(failure.plugin == plugin.name for failure in registry.failures)
        said = ", ".join(adds) or ("nothing, see below" if faults else NOTHING)
        rows.append((plugin.name, plugin.origin, said))
    if rows or form != "terminal":
        show([Table("", tuple(map(Column, ("plugin", "from", "adds"))), tuple(rows))], form)
    elif not registry.failures:
        screen().print("no plugins installed; `tokbench new tokenizer NAME` starts one")
    for failure in registry.failures:
        say(f"failed: {failure.plugin} ({failure.origin}): {failure.reason}",
                   err=form != "terminal")  # fmt: skip
    return 1 if registry.failures else 0
