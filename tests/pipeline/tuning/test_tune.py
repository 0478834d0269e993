"""A tuning repeats itself, goes on where it was stopped, is shared by processes, and reads no test
item."""

from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.components import Echo, EchoModel, Tiny, registry_of
from tests.pipeline.test_grid import context_in, tiny_request
from tokbench.api import GeneratorModel, Runtime, option
from tokbench.errors import ConfigError
from tokbench.pipeline.grid import run_grid
from tokbench.pipeline.tuning.trial import Trials
from tokbench.schema.tuned import Trial, Tuned, read_tuned
from tokbench.types import Catalog, Dataset, Histories, SemanticIds

pytest.importorskip("optuna")
from tokbench.pipeline.tuning.study import Study

TEXTS = ("tilted.slope=-2..2", "hashed.codes=4..8")


class Tilted(Echo):
    """Better the nearer its slope is to 1; fails above 1.8."""

    name = "tilted"

    class Config(Echo.Config):
        """Slope."""

        slope: float = option(0.0, ge=-3, le=3, description="of the order")

    def train(
        self,
        catalog: Catalog,
        histories: Histories,
        ids: SemanticIds,
        *,
        seed: int,
        runtime: Runtime,
    ) -> GeneratorModel:
        if self.config.slope > 1.8:
            raise ConfigError("too steep")
        tuples, member, _ = ids.groups()
        wanted = np.bincount(member[histories.validation.targets], minlength=len(tuples))
        noise = np.random.default_rng(seed).random(len(tuples)) * abs(self.config.slope - 1)
        return EchoModel(tuples[np.argsort(noise - wanted)])


class OtherTargets(Tiny):
    """Tiny with every test target replaced by another item."""

    name = "tiny"

    def load(self, *, runtime: Runtime) -> Dataset:
        dataset = super().load(runtime=runtime)
        rows = dataset.interactions
        items = rows.items.copy()
        items[rows.offsets[1:] - 1] = (items[rows.offsets[1:] - 1] + 5) % 12
        return replace(dataset, interactions=replace(rows, items=items))


def trials_in(folder: Path, dataset: type[Tiny] = Tiny) -> Trials:
    registry = registry_of(("generator", Tilted))
    registry.entries["dataset", "tiny"] = [replace(registry.get("dataset", "tiny"), cls=dataset)]
    request = tiny_request(generators=("tilted",), baselines=False)
    return Trials(request, context_in(folder), registry)


def tune(folder: Path, budget: int, dataset: type[Tiny] = Tiny, seed: int = 0) -> Tuned:
    trials = trials_in(folder, dataset)
    study = Study(folder / "tuned.json", *trials.searched(TEXTS), seed=seed)
    return study.run(budget, trials.run)


def told(tuned: Tuned) -> list[tuple[Any, ...]]:
    """All of the trials but the seconds."""
    return [(one.number, one.settings, one.figures, one.error) for one in tuned.trials]


def test_the_first_trial_is_as_it_is_the_best_is_the_best_and_failures_are_kept(
    tmp_path: Path,
) -> None:
    tuned = tune(tmp_path, 14)
    assert tuned == read_tuned(tmp_path / "tuned.json")
    assert [one.number for one in tuned.trials] == list(range(14))
    assert tuned.trials[0].settings == {"tilted.slope": 0.0, "hashed.codes": 4}
    failed = [one for one in tuned.trials if one.error]
    assert failed
    assert all(one.settings["tilted.slope"] > 1.8 for one in failed)  # type: ignore[operator]
    assert all(one.error == "too steep" and not one.figures for one in failed)
    best = tuned.best
    assert best is not None
    assert best.figures["ndcg@10"] == max(one.figures.get("ndcg@10", 0) for one in tuned.trials)
    assert tuned.core_seconds == pytest.approx(sum(one.core_seconds for one in tuned.trials), 0.1)


def test_figures_are_those_of_the_validation_users(tmp_path: Path) -> None:
    """Counted by hand from what the model of a trial proposes."""
    trials = trials_in(tmp_path)
    settings: dict[str, Any] = {"tilted.slope": 1.0, "hashed.codes": 4}
    found = trials.run(3, settings).figures
    cell = trials.cell(settings)
    codes = cell.tokenizer.tokenize(
        Catalog(("x",) * 12, ("x",) * 12, np.zeros((12, 1), np.float32)), seed=0, runtime=Runtime()
    )
    from tokbench.scoring.collisions import address

    rows = [[(u + i) % 12 for i in range(5)] for u in range(8)]
    vectors = (
        trials_in(tmp_path).cell().encoder.encode([f"i{n}" for n in range(12)], runtime=Runtime())
    )
    ids = address(codes, vectors, "nearest-free")
    wanted = [row[-2] for row in rows]
    often: Mapping[int, int] = {item: wanted.count(item) for item in range(12)}
    # At slope 1 the order is by frequency among validation targets, codes settling ties.
    order = sorted(range(12), key=lambda item: (-often[item], tuple(ids.codes[item])))
    ranks = [order.index(item) + 1 for item in wanted]
    assert found["recall@10"] == pytest.approx(np.mean([rank <= 10 for rank in ranks]), abs=1e-6)
    gain = [1 / np.log2(rank + 1) if rank <= 10 else 0 for rank in ranks]
    assert found["ndcg@10"] == pytest.approx(np.mean(gain), abs=1e-6)


