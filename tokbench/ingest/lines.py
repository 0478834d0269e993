"""Lines of large text files, plain, gzipped or inside a zip: one at a time, with progress.

Archives are read in place, never unpacked, so no member can write outside a folder.
"""

from __future__ import annotations

import gzip
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path, PurePosixPath
from typing import IO, cast

from tokbench.api import Progress
from tokbench.errors import DatasetError

LONGEST = 64 * 2**20  # bytes in a line; more is taken for a damaged file
STEP = 5_000  # lines between two moves of the progress bar
AGAIN = "delete it and download it again"


def read_lines(path: Path, progress: Progress, member: str = "") -> Iterator[tuple[int, str]]:
    """(line number from 1, line without its end) of a file, or of a zip's `member`.

    Bytes that are no UTF-8 come out as U+FFFD. Raises DatasetError for a file that is missing,
    cut short, damaged, or has a line of more than LONGEST bytes.
    """
    number = 0
    try:
        with ExitStack() as stack:
            file = stack.enter_context(path.open("rb"))
            stream = stack.enter_context(_open(path, file, member))
            size = path.stat().st_size
            advance = stack.enter_context(progress.track(f"read {path.name}", total=size))
            done = 0
            while raw := stream.readline(LONGEST + 1):
                number += 1
                if len(raw) > LONGEST:
                    problem = f"a line of more than {LONGEST >> 20} MB"
                    raise DatasetError(problem, path=path, line=number, remedy=AGAIN)
                if number == 1:
                    raw = raw.removeprefix(b"\xef\xbb\xbf")
                yield number, raw.decode("utf-8", "replace").rstrip("\r\n")
                if number % STEP == 0:
                    advance(file.tell() - done)
                    done = file.tell()
            advance(size - done)
    except (EOFError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile) as error:
        problem = f"cut short or damaged: {error}"
        raise DatasetError(problem, path=path, line=number + 1, remedy=AGAIN) from error
    except OSError as error:
        problem = f"cannot be read: {error.strerror or error}"
        raise DatasetError(problem, path=path, remedy="check the file and its rights") from error


def _open(path: Path, file: IO[bytes], member: str) -> IO[bytes]:
    if member:
        archive = zipfile.ZipFile(file)
        return archive.open(find_member(path, archive, member))
    if path.suffix == ".gz":
        return cast(IO[bytes], gzip.GzipFile(fileobj=file))
    return file


def find_member(path: Path, archive: zipfile.ZipFile, member: str) -> str:
    """The name inside the zip of the file called `member`, at the top or in one folder.

    Raises DatasetError where there is none, or where the archive holds a path that climbs out.
    """
    names = [info.filename for info in archive.infolist() if not info.is_dir()]
    for name in names:
        parts = PurePosixPath(name.replace("\\", "/")).parts
        if ".." in parts or name.startswith(("/", "\\")) or ":" in parts[0]:
            problem = f"the archive holds {name!r}, a path that leads out of it"
            raise DatasetError(problem, path=path, remedy="get it from the official host")
    found = [name for name in names if PurePosixPath(name).name == member]
    found = [name for name in found if len(PurePosixPath(name).parts) <= 2]
    if len(found) != 1:
        problem = f"holds {len(found)} files named {member}"
        raise DatasetError(problem, path=path, remedy="is it the official archive?")
    return found[0]
