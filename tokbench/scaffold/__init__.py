"""A new package for a tokenizer: files from templates, complete and passing at once.

The templates lie in the folders beside this file, one for each kind that can be started, as
`string.Template` texts: $name is what users type (my-tok), $module the Python name (my_tok),
$cls the class (MyTok).
"""

from __future__ import annotations

import keyword
import re
from importlib import resources
from pathlib import Path
from string import Template

from tokbench.errors import ConfigError, listed

FILES = {  # template -> where it goes
    "pyproject.txt": "pyproject.toml",
    "readme.txt": "README.md",
    "module.txt": "$module.py",
    "test.txt": "tests/test_$module.py",
}
KINDS = ("tokenizer",)
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


def start_package(kind: str, name: str, out: Path) -> list[Path]:
    """Write a package for a component called `name` into the folder `out`; the files written.

    Raises ConfigError for a kind or name that cannot be, and where a file is there already:
    nothing is overwritten.
    """
    if kind not in KINDS:
        raise ConfigError(f"cannot start a {kind!r}: there are templates for {listed(KINDS)}")
    module = name.replace("-", "_")
    if not _NAME.fullmatch(name) or keyword.iskeyword(module):
        raise ConfigError(
            f"{name!r} is no name for a component: use lower-case letters, digits and single "
            "hyphens, a letter first, e.g. my-tok"
        )
    cls = "".join(part.capitalize() for part in name.split("-"))
    words = {"name": name, "module": module, "cls": cls}
    written = {}
    for template, target in FILES.items():
        text = resources.files(__name__).joinpath(kind, template).read_text(encoding="utf-8")
        written[out / Template(target).substitute(words)] = Template(text).substitute(words)
    there = [str(path) for path in written if path.exists()]
    if there:
        raise ConfigError(f"{listed(there)} already there: choose another folder with --out")
    for path, text in written.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return list(written)
