"""Raw files to a dataset folder: items.jsonl, sequences.jsonl and recipe.json, all or nothing."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from tokbench.api import Progress, Quiet
from tokbench.datasets.layout import ITEMS, SEQUENCES
from tokbench.datasets.text import clean
from tokbench.errors import ConfigError, DatasetError, listed
from tokbench.ingest.interactions import Events, Log, Statistics, count
from tokbench.ingest.official import amazon, mind, movielens, steam, tables, yelp
from tokbench.ingest.official.official import Official, Source, official
from tokbench.ingest.official.raw_files import at_hand, locate, needed_files
from tokbench.ingest.official.recipe import DataRecipe, Mask, apply, distance
from tokbench.ingest.writing import (
    files_read,
    json_line,
    open_for_lines,
    refuse_existing,
    write_sequences,
    written_at_once,
)

RECIPE = "recipe.json"
DAY = 86_400  # seconds
BY_DAY = ("mind", "2014", "2018", "steam", "food")


def prepare(
    name: str,
    *,
    out: Path,
    raw: Path | None = None,
    downloads: Path | None = None,
    recipe: DataRecipe | None = None,
    progress: Progress | None = None,
) -> Statistics:
    """Make the folder `out` of the dataset `name` and return its counts.

    Raw files are taken from `raw`, or else downloaded to `downloads`. `recipe` defaults to the
    dataset's. Raises DatasetError where a file is missing or damaged or `out` exists already.
    """
    entry = official(name)
    recipe = entry.recipe if recipe is None else recipe
    progress = progress or Quiet()
    refuse_existing(out)
    source = source_of(entry, recipe)
    paths = [locate(file, source, raw, downloads, progress) for file in source.files]
    log = read_log(source, paths, recipe.stream, progress)
    with written_at_once(out) as folder:
        spool = folder / "spool.jsonl"
        titled = spool_items(read_items(source, paths, progress), log, spool)
        events = apply(between(log, recipe, source.release), recipe, titled)
        if not len(events.user):
            raise DatasetError("the recipe leaves nothing", path=out, remedy="loosen its bounds")
        write_items(folder / ITEMS, spool, log, events)
        write_events(folder / SEQUENCES, log, events, source.release)
        spool.unlink()
        statistics = count(events)
        write_recipe(folder / RECIPE, entry, recipe, statistics, paths, progress)
    return statistics


def between(log: Log, recipe: DataRecipe, release: str) -> Log:
    """The events from the recipe's `since` to its `until`, both days included."""
    if log.time is None or not (recipe.since or recipe.until):
        return log
    unit = 1000 if release in ("2023", "microlens") else 1
    keep = np.ones(len(log.time), np.bool_)
    if recipe.since:
        keep &= log.time >= midnight(recipe.since) * unit
    if recipe.until:
        keep &= log.time < (midnight(recipe.until) + DAY) * unit
    return replace(log, user=log.user[keep], item=log.item[keep], time=log.time[keep])


def midnight(day: str) -> int:
    """Seconds since 1970 at the beginning of a day, UTC."""
    return int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp())


@dataclass(frozen=True)
class Candidate:
    """A recipe of the grid and how near its counts come to the published ones."""

    recipe: DataRecipe
    statistics: Statistics
    distance: float


def recipes(
    name: str,
    *,
    raw: Path | None = None,
    downloads: Path | None = None,
    progress: Progress | None = None,
) -> list[Candidate]:
    """The counts of every recipe of the grid whose raw files are at hand, nearest first.

    With `downloads`, the files of the default recipe are downloaded where they are missing.
    """
    entry = official(name)
    progress = progress or Quiet()
    found: list[Candidate] = []
    used: list[list[Path]] = []
    for source_name, source in entry.sources.items():
        grid = [recipe for recipe in entry.grid if recipe.source == source_name]
        wanted = raw is None and source_name == entry.recipe.source
        if not grid or not (wanted or at_hand(source, raw or downloads)):
            continue
        paths = [locate(file, source, raw, downloads, progress) for file in source.files]
        if paths in used:  # an unpacked part without its name: taken for the first source it fits
            continue
        used.append(paths)
        found += _tried(entry, source, paths, grid, progress)
    if not found:
        folder = raw or downloads
        remedy = needed_files(entry.sources[entry.recipe.source])
        raise DatasetError("holds the files of no source", path=folder, remedy=remedy)
    return sorted(found, key=lambda candidate: candidate.distance)


