"""Finding the official raw files: in a folder that the user filled, or by downloading them."""

from __future__ import annotations

from pathlib import Path

from tokbench.api import Progress
from tokbench.errors import ConfigError, DatasetError
from tokbench.ingest.download import RawFile, fetch
from tokbench.ingest.official.official import Source


def at_hand(source: Source, folder: Path | None) -> bool:
    """True where the folder holds every file of the source."""
    return folder is not None and all(find_raw(file, source, folder) for file in source.files)


def find_raw(file: RawFile, source: Source, folder: Path) -> Path | None:
    """The file in the folder as it was published or unpacked; None where it is not there."""
    packed = folder / file.name
    stem = file.name.removesuffix(".zip").removesuffix(".gz")
    candidates = [packed, folder / stem]
    if source.release == "mind":
        candidates = [path for path in candidates if path.is_file() or _is_mind_part(path)]
        if len(source.files) == 1 and _is_mind_part(folder):
            candidates.append(folder)
    return next((path for path in candidates if path.exists()), None)


def _is_mind_part(folder: Path) -> bool:
    return (folder / "news.tsv").is_file() and (folder / "behaviors.tsv").is_file()


def locate(
    file: RawFile, source: Source, raw: Path | None, downloads: Path | None, progress: Progress
) -> Path:
    """Where the file is, downloaded if need be. Raises DatasetError saying what to put where."""
    if raw is not None:
        path = find_raw(file, source, raw)
        if path is None:
            raise DatasetError("missing", path=raw / file.name, remedy=needed_files(source))
        return path
    if downloads is None:
        raise ConfigError("give the folder of the raw files, or one to download them to")
    return fetch(file, downloads, progress)


def needed_files(source: Source) -> str:
    """Which files, from where, to put into the raw folder."""
    return "put there " + " and ".join(f"{file.name} from {file.where}" for file in source.files)
