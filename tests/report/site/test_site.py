"""The site: figures are the board's, links lead somewhere, strangers' words are only text."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.components import Failing, Hashed
from tests.pipeline.test_grid import run_tiny
from tests.report.site.pages import Page
from tokbench.api import Tokenizer, option
from tokbench.report import slices
from tokbench.report.outcomes import FIGURES, HEADLINE
from tokbench.report.result_set import ResultSet
from tokbench.report.site.boards import board_views
from tokbench.report.site.options import Described
from tokbench.report.site.site import Extras, write_site
from tokbench.schema.record import Record

TO = "\N{EN DASH}"
EVIL = "</script><script>alert('x')</script><b id=evil>"
TITLES = tuple(f"title {n} {EVIL}" for n in range(12))


class Evil(Hashed):
    """An option that its author fills with markup."""

    name = "evil"

    class Config(Tokenizer.Config):
        """A word that changes nothing."""

        codes: int = option(4, ge=2, description="codes per level")
        word: str = option("plain", description="free text")


class Cursed(Failing):
    """Fails with markup."""

    name = "cursed"

    def tokenize(self, *given: Any, **named: Any) -> Any:
        raise ValueError(EVIL)


def make_records(folder: Path) -> list[Record]:
    records = run_tiny(
        folder, ("tokenizer", Evil), ("tokenizer", Cursed),
        tokenizers=("hashed", "evil", "cursed"), collision_policies=("none",),
        seeds=(0, 1), overrides=(f"evil.word={EVIL}",),
    )  # fmt: skip
    return records + run_tiny(folder, profile="quick", baselines=False)


def titles_of(records: list[Record]) -> dict[str, tuple[str, ...]]:
    return {r.outcome.digests["dataset"]: TITLES for r in records if r.outcome is not None}


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> list[Record]:
    return make_records(tmp_path_factory.mktemp("records"))


@pytest.fixture(scope="module")
def site(records: list[Record], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    findings = {r.file_name: ["recall@5 is wrong"] if i == 2 else [] for i, r in enumerate(records)}
    known = {("tokenizer", "evil"): Described({"codes": 4, "word": "plain"}, {"word": EVIL}, {})}
    write_site(ResultSet(records), folder, Extras(findings, known, titles_of(records)))
    return folder


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[str, Page]:
    return {p.relative_to(site).as_posix(): Page(p) for p in sorted(site.rglob("*.html"))}


def test_every_run_board_and_code_table_has_a_page(
    pages: dict[str, Page], records: list[Record]
) -> None:
    assert {f"runs/{record.run_id}.html" for record in records} <= set(pages)
    assert sum(name.startswith("compare/") for name in pages) == len(ResultSet(records).boards) == 2
    tables = {r.outcome.digests["address"] for r in records
              if r.outcome is not None and len(r.outcome.level_sizes) > 1}  # fmt: skip
    assert sum(name.startswith("trees/") for name in pages) == len(tables)


def test_links_resolve_and_lead_to_no_other_place(pages: dict[str, Page], site: Path) -> None:
    for page in pages.values():
        for link in [*page.values("href"), *page.values("src")]:
            if link == "data:,":
                continue
            name, _, fragment = link.partition("#")
            target = (page.file.parent / name).resolve() if name else page.file
            assert target.is_file() and target.is_relative_to(site.resolve()), link
            if fragment:
                assert fragment in Page(target).values("id"), link
        assert "http://" not in page.source and "https://" not in page.source
    for asset in (site / "assets").iterdir():
        assert "//" not in asset.read_text().replace("// ", ""), "an address, or a comment unspaced"


def test_pages_are_well_formed_and_accessible(pages: dict[str, Page]) -> None:
    for name, page in pages.items():
        ids = page.values("id")
        assert len(ids) == len(set(ids)), name
        assert ("html", {"lang": "en"}) in page.tags
        assert [tag for tag, _ in page.tags].count("h1") == 1, name
        assert ("a", {"class": "skip", "href": "#main"}) in page.tags
        for table in page.tables:
            assert table.caption.strip(), name
            width = {len(row) for row in table.rows}
            assert len(width) == 1, f"{name}: {table.caption} has rows of {width} cells"
            for row in table.rows:
                scopes = [cell.attributes.get("scope") for cell in row if cell.tag == "th"]
                assert scopes and set(scopes) <= {"col", "row"}, name
        for tag, attributes in page.tags:
            if tag == "svg":
                said = attributes.get("aria-label") if attributes.get("role") == "img" else None
                assert said or attributes.get("aria-hidden") == "true", name
            if "scroll" in attributes.get("class", "").split():
                assert attributes["tabindex"] == "0" and attributes["aria-label"], name
            assert not any(key.startswith("on") for key in attributes), "scripts stand in site.js"


def test_the_index_has_the_figures_of_the_boards(
    pages: dict[str, Page], records: list[Record]
) -> None:
    tables = [t for t in pages["index.html"].tables if "Rows by falling" in t.caption]
    for board, table in zip(ResultSet(records).boards, tables, strict=True):
        heads, *lines = table.texts()
        column = {head: n for n, head in enumerate(heads)}
        for row, line in zip(board.rows, lines, strict=True):
            assert line[0].startswith(row.tokenizer)
            assert [line[column[c]] for c in ("Policy", "Generator", "Group", "Remark")] == [
                row.policy, row.generator, row.group, row.remark,
            ]  # fmt: skip
            for name in FIGURES:
                shown = line[column[name[0].upper() + name[name.index("@") :]]]
                assert shown == f"{row.values[name]:.4f}"
            low, high = row.intervals[HEADLINE]
            assert line[column["95 % interval"]] == f"{low:.4f}{TO}{high:.4f}"
            assert line[column["Code-level R@10"]] == f"{row.values[HEADLINE + '/code-level']:.4f}"
            assert line[column["Duplicates"]] == f"{100 * row.duplicate_rate:.1f} %"
            assert line[column["Runs"]].split() == [run.spec.seeds for run in row.runs]


def test_the_first_page_begins_with_a_verdict_for_each_board(
    site: Path, records: list[Record]
) -> None:
    text = (site / "index.html").read_text(encoding="utf-8")
    table = text.split('<table class="verdicts">')[1].split("</table>")[0]
    assert text.index('class="verdicts"') < text.index('<dl class="rules">')
    for board in ResultSet(records).boards:
        best = next(row for row in board.rows if not row.is_baseline)
        assert f"{best.values['recall@10']:.4f}" in table
        newest = max(record.provenance.created for record in board.records)
        assert newest[:10] in table


@pytest.mark.parametrize(
    ("remark", "groups", "said"),
    [("below item-item, earlier code: x", ("b", "a"), "codes are below"),
     ("no better than sasrec", ("a", "a"), "not significantly different"),
     ("", ("a", "b"), "codes are above"), ("", ("", "a"), "cannot tell: one run, users only")],
)  # fmt: skip
def test_verdicts_are_those_of_the_remarks(
    records: list[Record], remark: str, groups: tuple[str, str], said: str
) -> None:
    view = board_views(ResultSet(records))[0]
    best = next(one for one in view.rows if not one.row.is_baseline)
    floor = next(one for one in view.rows if one.row.is_baseline and not one.row.is_diagnostic)
    rows = (
        replace(best, row=replace(best.row, remark=remark, group=groups[0])),
        replace(floor, row=replace(floor.row, group=groups[1])),
    )
    assert replace(view, rows=rows).verdict == said
    assert replace(view, rows=rows[1:]).verdict == "not run yet"


def test_the_plots_stand_in_a_table_too(pages: dict[str, Page], records: list[Record]) -> None:
    table, _ = (t.texts() for t in pages["index.html"].tables if "Pareto" in t.caption)
    board = ResultSet(records).boards[0]
    for row, line in zip(board.rows, table[1:], strict=True):
        assert line[0] == " · ".join(row.method)
        assert line[1] == f"{row.values[HEADLINE]:.4f}"
    assert any(cell.startswith("●") for line in table for cell in line)


def test_behind_a_board_stand_the_tables_of_report(
    pages: dict[str, Page], records: list[Record]
) -> None:
    page = next(page for name, page in pages.items() if name.startswith("behind/tiny-paper"))
    table = slices.tables(ResultSet(records))[0]
    assert page.tables[0].texts()[1:] == table.texts()
    headings = ("For which users", "Costs")
    assert all(heading in page.text for heading in headings)


def test_a_failed_cell_is_shown_as_failed(pages: dict[str, Page], records: list[Record]) -> None:
    failed = [record for record in records if record.status == "failed"]
    lines = pages["index.html"].table("Cells that failed")[1:]
    assert len(lines) == len(failed) == 2
    assert all(line[0] == "cursed" and line[4] == "failed" for line in lines)
    page = pages[f"runs/{failed[0].run_id}.html"]
    assert "failed" in page.text and EVIL in page.text
    assert not any("expected is the figure" in table.caption for table in page.tables)


def test_a_run_page_has_the_whole_record(pages: dict[str, Page], records: list[Record]) -> None:
    record = next(r for r in records if r.spec.tokenizer.name == "hashed" and r.outcome)
    page, outcome = pages[f"runs/{record.run_id}.html"], record.outcome
    assert outcome is not None
    for component in (record.spec.dataset, record.spec.tokenizer, record.spec.generator):
        for name, value in component.config.items():
            assert any(row[:2] == [name, str(value)] for t in page.tables for row in t.texts())
    ranking = {row[0]: row[1:] for row in page.table("expected is the figure")[1:]}
    ties = ("", "/code-level", "/optimistic", "/pessimistic", "/cce")
    for cell, tie in zip(ranking["NDCG@20"], ties, strict=True):
        figure = outcome.figures[f"ndcg@20{tie}"]
        assert cell == f"{figure.value:.4f} {figure.low:.4f}{TO}{figure.high:.4f}"
    shown = {figure for t in page.tables for row in t.texts() for figure in row}
    assert {"duplicate_rate", "level1", *record.provenance.environment.values()} <= shown
    assert set(outcome.digests.values()) <= shown
    assert record.provenance.command in page.text


def test_a_run_page_says_whether_the_record_verifies(
    pages: dict[str, Page], records: list[Record], tmp_path: Path
) -> None:
    texts = [pages[f"runs/{record.run_id}.html"].text for record in records]
    assert "does not verify" in texts[2] and "recall@5 is wrong" in texts[2]
    assert "verified every figure" in " ".join(texts[3].split())
    write_site(ResultSet(records[:1]), tmp_path)
    assert "not verified" in Page(tmp_path / f"runs/{records[0].run_id}.html").text


def test_strange_words_are_never_markup(pages: dict[str, Page], records: list[Record]) -> None:
    evil = [record for record in records if record.spec.tokenizer.name == "evil"]
    assert EVIL in evil[0].spec.tokenizer.label and EVIL in pages["index.html"].text
    for name, page in pages.items():
        assert "evil" not in page.values("id"), name
        own = [script for script in page.scripts if script.strip()]
        assert len(own) == name.startswith("trees/"), name
        assert page.scripts[0] == "", "the shared script, by its address"


def test_trees_hold_titles_only_where_they_were_given(
    pages: dict[str, Page], records: list[Record], tmp_path: Path
) -> None:
    name = next(name for name in pages if name.startswith("trees/"))
    data = json.loads(pages[name].scripts[-1])
    assert sorted(data["titles"]) == sorted(TITLES)
    for row, title in zip(data["items"], data["titles"], strict=True):
        assert title == TITLES[row]
    write_site(
        ResultSet(records), tmp_path, Extras(titles={"0" * 64: TITLES})
    )  # of another dataset
    assert not any("title 1" in p.read_text() for p in tmp_path.rglob("*.html"))
    assert "item 1" in (tmp_path / name).read_text()


def test_the_same_records_give_the_same_site(
    site: Path, records: list[Record], tmp_path: Path
) -> None:
    for folder in ("a", "b"):
        write_site(ResultSet(records), tmp_path / folder)
    files = sorted(p.relative_to(tmp_path / "a") for p in (tmp_path / "a").rglob("*.*"))
    assert len(files) > len(records)
    for name in files:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
