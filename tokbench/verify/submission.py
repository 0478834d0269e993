"""Records to and from a git repository of records, whose layout is that of results/.

A submission is a commit on a branch of a clone: git does the rest, and people decide by pull
request. Nothing is pushed from here.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tokbench.errors import ConfigError, RecordError, one_line
from tokbench.schema.record import Record, read_record

FOLDER = "results"  # of the repository, where it has one; else its top


@dataclass(frozen=True)
class Submission:
    """What was prepared: the clone, its branch, and the files that are new on it."""

    clone: Path
    branch: str
    added: tuple[Path, ...]


def fit_for_submission(paths: Sequence[Path]) -> tuple[list[Path], dict[str, int]]:
    """The records that a public board takes, and how many were left out for each reason.

    Left out: failed cells, and rows of single plugin files, whose code nobody else has.
    """
    taken: list[Path] = []
    left: dict[str, int] = {}
    for path in paths:
        record = read_record(path)
        reason = refusal(record)
        if reason:
            left[reason] = left.get(reason, 0) + 1
        else:
            taken.append(path)
    return taken, left


def refusal(record: Record) -> str:
    """Why a public board does not take a record; empty where it does."""
    if record.status != "done":
        return "failed"
    return "" if record.provenance.public else "made with a single plugin file"


def prepare(paths: Sequence[Path], results: Path, repository: str, clone: Path) -> Submission:
    """Clone `repository` into `clone` and commit the records that it lacks on a branch.

    Raises ConfigError where git cannot, RecordError where the repository has them all, or has
    another record of a run.
    """
    if clone.exists():
        raise ConfigError(f"{clone} exists already: name another folder with --clone")
    git("clone", "--quiet", "--depth", "1", repository, str(clone))
    top = records_folder(clone)
    added: list[Path] = []
    for path in paths:
        target = top / path.relative_to(results)
        if target.exists():
            if target.read_bytes() != path.read_bytes():
                raise RecordError(f"{path}: the repository has another record of this run")
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
        added.append(target)
    if not added:
        raise RecordError(f"{repository} has all of these {len(paths)} records already")
    names = "".join(sorted(path.name for path in added))
    branch = f"records-{hashlib.sha256(names.encode()).hexdigest()[:8]}"
    git("-C", str(clone), "checkout", "--quiet", "-b", branch)
    git("-C", str(clone), "add", "--", *(str(path.relative_to(clone)) for path in added))
    plural = "record" if len(added) == 1 else "records"
    git("-C", str(clone), "commit", "--quiet", "-m", f"{len(added)} {plural} of tokbench")
    return Submission(clone, branch, tuple(added))


def fetch(repository: str, out: Path, scratch: Path, left_out: Callable[[str], None]) -> list[Path]:
    """Copy the sound records of `repository` below `out`; those that are there already stay. What
    is no record, or a damaged one, is named to `left_out`.

    Raises ConfigError where git cannot.
    """
    git("clone", "--quiet", "--depth", "1", repository, str(scratch))
    top, copied = records_folder(scratch), list[Path]()
    for path in sorted(top.rglob("*.json")):
        if ".git" in path.relative_to(top).parts:
            continue
        try:
            record = read_record(path)
        except RecordError as error:
            left_out(one_line(str(error).replace(f"{top}/", "")))
            continue
        target = out / record.file_name
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
            copied.append(target)
    return copied


def records_folder(clone: Path) -> Path:
    """Where a repository keeps records."""
    return clone / FOLDER if (clone / FOLDER).is_dir() else clone


def git(*words: str) -> None:
    """Run git. Raises ConfigError with what it said."""
    try:
        done = subprocess.run(["git", *words], capture_output=True, text=True, check=False)
    except OSError as error:
        raise ConfigError(f"git cannot be started: {error.strerror}") from error
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise ConfigError(f"git {words[2] if words[0] == '-C' else words[0]}: {one_line(said[-1])}")
