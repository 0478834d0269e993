"""What a tracker is, and how a record is told to one: tensorboard, wandb or mlflow.

A record holds all that a run has to tell, so a tracker is told after the run, and at any time
later. Packages of trackers are imported when they are used.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

from tokbench.errors import MissingExtraError
from tokbench.schema.record import Record

Settings = Mapping[str, str | int | float | bool]


class Tracker(Protocol):
    """Takes one run at a time."""

    def start(self, name: str, group: str, settings: Settings) -> None:
        """A run begins; `group` is its dataset."""
        ...  # pragma: no cover - protocol

    def log(self, values: Mapping[str, float], step: int) -> None:
        """Values at a step of the training, or at step 0 of what has none."""
        ...  # pragma: no cover - protocol

    def finish(self) -> None:
        """The run is told."""
        ...  # pragma: no cover - protocol


def tell(record: Record, tracker: Tracker) -> None:
    """Tell a tracker a record: options, training curves by epoch, figures and seconds.

    A failed record has settings only, its error among them.
    """
    spec = record.spec
    parts = (spec.tokenizer.label, spec.collision_policy, spec.generator.label, f"s{spec.seeds}")
    tracker.start("/".join((*parts, record.run_id)), spec.dataset.label, settings_of(record))
    if record.outcome is not None:
        for stage, rows in record.outcome.curves.items():
            for number, row in enumerate(rows):
                step = int(row.get("epoch", number))
                tracker.log({f"{stage}/{name}": value for name, value in row.items()
                             if name != "epoch" and math.isfinite(value)}, step)  # fmt: skip
        figures = {name: figure.value for name, figure in record.outcome.figures.items()}
        costs = record.provenance.costs
        seconds = {f"seconds/{stage}": cost.seconds for stage, cost in costs.items()}
        tracker.log({name: v for name, v in (figures | seconds).items() if math.isfinite(v)}, 0)
    tracker.finish()


def settings_of(record: Record) -> dict[str, str | int | float | bool]:
    """The spec as flat names, such as `tokenizer.temperature`, and how the run ended."""
    spec = record.spec
    flat: dict[str, str | int | float | bool] = {
        "run_id": record.run_id, "status": record.status, "error": record.error or "",
        "profile": spec.profile, "protocol": spec.protocol, "beam_width": spec.beam_width,
        "collision_policy": spec.collision_policy, "tokenizer_seed": spec.tokenizer_seed,
        "generator_seed": spec.generator_seed,
    }  # fmt: skip
    for kind in ("dataset", "encoder", "tokenizer", "generator"):
        component = getattr(spec, kind)
        flat[kind] = component.label
        for option, value in component.config.items():
            plain = isinstance(value, (str, int, float, bool))
            flat[f"{kind}.{option}"] = value if plain else str(value)
    return flat


class TensorBoard:
    """Event files under a folder, a sub-folder for each run."""

    def __init__(self, out: Path) -> None:
        _needed("tensorboard")
        self.out = out

    def start(self, name: str, group: str, settings: Settings) -> None:
        """A writer of its own, and the settings as text."""
        from torch.utils.tensorboard import SummaryWriter

        folder = self.out / _folder(group) / _folder(name)
        self.writer: Any = SummaryWriter(str(folder))
        table = "".join(f"| {key} | {value} |\n" for key, value in settings.items())
        self.writer.add_text("settings", f"| option | value |\n| --- | --- |\n{table}")

    def log(self, values: Mapping[str, float], step: int) -> None:
        """Scalars."""
        for name, value in values.items():
            self.writer.add_scalar(name.replace("@", "_at_"), value, step)

    def finish(self) -> None:
        """Close the file."""
        self.writer.close()


class WandB:
    """Runs of the project `tokbench` of Weights & Biases, grouped by dataset."""

    def __init__(self, out: Path) -> None:
        self.out, self.wandb = out, _needed("wandb")

    def start(self, name: str, group: str, settings: Settings) -> None:
        """A run, its files under the folder."""
        self.out.mkdir(parents=True, exist_ok=True)
        self.run = self.wandb.init(
            project="tokbench", name=name, group=group, config=dict(settings), dir=str(self.out)
        )

    def log(self, values: Mapping[str, float], step: int) -> None:
        """Values of training beside their epoch: steps of wandb itself only grow."""
        self.run.log({**values, "epoch": step})

    def finish(self) -> None:
        """Upload what is left."""
        self.run.finish()


class MlFlow:
    """Runs of the experiment of the dataset's name, in MLflow's store under the folder."""

    def __init__(self, out: Path) -> None:
        self.mlflow = _needed("mlflow")
        out.mkdir(parents=True, exist_ok=True)
        self.mlflow.set_tracking_uri(f"sqlite:///{(out / 'mlflow.db').resolve()}")

    def start(self, name: str, group: str, settings: Settings) -> None:
        """A run with its parameters."""
        self.mlflow.set_experiment(group)
        self.mlflow.start_run(run_name=name)
        self.mlflow.log_params(dict(settings))

    def log(self, values: Mapping[str, float], step: int) -> None:
        """Metrics; MLflow has no `@` in names."""
        self.mlflow.log_metrics({k.replace("@", "_at_"): v for k, v in values.items()}, step=step)

    def finish(self) -> None:
        """End the run."""
        self.mlflow.end_run()


TRACKERS: Mapping[str, Callable[[Path], Tracker]] = {
    "tensorboard": TensorBoard,
    "wandb": WandB,
    "mlflow": MlFlow,
}


def _needed(package: str) -> ModuleType:
    """The package. Raises MissingExtraError, which names the extra."""
    try:
        return importlib.import_module(package)
    except ImportError as error:
        whose = f"tokbench track --to {package}"
        raise MissingExtraError(whose, package=package, extra=package) from error


def _folder(name: str) -> str:
    return name.replace("/", "_").replace(" ", "_").replace(":", "+")
