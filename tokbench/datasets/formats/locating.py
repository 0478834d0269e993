"""Finding the two files of a dataset from what the user named: a folder, or one of the files."""

from __future__ import annotations

from pathlib import Path

from tokbench.datasets.formats.gathering import Files
from tokbench.errors import DatasetError, listed


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
    others = [path for path in tables if path != source]
    if items is None:
        items = _only(others, catalogue, folder, "items", "name it: --items FILE")
    if source.is_file():
        return Files(_existing(items), source)
    rest = [path for path in others if path.resolve() != items.resolve()]
    remedy = "name the file itself instead of its folder"
    return Files(_existing(items), _only(rest, events, folder, "interactions", remedy))


def _only(paths: list[Path], words: str, folder: Path, role: str, remedy: str) -> Path:
    """The one path with one of the `words` in its stem, else the only path there is."""
    found = [path for path in paths if set(_words(path)) & set(words.split())] or paths
    if len(found) != 1:
        names = listed([path.name for path in found])
        raise DatasetError(f"which file has the {role}? {names}", path=folder, remedy=remedy)
    return found[0]


def _words(path: Path) -> list[str]:
    return path.stem.lower().replace("-", "_").replace(".", "_").split("_")


def _existing(path: Path) -> Path:
    if not path.is_file():
        remedy = "semantic ids are made from item text; name the file: --items FILE"
        raise DatasetError("no such file of items", path=path, remedy=remedy)
    return path
