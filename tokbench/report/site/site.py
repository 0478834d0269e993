"""Writes the site: an index of boards, two pages behind each, a page per run and per code tree."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import jinja2

from tokbench.api import Progress, Quiet
from tokbench.report.overview import overview
from tokbench.report.result_set import ResultSet
from tokbench.report.site.analyses import analyses
from tokbench.report.site.boards import BoardView, board_views
from tokbench.report.site.pages import ASSETS, HERE, environment
from tokbench.report.site.pareto import COSTS
from tokbench.report.site.runs import Known, run_view
from tokbench.report.site.scatter import scatter
from tokbench.report.site.tree import tree_of
from tokbench.schema.record import Record

Titles = Mapping[str, Sequence[str]]  # dataset digest -> [N] titles


@dataclass(frozen=True)
class Extras:
    """What records do not hold and a page can show."""

    findings: Mapping[str, Sequence[str]] = field(default_factory=dict)  # by record file name
    known: Known = field(default_factory=dict)
    titles: Titles = field(default_factory=dict)


def write_site(
    results: ResultSet,
    folder: Path,
    extras: Extras | None = None,
    *,
    progress: Progress | None = None,
) -> list[Path]:
    """Every page of these results under `folder`; the paths written, the index first.

    The same records and extras give the same files, byte for byte.
    """
    writer = _Writer(folder, environment(), extras or Extras())
    results = ResultSet([*{record.run_id: record for record in results.records}.values()])
    records, trees = results.records, _trees(results.records)
    steps = 1 + 2 * len(results.boards) + len(records) + len(trees)
    with (progress or Quiet()).track("pages", total=steps) as advance:
        views = board_views(results)
        tables = overview(results.boards)
        writer.page("index.html", "index.html", boards=views, plots=_plots(views), overview=tables)
        advance()
        for view in views:
            writer.page(f"compare/{view.slug}.html", "compare.html", board=view, pairs=view.pairs)
            advance()
            found = analyses(view.board)
            writer.page(f"behind/{view.slug}.html", "analyses.html", board=view, analyses=found)
            advance()
        boards = {one.run_id: view for view in views for one in view.board.records}
        tree_of_run = {one.run_id: name for name, users in trees.items() for one in users}
        for record in records:
            writer.run(record, boards[record.run_id], tree_of_run.get(record.run_id, ""))
            advance()
        for tree, users in trees.items():
            writer.tree(tree, users)
            advance()
    writer.assets()
    return writer.written


def _plots(views: Sequence[BoardView]) -> dict[str, object]:
    """By board: the plots, the costs, and whether a row is on the front of each."""
    found: dict[str, object] = {}
    for view in views:
        plots = [plot for cost in COSTS if (plot := scatter(view.rows, cost)) is not None]
        fronts = {
            plot.cost.key: {point.view.row.method for point in plot.points if point.on_front}
            for plot in plots
        }
        found[view.slug] = {"plots": plots, "fronts": fronts}
    return found


def _trees(records: Sequence[Record]) -> dict[str, list[Record]]:
    """File name -> the runs whose codes it shows; runs that share a code table share a tree.

    Codes of one level are numbers of items, which make no tree.
    """
    found: dict[str, list[Record]] = {}
    for record in records:
        outcome = record.outcome
        if outcome is not None and len(outcome.level_sizes) > 1:
            name = f"{outcome.read_ids().digest()[:12]}-{outcome.digests['dataset'][:8]}.html"
            found.setdefault(name, []).append(record)
    return found


class _Writer:
    """Renders pages into a folder."""

    def __init__(self, folder: Path, templates: jinja2.Environment, extras: Extras) -> None:
        self.folder, self.templates, self.extras = folder, templates, extras
        self.written: list[Path] = []

    def page(self, path: str, template: str, **values: object) -> None:
        """Render one page; links in it start at `root`."""
        root = "../" * path.count("/")
        text = self.templates.get_template(template).render(root=root, costs=COSTS, **values)
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        self.written.append(file)

    def run(self, record: Record, board: BoardView, tree: str) -> None:
        """The page of a run, on a board; `tree` is the file name of its codes, or empty."""
        run = run_view(
            record,
            known=self.extras.known,
            findings=self.extras.findings.get(record.file_name, ()),
            tree=tree,
            titles=self.titles(record),
        )
        checked = record.file_name in self.extras.findings
        path = f"runs/{record.run_id}.html"
        self.page(path, "run.html", run=run, record=record, board=board, checked=checked)

    def tree(self, name: str, users: Sequence[Record]) -> None:
        """The page of a code table."""
        outcome = users[0].outcome
        assert outcome is not None
        titles = self.titles(users[0])
        tree = tree_of(outcome.read_ids(), titles)
        self.page(f"trees/{name}", "tree.html", tree=tree, users=users, record=users[0],
                  titled=titles is not None)  # fmt: skip

    def titles(self, record: Record) -> Sequence[str] | None:
        """Of the very items that the record is about; None where they were not given."""
        if record.outcome is None:
            return None
        return self.extras.titles.get(record.outcome.digests["dataset"])

    def assets(self) -> None:
        """The stylesheet and the script."""
        target = self.folder / "assets"
        target.mkdir(parents=True, exist_ok=True)
        for name in ASSETS:
            shutil.copyfile(HERE / "assets" / name, target / name)
            self.written.append(target / name)
