"""The file of a tuning: what was tried on validation, at what cost, and which settings were best.

`tokbench tune FILE` writes it after every trial, `tokbench run --tuned FILE` reads it.
"""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import ValidationError

from tokbench.errors import ConfigError
from tokbench.schema.run_spec import Frozen

Setting = bool | int | float | str


class Trial(Frozen):
    """One setting that was tried."""

    number: int
    settings: dict[str, Setting]  # SCOPE.OPTION -> value
    figures: dict[str, float] = {}  # of the validation users; none where the trial failed
    core_seconds: float  # of this process, all threads; stages found in the store cost nothing
    error: str | None = None


class Tuned(Frozen):
    """Trials of one method on one dataset."""

    tuned_schema: int = 1
    about: dict[str, str]  # dataset, tokenizer, policy, generator, and what else was held fixed
    space: dict[str, str]  # SCOPE.OPTION -> range or choices
    seed: int  # of the trials' training, and of the search
    budget: int  # trials asked for
    trials: tuple[Trial, ...]

    @property
    def core_seconds(self) -> float:
        """Of all trials, failed ones included."""
        return round(sum(trial.core_seconds for trial in self.trials), 1)

    @property
    def best(self) -> Trial | None:
        """The trial with the highest validation NDCG@10, the first of equal ones; None where all
        failed."""
        done = [trial for trial in self.trials if trial.error is None]
        return max(
            done, key=lambda trial: (trial.figures[SELECTED_BY], -trial.number), default=None
        )

    def overrides(self) -> tuple[str, ...]:
        """The best settings as `--set` takes them."""
        best = self.best
        return () if best is None else tuple(map(as_override, best.settings.items()))


SELECTED_BY = "ndcg@10"


def as_override(setting: tuple[str, Setting]) -> str:
    """`sasrec.width=64` of ("sasrec.width", 64)."""
    name, value = setting
    return f"{name}={value if isinstance(value, str) else json.dumps(value)}"


def read_tuned(path: Path) -> Tuned:
    """Raises ConfigError naming the file and what is wrong with it."""
    try:
        return Tuned.model_validate_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValidationError, UnicodeDecodeError) as error:
        said = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
        raise ConfigError(f"{path}: not a file of `tokbench tune`: {said}") from error
