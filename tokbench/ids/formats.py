"""Which format a code table has, and reading and writing it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal, get_args

from tokbench.errors import ConfigError, DatasetError, Fault, listed, stop
from tokbench.ids import csv_table, json_table, lc_rec, npy_table, parquet_table
from tokbench.ids.code_table import CodeTable, Found, make_table

FormatName = Literal["auto", "lc-rec", "json", "csv", "parquet", "npy"]


@dataclass(frozen=True)
class CodeFormat:
    """How one format is read and written.

    `encode` gives the content of each file, by what is added to the file's name.
    """

    read: Callable[[Path, Fault], Found]
    encode: Callable[[CodeTable], dict[str, bytes]]
    holds_sizes: bool


FORMATS: Mapping[str, CodeFormat] = MappingProxyType(
    {
        "lc-rec": CodeFormat(lc_rec.read, lc_rec.encode, holds_sizes=False),
        "json": CodeFormat(json_table.read, json_table.encode, holds_sizes=False),
        "csv": CodeFormat(csv_table.read, csv_table.encode, holds_sizes=False),
        "parquet": CodeFormat(parquet_table.read, parquet_table.encode, holds_sizes=True),
        "npy": CodeFormat(npy_table.read, npy_table.encode, holds_sizes=True),
    }
)
assert {"auto", *FORMATS} == set(get_args(FormatName))

TABLE_SUFFIXES = (".json", ".csv", ".parquet", ".npy")
_HEAD = 2**16
_FIRST_IS_TEXT = re.compile(rb'\s*\{\s*"(?:[^"\\]|\\.)*"\s*:\s*\[\s*"', re.DOTALL)


def read_table(
    path: Path,
    format: FormatName = "auto",
    *,
    level_sizes: Sequence[int] = (),
    fault: Fault = stop,
) -> CodeTable:
    """The code table in a file.

    `level_sizes` overrules what the file says; without either, a level's size is its largest
    code + 1. A faulty row goes to `fault` and is left out: `stop` raises, `faults.append` collects.
    Raises DatasetError for a file of which nothing can be used.
    """
    reader = FORMATS[detect(path) if format == "auto" else _checked(format)]
    require_file(path)
    try:
        found = reader.read(path, fault)
    except OSError as error:
        raise DatasetError(f"cannot be read: {error.strerror}", path=path) from error
    return make_table(found, path, fault=fault, level_sizes=level_sizes)


def write_table(table: CodeTable, path: Path, format: str) -> list[Path]:
    """Write a table, each file at once or not at all; returns the files written.

    Raises ConfigError for a table the format cannot hold, MissingExtraError for parquet without
    its extra, DatasetError when the file cannot be written.
    """
    written = []
    for added, content in FORMATS[_checked(format)].encode(table).items():
        file = path.with_name(path.name + added)
        partial = file.with_name(f"{file.name}.{os.getpid()}.partial")
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            partial.write_bytes(content)
            partial.replace(file)
        except OSError as error:
            raise DatasetError(f"cannot be written: {error.strerror}", path=file) from error
        finally:
            partial.unlink(missing_ok=True)
        written.append(file)
    return written


def detect(path: Path) -> str:
    """The format of a file: by its first bytes where they tell, else by its name."""
    require_file(path)
    try:
        with path.open("rb") as stream:
            head = stream.read(_HEAD)
    except OSError as error:
        raise DatasetError(f"cannot be read: {error.strerror}", path=path) from error
    if head.startswith(b"PAR1"):
        return "parquet"
    if head.startswith(b"\x93NUMPY"):
        return "npy"
    head = head.removeprefix(b"\xef\xbb\xbf")
    if path.suffix.lower() == ".json" or head.lstrip().startswith(b"{"):
        return "lc-rec" if _FIRST_IS_TEXT.match(head) else "json"
    suffix = path.suffix.lower().removeprefix(".")
    if suffix in FORMATS or head.startswith(b"item_id,"):
        return suffix if suffix in FORMATS else "csv"
    raise DatasetError(
        "neither its name nor its content says what format this is",
        path=path,
        remedy=f"name it: format is one of {listed(list(FORMATS))}",
    )


def files_of(path: Path, format: FormatName = "auto") -> tuple[Path, ...]:
    """The files that make up a table. Raises DatasetError when the first is not there."""
    require_file(path)
    name = detect(path) if format == "auto" else format
    return (path, npy_table.ids_file(path)) if name == "npy" else (path,)


def tables_in(path: Path) -> tuple[Path, ...]:
    """The code tables that a path names: the file itself, or every table of a folder by name.

    A folder's tables are its files named .json, .csv, .parquet or .npy, bar hidden ones and the
    ids beside an .npy. Raises DatasetError for a folder without one.
    """
    if not path.is_dir():
        return (path,)
    named = sorted(
        file
        for file in path.iterdir()
        if file.suffix.lower() in TABLE_SUFFIXES and file.is_file() and file.name[0] != "."
    )
    beside = {npy_table.ids_file(file) for file in named if file.suffix.lower() == ".npy"}
    tables = tuple(file for file in named if file not in beside)
    if not tables:
        raise DatasetError(
            "no code table in this folder",
            path=path,
            remedy=f"tables are files named {listed(TABLE_SUFFIXES)}; --codes takes a file too",
        )
    return tables


def require_file(path: Path) -> None:
    """Raises DatasetError when there is no such file."""
    if not path.is_file():
        raise DatasetError("no such file", path=path, remedy="name a file with a code table")


def _checked(format: str) -> str:
    if format not in FORMATS:
        raise ConfigError(f"unknown format {format!r}: use one of {listed(list(FORMATS))}")
    return format
