"""The one reader of text files: lines, or a json object a line, plain, gzipped or inside a zip.

Archives are read in place, never unpacked, so no member can write outside a folder. Readers pass
each faulty line to a `fault` function: `stop` raises the first, `faults.append` collects them all.
"""

from __future__ import annotations

import gzip
import json
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path, PurePosixPath
from typing import IO, NoReturn, cast

from tokbench.api import Progress, Quiet
from tokbench.errors import DatasetError, Fault, json_type, shown, stop

BOM = b"\xef\xbb\xbf"
LONGEST = 64 * 2**20  # bytes in a line; more is taken for a damaged file
WHOLE = 4 * 2**30  # bytes in a line of a file that is one json object
STEP = 5_000  # lines between two moves of the progress bar
UNPACKED = 256 * 2**20, 200  # an archive may unpack to so many bytes, or times its own size
AGAIN = "delete it and download it again"
ONE_OBJECT = "each line is one json object"
DAMAGED = (  # what reading a damaged or unusual archive raises
    *(EOFError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile, NotImplementedError),
    *(RuntimeError, ValueError, OverflowError),
)


def read_lines(
    path: Path,
    fault: Fault | None = None,
    *,
    progress: Progress | None = None,
    member: str = "",
    longest: int = 0,
) -> Iterator[tuple[int, str]]:
    """(line number from 1, line without its end) of a file, or of a zip's `member`.

    A line that is not UTF-8 goes to `fault` where there is one, and comes out with U+FFFD. Raises
    DatasetError for a file that is missing, cut short, damaged, unpacks to far more than its size,
    or has a line of more than `longest` bytes (0: LONGEST).
    """
    longest = longest or LONGEST
    named = f"member {member}: " if member else ""
    number = unpacked = done = 0
    try:
        with ExitStack() as stack:
            file = stack.enter_context(path.open("rb"))
            stream = stack.enter_context(_open(path, file, member))
            size = path.stat().st_size
            most = max(UNPACKED[0], UNPACKED[1] * size) if stream is not file else 0
            track = (progress or Quiet()).track(f"read {path.name}", total=size)
            advance = stack.enter_context(track)
            while raw := stream.readline(longest + 1):
                number += 1
                unpacked += len(raw)
                if len(raw) > longest:
                    problem = f"{named}a line of more than {longest >> 20} MB"
                    raise DatasetError(problem, path=path, line=number, remedy=AGAIN)
                if most and unpacked > most:
                    problem = f"{named}unpacks to more than {most:,} bytes, {UNPACKED[1]} times"
                    remedy = "if it is genuine, unpack it yourself and name the unpacked file"
                    raise DatasetError(f"{problem} its size or more", path=path, remedy=remedy)
                if number == 1:
                    raw = raw.removeprefix(BOM)
                yield number, _decoded(raw, path, number, fault).rstrip("\r\n")
                if number % STEP == 0:
                    advance(file.tell() - done)
                    done = file.tell()
            advance(size - done)
    except DAMAGED as error:
        problem = f"{named}cut short or damaged: {str(error) or type(error).__name__}"
        raise DatasetError(problem, path=path, line=number + 1, remedy=AGAIN) from error
    except OSError as error:
        problem = f"cannot be read: {error.strerror or error}"
        raise DatasetError(problem, path=path, remedy="check the file and its rights") from error


def read_objects(path: Path, fault: Fault) -> Iterator[tuple[int, dict[str, object]]]:
    """(line number from 1, object) for each line; blank lines, CRLF and a leading BOM are fine."""
    for line, text in read_lines(path, fault):
        if not text.strip():
            continue
        try:
            row = json.loads(text, object_pairs_hook=_distinct, parse_constant=_no_constant)
        except (ValueError, RecursionError) as error:
            problem = f"malformed json: {getattr(error, 'msg', None) or error}"
            fault(DatasetError(problem, path=path, line=line, remedy=ONE_OBJECT))
            continue
        if not isinstance(row, dict):
            problem = f"expected a json object, found {json_type(row)}"
            fault(DatasetError(problem, path=path, line=line, remedy=ONE_OBJECT))
            continue
        yield line, row


def read_whole(path: Path) -> str:
    """The file's content, lines parted by a newline. Raises DatasetError as `read_lines` does."""
    return "\n".join(text for _, text in read_lines(path, stop, longest=WHOLE))


def _decoded(raw: bytes, path: Path, line: int, fault: Fault | None) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        if fault is not None:
            problem = f"not UTF-8: byte {raw[error.start]:#04x}"
            fault(DatasetError(problem, path=path, line=line, remedy="save it as UTF-8"))
        return raw.decode("utf-8", "replace")


def _distinct(pairs: list[tuple[str, object]]) -> dict[str, object]:
    row = dict(pairs)
    if len(row) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the field {shown(twice)} is there twice")
    return row


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no json value: write null, or leave the field out")


def _open(path: Path, file: IO[bytes], member: str) -> IO[bytes]:
    if member:
        archive = zipfile.ZipFile(file)
        return archive.open(find_member(path, archive, member))
    if path.suffix == ".gz":
        return cast(IO[bytes], gzip.GzipFile(fileobj=file))
    return file


def find_member(path: Path, archive: zipfile.ZipFile, member: str) -> zipfile.ZipInfo:
    """The entry of the zip for the file called `member`, at the top or in one folder.

    Raises DatasetError where there is none, where it is encrypted or compressed otherwise than by
    deflate, or where the archive holds a path that leads out of it.
    """
    entries = [info for info in archive.infolist() if not info.is_dir()]
    for entry in entries:
        name = entry.orig_filename
        parts = PurePosixPath(name.replace("\\", "/")).parts
        if not parts or ".." in parts or "\0" in name or name[0] in "/\\" or ":" in parts[0]:
            problem = f"the archive holds {shown(name)}, a path that leads out of it or to nothing"
            raise DatasetError(problem, path=path, remedy="get it from the official host")
    found = [e for e in entries if PurePosixPath(e.filename).name == member]
    found = [e for e in found if len(PurePosixPath(e.filename).parts) <= 2]
    if len(found) != 1:
        names = ", ".join(shown(e.filename) for e in (found or entries)[:5]) or "nothing"
        problem = f"holds {len(found)} files named {member}; there are {names}"
        raise DatasetError(problem, path=path, remedy="is it the official archive?")
    if found[0].flag_bits & 1:
        problem, remedy = f"member {member} is encrypted", "unpack it yourself"
        raise DatasetError(problem, path=path, remedy=f"{remedy} and name its folder with --raw")
    if found[0].compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        problem = f"member {member} is compressed by method {found[0].compress_type}"
        remedy = "only stored and deflated members are read: unpack it and name its folder"
        raise DatasetError(problem, path=path, remedy=remedy)
    return found[0]
