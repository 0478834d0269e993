"""Write docs/sensitivity.md: the paper's two figures on office-5core, from benchmarks/sensitivity.

Needs TOKBENCH_DATA, because the digests of a dataset's files are part of a run id, and the extra
`figures`. The records were made by the same commands with `run` in the place of `report`.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
SETTING = (
    "--dataset office-5core --encoder minilm --profile quick --seed 0 --set generator.epochs=10 "
    "--no-baselines --results benchmarks/sensitivity"
)
HEAD = """# The paper's sensitivity figures

Written by `python docs/sensitivity_page.py` from the records under benchmarks/sensitivity; not
edited by hand. Figures 3 and 4 of CoST on office-5core with the quick profile and a generator of
ten epochs, so that a cell takes two minutes on one core: the codes are trained in full, what reads
them is not, and figures are below those of the board. One seed: the intervals cover users and no
training run, so a difference of a few thousandths may be chance even where its interval is clear of
0.
"""


def section(number: int) -> str:
    """The command, the figure and what the report prints of it."""
    command = f"tokbench report benchmarks/figure{number}.toml {SETTING}"
    words = shlex.split(command)[1:]
    out = "docs/figures"
    script = str(Path(sys.executable).with_name("tokbench"))
    print_it = [script, *words, "--format", "markdown", "--out", out]
    done = subprocess.run(
        print_it, cwd=ROOT, env=os.environ, check=True, capture_output=True, text=True
    )
    (image,) = (ROOT / out).glob(f"figure{number}-*.svg")
    image.with_suffix(".png").unlink(missing_ok=True)
    shown, _, claims = done.stdout.partition("\n\nnote: ")
    verdicts = "\n".join(
        f"  - {line.strip()}" if line.startswith(" ") else f"- {line}"
        for line in claims.splitlines()[1:]
        if line.strip()
    )
    note = claims.splitlines()[0]
    title, _, table = shown.removeprefix("### ").partition("\n")
    return (
        f"## {title}\n\n![{title}](figures/{image.name})\n\n    {command}\n\n{note}\n\n{verdicts}\n"
        f"{table.rstrip()}\n"
    )


def main() -> None:
    """Write the page and the figures beside it."""
    path = ROOT / "docs/sensitivity.md"
    path.write_text("\n".join([HEAD, section(3), section(4)]), encoding="utf-8")


if __name__ == "__main__":
    main()
