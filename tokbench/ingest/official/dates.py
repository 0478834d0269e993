"""Dates of official files as seconds."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from tokbench.errors import DatasetError, shown


def seconds(text: object, path: Path, line: int) -> int:
    """Seconds since 1970 of an ISO date or date and time, taken as UTC. Raises DatasetError."""
    try:
        return int(datetime.fromisoformat(str(text)).replace(tzinfo=UTC).timestamp())
    except ValueError as error:
        remedy = "is it the official file?"
        raise DatasetError(
            f"{shown(text)} is no date", path=path, line=line, remedy=remedy
        ) from error
