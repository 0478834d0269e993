"""Other people's layouts to a dataset folder: items.jsonl, sequences.jsonl and import.json.

Everything is kept: users of one item, items without text and repeated interactions come along, and
`Imported` counts them. What to leave out is decided when the folder is loaded; only interactions
with items that nothing describes are dropped here, where the user says so.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from tokbench.api import Progress, Quiet
from tokbench.datasets.folder import TEMPLATE
from tokbench.datasets.layout import ITEMS, SEQUENCES, SHORTEST
from tokbench.datasets.text import render, template_fields
from tokbench.errors import ConfigError, DatasetError, listed, stop
from tokbench.ingest.formats import csv_tables, folder_layout, lc_rec, parquet_tables, recbole
from tokbench.ingest.formats.columns import Columns
from tokbench.ingest.formats.rows import WORDING, Files, Format, RowChecker, UnknownItems
from tokbench.ingest.formats.values import Json
from tokbench.ingest.interactions import Statistics, count, in_order, repeated_events
from tokbench.ingest.writing import (
    files_read,
    json_line,
    open_for_lines,
    refuse_existing,
    write_sequences,
    written_at_once,
)

FormatName = Literal["auto", "folder", "lc-rec", "recbole", "csv", "parquet"]
FORMATS: Mapping[str, Format] = {  # the surest to recognise come first
    "folder": folder_layout,
    "lc-rec": lc_rec,
    "recbole": recbole,
    "parquet": parquet_tables,
    "csv": csv_tables,
}
IMPORT = "import.json"
READ = {"item_id", *template_fields(TEMPLATE)}
RECOGNISED = (
    "recognised are items.jsonl with sequences.jsonl, X.inter.json with X.item.json, X.inter with "
    "X.item, and two tables in csv, tsv or parquet"
)


@dataclass(frozen=True)
class Imported:
    """What was imported, and what a run of it will ask to be told."""

    format: str
    files: Files
    statistics: Statistics
    catalogue: int  # items written, those without interactions included
    textless: int  # of them, items in which the folder's own template finds nothing
    unknown_items: int  # items that only the interactions name: written, or dropped
    dropped_interactions: int  # with unknown items, where these are dropped
    short_users: int  # users with too few items for leave-one-out
    duplicate_rows: int  # events with user, item and time of another; kept
    times: Literal["none", "as given", "millionths"]
    columns: Mapping[str, str]  # table -> which of its columns is what, and which is not used
    unread_fields: Mapping[str, int]  # fields kept but not in the folder's template -> items


@dataclass
class _Catalogue:
    """Counts of the items that pass through."""

    items: int = 0
    textless: int = 0
    fields: Counter[str] = field(default_factory=Counter)

    def add(self, row: Mapping[str, Json]) -> None:
        self.items += 1
        self.textless += not render(WORDING, row)
        self.fields.update(row.keys())


def import_data(
    source: Path,
    out: Path,
    *,
    form: FormatName = "auto",
    items: Path | None = None,
    columns: Columns | None = None,
    unknown_items: UnknownItems = "error",
    progress: Progress | None = None,
) -> Imported:
    """Write the dataset that `source` holds, a folder or a file of interactions, to `out`.

    `items` names the items file where it does not lie beside the other. Interactions are sorted
    by time, those of equal time stay in file order. Raises DatasetError at the first fault, with
    file and line, and then leaves nothing behind.
    """
    progress = progress or Quiet()
    refuse_existing(out)
    columns = columns or Columns()
    name, files = find_files(source, form, items)
    catalogue = _Catalogue()
    with written_at_once(out) as folder:
        with open_for_lines(folder / ITEMS) as stream:

            def write(row: dict[str, Json]) -> None:
                catalogue.add(row)
                stream.write(json_line(row))

            rows = RowChecker(write, unknown_items, stop)
            gather(rows, FORMATS[name], files, columns)
        log = rows.log()
        events = in_order(log)
        write_sequences(
            folder / SEQUENCES, events.user, events.item, log.users, log.items, times=events.time
        )
        done = Imported(
            format=name,
            files=files,
            statistics=count(events),
            catalogue=catalogue.items,
            textless=catalogue.textless,
            unknown_items=len(rows.unknown_items),
            dropped_interactions=rows.dropped,
            short_users=int((np.bincount(events.user) < SHORTEST).sum()),
            duplicate_rows=repeated_events(log),
            times="none" if log.time is None
            else "millionths" if any(rows.millionths) else "as given",
            columns=columns.notes,
            unread_fields={n: k for n, k in catalogue.fields.items() if n not in READ},
        )  # fmt: skip
        content = asdict(done) | {"files": files_read(files, progress)}
        text = json.dumps(content, indent=2, ensure_ascii=True)
        (folder / IMPORT).write_text(text + "\n", "utf-8")
    return done


def find_problems(
    source: Path,
    *,
    form: FormatName = "auto",
    items: Path | None = None,
    columns: Columns | None = None,
    unknown_items: UnknownItems = "error",
) -> list[DatasetError]:
    """Every fault that importing `source` would meet, in the order of reading; writes nothing."""
    found: list[DatasetError] = []
    try:
        name, files = find_files(source, form, items)
        rows = RowChecker(lambda row: None, unknown_items, _Once(found))
        gather(rows, FORMATS[name], files, columns or Columns())
        rows.log()
    except DatasetError as error:
        if not found or error.problem not in (NO_ITEMS, NO_INTERACTIONS):
            found.append(error)  # nothing left is no news where the faults are listed
    return found


NO_ITEMS = "no items"
NO_INTERACTIONS = "no interactions"


class _Once:
    """A `fault` that collects each sentence once: a file may be read by more than one reader."""

    def __init__(self, found: list[DatasetError]) -> None:
        self.found, self.said = found, {str(error) for error in found}

    def __call__(self, error: DatasetError) -> None:
        if str(error) not in self.said:
            self.said.add(str(error))
            self.found.append(error)


def find_files(source: Path, form: FormatName, items: Path | None) -> tuple[str, Files]:
    """The format of `source`, and its files. Raises DatasetError where it is none of ours."""
    if not source.exists():
        raise DatasetError("no such file or folder", path=source)
    if form != "auto" and form not in FORMATS:
        raise ConfigError(f"unknown format {form!r}; allowed: auto, {listed(list(FORMATS))}")
    names = list(FORMATS) if form == "auto" else [form]
    for name in names:
        files = FORMATS[name].find(source, items)
        if files is not None:
            return name, files
    what = "no dataset of a known format" if form == "auto" else f"no dataset of format {form}"
    raise DatasetError(what, path=source, remedy=RECOGNISED)


def needs_import(path: Path, form: FormatName) -> bool:
    """Whether `path` has to be imported before it can be run: it is there, and no dataset folder.

    A format given by name is taken at its word.
    """
    if form != "auto":
        return form != "folder"
    return path.exists() and not (path / ITEMS).is_file() and not (path / SEQUENCES).is_file()


def gather(rows: RowChecker, form: Format, files: Files, columns: Columns) -> None:
    """Read both files. Raises DatasetError where no item or no interaction is left."""
    for item in form.read_items(files.items, columns, rows.fault):
        rows.add_item(item, files.items)
    if not rows.events.items:
        raise DatasetError(NO_ITEMS, path=files.items)
    for event in form.read_events(files.interactions, columns, rows.fault):
        rows.add_event(event, files.interactions)
    if not rows.events.user:
        raise DatasetError(NO_INTERACTIONS, path=files.interactions)
