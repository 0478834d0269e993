"""Reads written pages back, with the standard library's parser."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

VOID = {"meta", "link", "input", "br", "hr", "img"}
Attributes = dict[str, str]


@dataclass
class Cell:
    """A cell of a table."""

    tag: str
    attributes: Attributes
    text: str = ""


@dataclass
class Table:
    """A table: its attributes, caption, and rows of cells."""

    attributes: Attributes
    caption: str = ""
    rows: list[list[Cell]] = field(default_factory=list)

    def texts(self) -> list[list[str]]:
        return [[" ".join(cell.text.split()) for cell in row] for row in self.rows]


class Page(HTMLParser):
    """What tests ask of a page; raises where its tags do not nest."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.file = file
        self.source = file.read_text(encoding="utf-8")
        self.open: list[str] = []
        self.tags: list[tuple[str, Attributes]] = []
        self.tables: list[Table] = []
        self.scripts: list[str] = []
        self.text = ""
        self.feed(self.source)
        self.close()
        assert self.open == [], f"{file}: left open {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        self.tags.append((tag, attributes))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "table":
            self.tables.append(Table(attributes))
        elif tag == "tr":
            self.tables[-1].rows.append([])
        elif tag in ("th", "td"):
            self.tables[-1].rows[-1].append(Cell(tag, attributes))
        elif tag == "script":
            self.scripts.append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open[-1] == tag, f"{self.file}: </{tag}> closes {self.open[-3:]}"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script":
            self.scripts[-1] += data
            return
        self.text += data
        if "caption" in self.open:
            self.tables[-1].caption += data
        elif "td" in self.open or "th" in self.open:
            self.tables[-1].rows[-1][-1].text += data

    def values(self, attribute: str) -> list[str]:
        """Of every tag that has the attribute."""
        return [found[attribute] for _, found in self.tags if attribute in found]

    def table(self, caption: str) -> list[list[str]]:
        """The texts of the one table whose caption holds `caption`."""
        (found,) = (table for table in self.tables if caption in table.caption)
        return found.texts()
