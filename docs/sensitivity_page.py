"""Write docs/sensitivity.md: the paper's two figures on office-5core, from benchmarks/sensitivity.

Needs TOKBENCH_DATA, because the digests of a dataset's files are part of a run id, and the extra
`figures`. The records were made by the same commands with `run` in the place of `report`.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
SETTING = (
    "--dataset office-5core --encoder minilm --profile quick --generator tiger "
    "--seed 0 --set generator.epochs=10 "
    "--no-baselines --results benchmarks/sensitivity"
)
HEAD = """# The paper's sensitivity figures

Written by `python docs/sensitivity_page.py` from the records under benchmarks/sensitivity; not
edited by hand. Figures 3 and 4 of CoST on office-5core with the quick profile and a generator of
ten epochs, so that a cell takes two minutes on one core: the codes are trained in full, what reads
them is not, and figures are below those of the board. One seed: the intervals and p cover users and
no training run, so no claim can be judged.
"""


def section(number: int, figures: Path) -> str:
    """The command, the figure and what the report prints of it; the image goes into `figures`."""
    command = f"tokbench report grid benchmarks/figure{number}.toml {SETTING}"
    script = str(Path(sys.executable).with_name("tokbench"))
    printed = subprocess.run(
        [script, *shlex.split(command)[1:], "--format", "markdown", "--out", str(figures)],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    (image,) = figures.glob(f"figure{number}-*.svg")
    image.with_suffix(".png").unlink()
    heading, _, rest = printed.removeprefix("### ").partition("\n")
    title, _, setting = heading.partition(" · ")
    table, _, claims = rest.partition("\n\nnote: ")
    note, *verdicts = filter(str.strip, claims.splitlines())
    listed = [f"  - {line.strip()}" if line[0] == " " else f"- {line}" for line in verdicts]
    lines = [
        f"## {title}\n",
        f"![{title}](figures/{image.name})\n",
        f"    {command}\n",
        f"{note}\n",
        *listed,
        f"\n{setting}\n",
        f"{table.strip()}\n",
    ]
    return "\n".join(lines)


def page(figures: Path) -> str:
    """The whole page."""
    return "\n".join([HEAD, section(3, figures), section(4, figures)])


def main() -> None:
    """Write the page and the figures beside it."""
    text = page(ROOT / "docs/figures")
    (ROOT / "docs/sensitivity.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
