"""The site in a real browser: it sorts, filters and unfolds, and complains of nothing."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.report.site.test_site import make_records, titles_of
from tokbench.report.result_set import ResultSet
from tokbench.report.site.site import Extras, write_site

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(BROWSER is None, reason="needs chromium"),
]
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync",
         "--disable-background-networking", "--disable-component-update",
         "--virtual-time-budget=4000", "--enable-logging=stderr", "--dump-dom")  # fmt: skip


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    records = make_records(tmp_path_factory.mktemp("records"))
    folder = tmp_path_factory.mktemp("site")
    write_site(ResultSet(records), folder, Extras(titles=titles_of(records)))
    return folder


def answer(page: Path, script: str, profile: Path) -> str:
    """What `script`, run in the loaded page, returns; fails on any message of the console."""
    asked = page.with_name(f"asked-{page.name}")
    code = f"document.title = 'answer: ' + (() => {{ {script} }})() + ';';"
    run = f"<script>addEventListener('load', () => {{ {code} }});</script></body>"
    asked.write_text(page.read_text().replace("</body>", run))
    done = subprocess.run(
        [str(BROWSER), *FLAGS, f"--user-data-dir={profile}", asked.as_uri()],
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    asked.unlink()
    said = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    assert said == []
    found = re.search(r"<title>answer: (.*?);</title>", done.stdout, re.S)
    assert found is not None, done.stdout[:500]
    return found.group(1)


def test_a_table_sorts_by_a_column_and_filters_its_rows(site: Path, tmp_path: Path) -> None:
    script = """
      const form = document.querySelector("form.filters");
      const table = document.getElementById(form.dataset.table);
      const button = table.tHead.rows[0].cells[4].querySelector("button");
      const column = () => [...table.tBodies[0].rows].map((row) => row.cells[4].textContent);
      const change = (name, key, value) => {
        form.elements[name][key] = value;
        form.dispatchEvent(new Event("input"));
        return [...table.tBodies[0].rows].filter((row) => !row.hidden).length;
      };
      const before = column();
      button.click();
      button.click();
      const sorted = button.closest("th").ariaSort + " " +
        (column().join() === [...before].sort().join());
      const shown = [change("baselines", "checked", false), change("text", "value", "evil"),
        change("text", "value", "nothing such"), change("text", "value", "")];
      shown.push(change("family", "value", "hashed"));
      return [before.length, sorted, ...shown, form.querySelector("output").textContent].join("|");
    """
    told = answer(site / "index.html", script, tmp_path)
    assert told == "8|ascending true|2|1|0|2|1|1 of 8 rows"


def test_the_theme_is_switched_and_remembered(site: Path, tmp_path: Path) -> None:
    run = next((site / "runs").glob("*.html"))
    script = """
      const root = document.documentElement, colour = () => getComputedStyle(document.body).color;
      const before = colour(), button = document.getElementById("theme");
      button.click();
      return [before !== colour(), root.dataset.theme, localStorage.getItem("tokbench-theme"),
        document.documentElement.scrollWidth <= innerWidth].join("|");
    """
    told = answer(run, script, tmp_path).split("|")
    assert told[0] == "true" and told[1] == told[2] and told[3] == "true"


def test_a_tree_unfolds_and_finds_an_item(site: Path, tmp_path: Path) -> None:
    tree = next((site / "trees").glob("*.html"))
    script = """
      const holder = document.getElementById("tree"), form = document.getElementById("find");
      const before = holder.querySelectorAll(".leaf").length;
      form.elements.text.value = "title 7 ";
      form.dispatchEvent(new Event("input"));
      const found = document.querySelectorAll("#found button");
      found[0].click();
      const hit = holder.querySelector(".hit");
      const counts = [...holder.querySelectorAll(":scope > div > * .size")]
        .filter((size) => size.closest("details")?.parentElement.parentElement === holder);
      return [found.length, hit.querySelector(".words").textContent.startsWith("title 7 <"),
        holder.querySelectorAll(".leaf").length > before,
        document.querySelectorAll("#evil").length].join("|");
    """
    assert answer(tree, script.replace("<", "\\u003c"), tmp_path) == "1|true|true|0"


def test_every_kind_of_page_is_quiet(site: Path, tmp_path: Path) -> None:
    for page in [next((site / "compare").glob("*.html")), next((site / "runs").glob("*.html"))]:
        assert answer(page, "return document.querySelectorAll('h1').length;", tmp_path) == "1"
