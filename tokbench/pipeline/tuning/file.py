"""A tuning's file as a run uses it: its best settings, and the budget that stands in the record."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from tokbench.api import Component
from tokbench.errors import ConfigError
from tokbench.schema.record import Budget
from tokbench.schema.tuned import Tuned, read_tuned


@dataclass(frozen=True)
class TunedFile:
    """A file of `tokbench tune`."""

    content: Tuned
    sha256: str

    @classmethod
    def read(cls, path: Path) -> TunedFile:
        """Raises ConfigError for a file that is none, or has no trial that came to an end."""
        content = read_tuned(path)
        if content.best is None:
            raise ConfigError(f"{path}: none of its {len(content.trials)} trials came to an end")
        return cls(content, hashlib.sha256(path.read_bytes()).hexdigest())

    def budget_of(self, component: Component) -> Budget | None:
        """What chose the options of this component; None where others are set."""
        best = self.content.best
        assert best is not None
        found = {name.partition(".")[2]: value for name, value in best.settings.items()
                 if name.partition(".")[0] == component.name}  # fmt: skip
        if not found or any(getattr(component.config, name) != value
                            for name, value in found.items()):  # fmt: skip
            return None
        return Budget(
            component=component.name,
            dataset=self.content.about["dataset"],
            trials=len(self.content.trials),
            core_seconds=self.content.core_seconds,
            file=self.sha256,
        )