def _tried(
    entry: Official,
    source: Source,
    paths: Sequence[Path],
    grid: Sequence[DataRecipe],
    progress: Progress,
) -> Iterator[Candidate]:
    known: set[str] = {
        str(row["item_id"]) for row in read_items(source, paths, progress) if has_title(row)
    }
    for stream in dict.fromkeys(recipe.stream for recipe in grid):
        log = read_log(source, paths, stream, progress)
        titled = np.array([item in known for item in log.items], np.bool_)
        for recipe in grid:
            if recipe.stream == stream:
                kept = between(log, recipe, source.release)
                statistics = count(apply(kept, recipe, titled))
                yield Candidate(recipe, statistics, distance(statistics, entry.published))


def source_of(entry: Official, recipe: DataRecipe) -> Source:
    """The source a recipe names. Raises ConfigError listing those there are."""
    if recipe.source not in entry.sources:
        raise ConfigError(
            f"recipe of {entry.name!r}: unknown source {recipe.source!r}; "
            f"allowed: {listed(list(entry.sources))}"
        )
    return entry.sources[recipe.source]


def read_log(source: Source, paths: Sequence[Path], stream: str, progress: Progress) -> Log:
    """The interactions of a source."""
    match source.release:
        case "mind":
            return mind.read_log(paths, stream, progress)
        case "movielens":
            return movielens.read_log(paths, progress)
        case "steam":
            return steam.read_log(paths, progress)
        case "yelp":
            return yelp.read_log(paths, progress)
        case "microlens":
            return tables.read_microlens_log(paths, progress)
        case "food":
            return tables.read_food_log(paths, progress)
    if ".csv" in paths[0].suffixes:
        return amazon.read_ratings(paths[0], source.release, progress)
    return amazon.read_reviews(paths[0], progress)


def read_items(
    source: Source, paths: Sequence[Path], progress: Progress
) -> Iterable[Mapping[str, object]]:
    """The items of a source, each once."""
    match source.release:
        case "mind":
            return mind.read_news(paths, progress)
        case "movielens":
            return movielens.read_items(paths, progress)
        case "steam":
            return steam.read_items(paths, progress)
        case "yelp":
            return yelp.read_items(paths, progress)
        case "microlens":
            return tables.read_microlens_items(paths, progress)
        case "food":
            return tables.read_food_items(paths, progress)
    return amazon.read_items(paths[1], progress)


def has_title(row: Mapping[str, object]) -> bool:
    """Whether the item has a title once entities and markup are gone."""
    return bool(clean(row.get("title")))


def spool_items(rows: Iterable[Mapping[str, object]], log: Log, path: Path) -> Mask:
    """Write the items that the log knows to a file, and say which of the log's have a title [N]."""
    index = {item: n for n, item in enumerate(log.items)}
    titled = np.zeros(len(index), np.bool_)
    with open_for_lines(path) as file:
        for row in rows:
            n = index.get(str(row["item_id"]))
            if n is not None:
                titled[n] = has_title(row)
                file.write(json_line(row))
    return titled


def write_items(path: Path, spool: Path, log: Log, events: Events) -> None:
    """items.jsonl: the items that occur in the events; those without metadata come last."""
    kept = {log.items[n] for n in np.unique(events.item)}
    with (
        spool.open(encoding="utf-8", newline="\n") as rows,
        open_for_lines(path) as file,
    ):
        for text in rows:
            item_id = json.loads(text)["item_id"]
            if item_id in kept:
                kept.remove(item_id)
                file.write(text)
        for item_id in sorted(kept):
            file.write(json_line({"item_id": item_id, "title": ""}))


def write_events(path: Path, log: Log, events: Events, release: str) -> None:
    """sequences.jsonl, with `days` for releases that give no finer time, and with `times`."""
    times, called = events.time, "times"
    if times is not None and release in BY_DAY:
        times, called = times // DAY, "days"
    write_sequences(
        path, events.user, events.item, log.users, log.items, times=times, times_called=called
    )


def write_recipe(
    path: Path,
    entry: Official,
    recipe: DataRecipe,
    statistics: Statistics,
    paths: Sequence[Path],
    progress: Progress,
) -> None:
    """recipe.json: what was done to which bytes, what came out, and what was published."""
    tables = ("behaviors.tsv", "news.tsv")
    files = [
        file
        for path in paths
        for file in ([path / table for table in tables] if path.is_dir() else [path])
    ]
    content = {
        "dataset": entry.name,
        "about": entry.about,
        "licence": entry.licence,
        "files": [file.where for file in source_of(entry, recipe).files],
        "recipe": recipe.model_dump(),
        "statistics": asdict(statistics),
        "published": asdict(entry.published),
        "raw": files_read(files, progress),
    }
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", "utf-8")
