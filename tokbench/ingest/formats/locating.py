"""Finding the two files of a dataset from what the user named: a folder, or one of the files."""

from __future__ import annotations

from pathlib import Path

from tokbench.errors import DatasetError, listed
from tokbench.ingest.formats.rows import Files


def by_ending(source: Path, items: Path | None, events_end: str, items_end: str) -> Files | None:
    """X + `events_end` and X + `items_end` side by side; None where there is no such file.

    In a folder with several, the one called like the folder. Raises DatasetError where the choice
    is not clear, or where the items are missing.
    """
    if source.is_dir():
        found = sorted(path for path in source.iterdir() if path.name.endswith(events_end))
        named = [path for path in found if path.name == source.resolve().name + events_end]
        found = named or found
        if len(found) > 1:
            names = listed([path.name for path in found])
            raise DatasetError(f"several {events_end} files: {names}", path=source,
                               remedy="name the one to import")  # fmt: skip
    else:
        found = [source] if source.name.endswith(events_end) else []
    if not found:
        return None
    beside = found[0].with_name(found[0].name.removesuffix(events_end) + items_end)
    return Files(_existing(items or beside), found[0])


def by_name(
    source: Path, items: Path | None, endings: tuple[str, ...], events: str, catalogue: str
) -> Files | None:
    """A file whose name has one of the words in `events`, and one with a word in `catalogue`.

    `source` is a folder, or the file of interactions itself. None where there is no table with
    one of the endings. Raises DatasetError where it is not clear which file is which.
    """
    folder = source if source.is_dir() else source.parent
    try:
        tables = sorted(path for path in folder.iterdir() if path.suffix.lower() in endings)
    except OSError as error:
        problem = f"cannot be read: {error.strerror or error}"
        raise DatasetError(problem, path=folder) from error
    if source.is_file() and source.suffix.lower() not in endings:
        return None
    if source.is_dir() and not tables:
        return None
    interactions = source if source.is_file() else _named(_without(tables, items), events)
    if items is None:
        rest = _without(tables, interactions)
        items = _only(rest, catalogue, folder, "items", "name it: --items FILE")
    if interactions is None:
        remedy = "name the file itself instead of its folder"
        rest = _without(tables, items)
        interactions = _only(rest, events, folder, "interactions", remedy)
    return Files(_existing(items), interactions)


def _without(paths: list[Path], taken: Path | None) -> list[Path]:
    return [path for path in paths if taken is None or path.resolve() != taken.resolve()]


def _named(paths: list[Path], words: str) -> Path | None:
    """The one path with one of the `words` in its stem, None where there are none or several."""
    found = [path for path in paths if set(_words(path)) & set(words.split())]
    return found[0] if len(found) == 1 else None


def _only(paths: list[Path], words: str, folder: Path, role: str, remedy: str) -> Path:
    """The one path with one of the `words` in its stem, else the only path there is."""
    found = _named(paths, words)
    if found is None and len(paths) != 1:
        names = listed([path.name for path in paths])
        raise DatasetError(f"which file has the {role}? {names}", path=folder, remedy=remedy)
    return found or paths[0]


def _words(path: Path) -> list[str]:
    return path.stem.lower().replace("-", "_").replace(".", "_").split("_")


def _existing(path: Path) -> Path:
    if not path.is_file():
        remedy = "semantic ids are made from item text; name the file: --items FILE"
        raise DatasetError("no such file of items", path=path, remedy=remedy)
    return path