def test_the_test_items_are_never_read(tmp_path: Path) -> None:
    """With every test target another, the trials are the same; a run's figures are not."""
    assert told(tune(tmp_path / "a", 6)) == told(tune(tmp_path / "b", 6, OtherTargets))
    outcomes = []
    for name, dataset in (("a", Tiny), ("b", OtherTargets)):
        registry = registry_of()
        registry.entries["dataset", "tiny"] = [
            replace(registry.get("dataset", "tiny"), cls=dataset)
        ]
        request = tiny_request(baselines=False)
        (record,) = run_grid(request, context_in(tmp_path / name), registry=registry)
        assert record.outcome is not None
        outcomes.append(record.outcome.read_placement().position.tolist())
    assert outcomes[0] != outcomes[1], "the test tells test targets apart"


def test_an_interrupted_tuning_ends_as_one_that_was_not(tmp_path: Path) -> None:
    whole = tune(tmp_path / "whole", 13)
    trials = trials_in(tmp_path / "parts")
    study = Study(tmp_path / "parts/tuned.json", *trials.searched(TEXTS), seed=0)

    def killed_at(place: int) -> Any:
        def trial(number: int, settings: dict[str, Any]) -> Trial:
            if number == place:
                raise KeyboardInterrupt
            return trials.run(number, settings)

        return trial

    for place in (0, 4, 4, 12):
        with pytest.raises(KeyboardInterrupt):
            study.run(13, killed_at(place))
    assert told(study.run(13, trials.run)) == told(whole)
    assert told(study.run(13, killed_at(0))) == told(whole), "nothing is left to do"
    assert len(study.run(15, trials.run).trials) == 15, "more may be asked for"
    assert told(tune(tmp_path / "other", 13, seed=1)) != told(whole)


def share(folder: Path, budget: int) -> None:
    tune(folder, budget)
    os._exit(0)


def test_processes_that_share_a_file_make_the_trials_once(tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    workers = [spawn.Process(target=share, args=(tmp_path, 12)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
    assert [worker.exitcode for worker in workers] == [0, 0]
    tuned = read_tuned(tmp_path / "tuned.json")
    assert sorted(one.number for one in tuned.trials) == list(range(12))
    assert len({json.dumps(one.settings) for one in tuned.trials}) == 12, "no setting twice"


def test_a_file_of_another_tuning_is_refused(tmp_path: Path) -> None:
    tune(tmp_path, 1)
    with pytest.raises(ConfigError, match="of another tuning: seed 0, now 1"):
        tune(tmp_path, 1, seed=1)
    (tmp_path / "tuned.journal").unlink()
    with pytest.raises(ConfigError, match="without its journal"):
        tune(tmp_path, 1)


def test_a_run_uses_the_best_settings_and_its_record_says_what_they_took(tmp_path: Path) -> None:
    tuned = tune(tmp_path, 5)
    registry = registry_of(("generator", Tilted))
    request = tiny_request(
        generators=("tilted", "echo"), baselines=False, tuned=str(tmp_path / "tuned.json")
    )
    records = run_grid(request, context_in(tmp_path), registry=registry)
    found = {record.spec.generator.name: record for record in records}
    best = tuned.best
    assert best is not None
    assert found["tilted"].spec.generator.config["slope"] == best.settings["tilted.slope"]
    budgets = found["tilted"].provenance.tuned or ()
    assert [one.component for one in budgets] == ["hashed", "tilted"]
    assert {(one.dataset, one.trials, one.core_seconds) for one in budgets} == {
        ("tiny", 5, tuned.core_seconds)
    }
    assert [one.component for one in found["echo"].provenance.tuned or ()] == ["hashed"]
    changed = request.model_copy(update={"overrides": ("tilted.slope=0.25",)})
    other, _ = run_grid(changed, context_in(tmp_path), registry=registry)
    assert [one.component for one in other.provenance.tuned or ()] == ["hashed"], "not its slope"
