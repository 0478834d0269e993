"""Which setting comes next: an Optuna study in a journal file that several processes share.

Needs the extra `tune`. Beside FILE.json, which `tokbench run --tuned` reads, lie FILE.journal (the
study) and FILE.locks (a lock for the study and one for every trial under way; the system frees
those of a process that dies, and its trial is then begun anew).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import filelock
import numpy as np

from tokbench.errors import ConfigError, MissingExtraError
from tokbench.pipeline.tuning.space import Range, Space, rounded
from tokbench.schema.record import write_text
from tokbench.schema.tuned import SELECTED_BY, Setting, Trial, Tuned

try:
    import optuna
    from optuna.distributions import (
        BaseDistribution,
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend
    from optuna.trial import FrozenTrial, TrialState
except ImportError as error:
    raise MissingExtraError("`tokbench tune`", package="optuna", extra="tune") from error

RESULT = "trial"  # attribute of a trial that is over: a Trial as json


@dataclass(frozen=True)
class Study:
    """The trials of one FILE, made by every process that names it."""

    file: Path
    about: Mapping[str, str]  # what all trials have in common; the file is of nothing else
    written: Mapping[str, str]  # the space as the user wrote it
    space: Space
    first: Mapping[str, Setting]  # the present settings: the first trial, where the space has them
    seed: int

    def run(self, budget: int, trial: Callable[[int, dict[str, Setting]], Trial]) -> Tuned:
        """Make trials until there are `budget`, those of other processes included.

        Trial n draws from a generator seeded by (seed, n), so one process repeats itself whether
        or not it was interrupted; of several, a later trial depends on which of the others are
        over, as TPE (Bergstra et al., NeurIPS 2011) looks at them. Its first ten draw at random.
        """
        with self._alone():
            study = self._open()
        while True:
            with self._alone():
                asked = self._ask(study, budget)
                lock = self._lock(str(asked.number)) if asked else None
                if asked is None or lock is None:
                    return self._write(study, budget)
                lock.acquire()
            try:
                settings = {name: rounded(value) for name, value in asked.params.items()}
                done = trial(place_of(study, asked.number), settings)
                with self._alone():
                    asked.set_user_attr(RESULT, done.model_dump(mode="json"))
                    failed = done.error is not None
                    value = None if failed else done.figures[SELECTED_BY]
                    study.tell(asked, value, TrialState.FAIL if failed else TrialState.COMPLETE)
                    self._write(study, budget)
            finally:
                lock.release()

    def _open(self) -> optuna.Study:
        """Raises ConfigError where the journal is of another tuning."""
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        if self.file.exists() and not self.journal.exists():
            raise ConfigError(
                f"{self.file} is there without its journal {self.journal.name}: such a tuning "
                "cannot go on; name another file"
            )
        storage = JournalStorage(JournalFileBackend(str(self.journal)))
        study = optuna.create_study(
            storage=storage,
            sampler=ByNumber(self.seed),
            study_name="tokbench",
            direction="maximize",
            load_if_exists=True,
        )
        mine = {"about": dict(self.about), "space": dict(self.written), "seed": self.seed}
        theirs = study.user_attrs.get("tokbench")
        if theirs is None:
            study.set_user_attr("tokbench", mine)
            if all(self.first[name] in values for name, values in self.space.items()):
                study.enqueue_trial(dict(self.first))
        elif theirs != mine:
            changed = [f"{name} {theirs[name]!r}, now {mine[name]!r}" for name in mine
                       if theirs.get(name) != mine[name]]  # fmt: skip
            raise ConfigError(
                f"{self.file} is of another tuning: {'; '.join(changed)}; name another file"
            )
        return study

    def _ask(self, study: optuna.Study, budget: int) -> optuna.Trial | None:
        """The next trial; None where as many as wanted are over or under way."""
        taken = 0
        for old in study.get_trials(deepcopy=False):
            if old.state == TrialState.RUNNING and not self._is_alive(old):
                study.tell(old.number, state=TrialState.FAIL)
                study.enqueue_trial(old.params)
            elif old.state == TrialState.RUNNING or RESULT in old.user_attrs:
                taken += 1
        return study.ask(_distributions(self.space)) if taken < budget else None

    def _is_alive(self, trial: FrozenTrial) -> bool:
        lock = self._lock(str(trial.number))
        try:
            with lock.acquire(blocking=False):
                return False
        except filelock.Timeout:
            return True

    def _write(self, study: optuna.Study, budget: int) -> Tuned:
        """What is known so far, into the file."""
        trials = [Trial(**one.user_attrs[RESULT]) for one in study.get_trials(deepcopy=False)
                  if RESULT in one.user_attrs]  # fmt: skip
        tuned = Tuned(about=dict(self.about), space=dict(self.written), seed=self.seed,
                      budget=budget, trials=tuple(trials))  # fmt: skip
        write_text(self.file, tuned.model_dump_json(indent=1) + "\n")
        return tuned

    @property
    def journal(self) -> Path:
        """Optuna's storage."""
        return self.file.with_suffix(".journal")

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """No other process asks, tells or writes meanwhile."""
        with self._lock("study"):
            yield

    def _lock(self, name: str) -> filelock.BaseFileLock:
        folder = self.file.with_suffix(".locks")
        folder.mkdir(parents=True, exist_ok=True)
        return filelock.FileLock(folder / name)


class ByNumber(optuna.samplers.BaseSampler):
    """TPE that draws the trial at place n from a generator of its own, seeded by (seed, n).

    Optuna's own seed is one for a process: after an interruption it would draw what it drew before,
    and processes with equal seeds would draw the same.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._tpe = optuna.samplers.TPESampler(seed=seed)

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        """Called once a trial, when its place is known."""
        parts = np.random.SeedSequence((self._seed, place_of(study, trial.number)))
        seed = int(parts.generate_state(1)[0])
        self._tpe = optuna.samplers.TPESampler(seed=seed)
        self._tpe.before_trial(study, trial)

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """As TPE does."""
        return self._tpe.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """As TPE does."""
        return self._tpe.sample_relative(study, trial, search_space)

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """As TPE does."""
        return self._tpe.sample_independent(study, trial, param_name, param_distribution)


def place_of(study: optuna.Study, number: int) -> int:
    """A trial's place among those that were not abandoned by a process that died."""
    earlier = study.get_trials(deepcopy=False)[:number]
    return sum(not (old.state == TrialState.FAIL and RESULT not in old.user_attrs)
               for old in earlier)  # fmt: skip


def _distributions(space: Space) -> dict[str, BaseDistribution]:
    """The space in Optuna's words."""
    found: dict[str, BaseDistribution] = {}
    for name, values in space.items():
        if not isinstance(values, Range):
            found[name] = CategoricalDistribution(values)
        elif values.whole:
            found[name] = IntDistribution(int(values.low), int(values.high), log=values.log)
        else:
            found[name] = FloatDistribution(values.low, values.high, log=values.log)
    return found
