"""Writes docs/plugins.md, the contract of plugins on one page, from the code itself.

`python docs/plugins_page.py` rewrites it; a test compares the committed page with `page()`.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tokbench import api, nn, types
from tokbench.registry import hookspecs
from tokbench.registry.registry import KINDS, PATIENCE
from tokbench.testing import rules_of
from tokbench.testing.kit import name_of, sentence_of

TARGET = Path(__file__).with_name("plugins.md")
VALUES = (
    types.Catalog, types.Histories, types.Queries, types.Sequences, types.SemanticIds, types.Beams,
    types.Placement, types.Dataset,
)  # fmt: skip

HEAD = """\
# The contract of plugins

<!-- Written by docs/plugins_page.py from the code: edit the docstrings there. -->

A plugin is a Python module with one or more of the five hook functions below, marked with
`@tokbench.hookimpl`; each returns a list of classes. The built-in components come in through the
same five. [tutorial.md](tutorial.md) grows a tokenizer step by step; `tokbench new tokenizer
NAME` writes a package to start from.

    [project.entry-points.tokbench]
    my-tok = "my_tok"

`tokbench run --plugin my_tok.py ...` loads one file without packaging; rows made so are marked.
`tokbench plugins` lists what is installed, from which package and version, what it adds, and what
could not be loaded and why. `tokbench check NAME` examines a component by the rules at the end of
this page.

What a plugin does wrong stays its own: a module that raises, misspells a hook or registers what
cannot be used is listed with its reason, a built-in keeps its name whatever a plugin claims, and
a name that two plugins claim is an error that names both. A plugin may take {patience:g} seconds
to load (set `TOKBENCH_PLUGIN_SECONDS` for another limit, 0 for none); then it is given up, and
the message says in which line it was. A component that raises, crashes, hangs, or returns the
wrong shape, type or range, spoils its own row, and the grid goes on.

Your code runs in a process of its own, one for each call, so nothing that a component keeps in
memory is there at the next: what `generate` needs is in `state()`. Its options come from json.
What it prints goes to standard error. Write to `runtime.cache` (downloads) or to temporary files
only: the rest of the disk is closed to it where the system allows that
([trust.md](trust.md)). `tokbench check` runs it in its own process, where a debugger works.
"""


def page() -> str:
    """The whole page."""
    parts = [HEAD.format(patience=PATIENCE), "## Hooks\n", *map(_hook, KINDS)]
    parts += ["## What all components share\n", _class(api.Component), _class(api.Config)]
    parts += [_function(api.option), _class(api.Runtime)]
    parts += [
        "## Base classes\n",
        *map(_class, [*KINDS.values(), api.GeneratorModel, api.Likelihood]),
    ]
    parts += ["## Values\n", f"{_doc(types)}\n", *map(_value, VALUES)]
    parts += ["## What tokbench.nn offers\n", f"{_doc(nn)}\n"]
    parts += ["## What the conformance kit asks\n", _options_rules(), *map(_rules, KINDS)]
    return "\n".join(parts)


def _doc(thing: Any) -> str:
    return inspect.getdoc(thing) or ""


def _signature(function: Any) -> str:
    """The call as the author of a component writes it, types without their modules."""
    text = str(inspect.signature(function))
    return re.sub(r"'|\b(?:tokbench|numpy|collections|pathlib)\.(?:\w+\.)*", "", text)


def _hook(kind: str) -> str:
    name = f"register_{kind}s"
    function = getattr(hookspecs, name)
    return f"### `{name}{_signature(function)}`\n\n{_doc(function)}\n"


def _function(function: Any) -> str:
    return f"### `{function.__name__}`\n\n{_doc(function)}\n"


def _class(cls: Any) -> str:
    """The docstring, the class variables with what the source says of them, and the methods."""
    lines = [f"### `{cls.__name__}`\n", _doc(cls), ""]
    for name, value, remark in _class_variables(cls):
        lines.append(f"- `{name} = {value}`" + (f": {remark}" if remark else ""))
    for name, member in vars(cls).items():
        if inspect.isfunction(member) and not name.startswith("_") and member.__doc__:
            must = " (to be written)" if getattr(member, "__isabstractmethod__", False) else ""
            lines.append(f"- `{name}{_signature(member)}`{must}: {' '.join(_doc(member).split())}")
    return "\n".join(lines).rstrip() + "\n"


def _class_variables(cls: type) -> Iterator[tuple[str, str, str]]:
    pattern = r"^    (\w+): ClassVar\[[^=\n]*\](?: = ([^#\n]+?))?(?:  # (.*))?$"
    for name, value, remark in re.findall(pattern, inspect.getsource(cls), re.M):
        yield name, value or "...", remark


def _value(cls: type) -> str:
    """The docstring, and the fields with their shapes."""
    lines = [f"### `{cls.__name__}`\n", _doc(cls), ""]
    source = inspect.getsource(cls)
    for field in dataclasses.fields(cls):
        (remark,) = re.findall(rf"^    {field.name}: [^#\n]*(?:# (.*))?$", source, re.M)[:1]
        lines.append(f"- `{field.name}: {field.type}`" + (f", {remark}" if remark else ""))
    return "\n".join(lines) + "\n"


def _options_rules() -> str:
    shared = [rule for rule in rules_of("metric") if rule in rules_of("dataset")]
    return "Of every component:\n\n" + "".join(map(_rule, shared))


def _rules(kind: str) -> str:
    other = rules_of("metric" if kind != "metric" else "dataset")
    article = "an" if kind[0] in "aeiou" else "a"
    return f"Of {article} {kind}:\n\n" + "".join(_rule(r) for r in rules_of(kind) if r not in other)


def _rule(rule: Any) -> str:
    return f"- **{name_of(rule)}**: {sentence_of(rule)}\n"


if __name__ == "__main__":
    TARGET.write_text(page(), encoding="utf-8")
