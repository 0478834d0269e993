"""What happens in the process of one job: load one plugin, check its code, do the work, answer.

Nothing here is trusted by the parent, for the plugin shares the process: the parent reads the
answer as data (answers.py) and checks what the values must be.
"""

from __future__ import annotations

import mmap
import os
import pickle
import sys
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import metadata
from importlib.machinery import SourceFileLoader
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from tokbench.api import PROJECT, GeneratorModel, Likelihood, Precision, Runtime
from tokbench.errors import PluginError, sentence
from tokbench.registry.isolated import sandbox
from tokbench.registry.isolated.answers import Answer, write_answer
from tokbench.registry.registry import Entry, Registry, load_entry_point, load_file
from tokbench.registry.settings import describe, flags_of, settle
from tokbench.types import Beams, Dataset, SemanticIds

JOB, BUFFERS = "job.pickle", "buffers.bin"


@dataclass(frozen=True)
class Source:
    """A plugin: a single file, or an entry point by its value (`module:attribute`)."""

    plugin: str
    is_file: bool


@dataclass(frozen=True)
class Job:
    """What to do with a plugin: `offer` (what it registers), `settle` (make options complete), or
    a method of a component, whose fingerprint is then what was promised."""

    source: Source
    verb: str
    kind: str = ""
    name: str = ""
    fingerprint: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    arguments: tuple[Any, ...] = ()
    device: str = "cpu"
    cache: Path | None = None
    precision: Precision = "float32"
    writable: tuple[Path, ...] = ()


def send(job: Job, folder: Path) -> None:
    """Write a job where `receive` finds it: its arrays apart, so that they can be mapped."""
    buffers: list[pickle.PickleBuffer] = []
    data = pickle.dumps(job, protocol=5, buffer_callback=buffers.append)
    with (folder / BUFFERS).open("wb") as stream:
        lengths = [stream.write(buffer.raw()) for buffer in buffers]
    (folder / JOB).write_bytes(pickle.dumps((data, lengths)))


def receive(folder: Path) -> Job:
    """The job of `send`, its arrays read-only and mapped. Only tokbench writes this file."""
    data, lengths = pickle.loads((folder / JOB).read_bytes())  # noqa: S301
    buffers: list[memoryview] = []
    if sum(lengths):
        with (folder / BUFFERS).open("rb") as stream:
            whole = memoryview(mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ))
    start = 0
    for length in lengths:
        buffers.append(whole[start : start + length] if length else memoryview(b""))
        start += length
    job: Job = pickle.loads(data, buffers=buffers)  # noqa: S301
    return job


def work(folder: Path, output: int) -> NoReturn:
    """Do the job in `folder` and end this process; what it prints goes to `output`."""
    code = 1
    try:
        os.setsid()
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.closerange(3, os.sysconf("SC_OPEN_MAX"))  # the server's socket among them
        sys.stdout = os.fdopen(1, "w", encoding="utf-8", errors="replace", closefd=False)
        sys.stderr = os.fdopen(2, "w", encoding="utf-8", errors="replace", closefd=False)
        sys.stdin = Path(os.devnull).open(encoding="utf-8")  # noqa: SIM115
        sandbox.end_with_parent()
        job = receive(folder)
        os.environ["TMPDIR"] = str(folder)
        sandbox.confine([folder, *job.writable])
        try:
            write_answer(folder, _perform(job))
        except BaseException as error:  # whatever a plugin raises is an answer
            told = {"error": sentence(error), "class": type(error).__name__}
            write_answer(folder, Answer(told))
        code = 0
        sys.stdout.flush()
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(code)


def _perform(job: Job) -> Answer:
    registry = _loaded(job.source)
    if job.verb == "offer":
        entries = [entry for owners in registry.entries.values() for entry in owners]
        failures = [[failure.plugin, failure.reason] for failure in registry.failures]
        told = [describe(entry) for entry in entries]
        loaded = bool(registry.plugins)
        return Answer({"told": {"offers": told, "failures": failures, "loaded": loaded}})
    entry = _offered(registry, job)
    if job.verb == "settle":
        settled = settle(entry, *job.arguments)
        return Answer({
            "told": {
                "fingerprint": settled.fingerprint,
                "name": settled.name,
                "label": settled.label,
                "config": settled.config,
                "inputs": settled.inputs,
                "options": settled.component.config.model_dump(mode="json"),
                "flags": flags_of(settled.component),
                "own_label": settled.component.label,
            }
        })  # fmt: skip
    _check_code(entry, job)
    component = entry.cls(entry.cls.Config(**job.options))
    runtime = Runtime(job.device, job.cache, precision=job.precision)
    value = _METHODS[job.verb](component, runtime, *job.arguments)
    _check_code(entry, job)  # a file that was edited meanwhile may have been imported since
    told, arrays = _plain(value)
    extra = {"torch": "torch" in sys.modules, "rows": runtime.rows}
    if runtime.kept and isinstance(value, SemanticIds):
        tuples, _, _ = value.groups()
        extra["parameters"] = int(runtime.kept["parameters"])
        arrays["kept/decoded"] = np.asarray(runtime.kept["decode"](tuples))
    return Answer({"told": told, **extra}, arrays)


def _loaded(source: Source) -> Registry:
    """A registry with what the plugin offers, and nothing else. Its own modules are compiled from
    the files that its fingerprint reads, not taken from a cache of bytecode."""
    names = {f"tokbench_plugin_{Path(source.plugin).stem}"} if source.is_file else {
        source.plugin.partition(":")[0].partition(".")[0]
    }  # fmt: skip
    cached = SourceFileLoader.get_code

    def get_code(self: SourceFileLoader, fullname: str) -> Any:
        if fullname.partition(".")[0] not in names:
            return cached(self, fullname)
        path = self.get_filename(fullname)
        return self.source_to_code(self.get_data(path), path)

    SourceFileLoader.get_code = get_code  # type: ignore[method-assign, assignment]
    registry = Registry()
    if source.is_file:
        load_file(registry, Path(source.plugin))
        return registry
    for point in metadata.entry_points(group=PROJECT):
        if point.value == source.plugin:
            load_entry_point(registry, point)
            return registry
    raise PluginError(f"{source.plugin} is not installed any more")


def _offered(registry: Registry, job: Job) -> Entry:
    owners = registry.entries.get((job.kind, job.name), [])
    if not owners:
        why = "; ".join(failure.reason for failure in registry.failures)
        raise PluginError(f"{job.source.plugin} offers no {job.kind} {job.name!r} any more {why}")
    return owners[0]


def _check_code(entry: Entry, job: Job) -> None:
    found = entry.fingerprint
    if found != job.fingerprint:
        raise PluginError(
            f"the code of {job.kind} {job.name!r} is not the one this run began with ({found}, "
            f"not {job.fingerprint}): it was edited meanwhile; start the run again"
        )


def _train(generator: Any, runtime: Runtime, *given: Any) -> Any:
    *values, seed = given
    model = generator.train(*values, seed=seed, runtime=runtime)
    return {**model.state()} if isinstance(model, GeneratorModel) else model


def _log_likelihood(
    generator: Any, runtime: Runtime, state: Any, ids: Any, histories: Any, codes: Any
) -> Any:
    model = generator.restore(state, ids)
    if not isinstance(model, Likelihood):
        return model
    return model.log_likelihood(histories, codes, runtime=runtime)


_METHODS: dict[str, Any] = {
    "load": lambda source, runtime: source.load(runtime=runtime),
    "encode": lambda encoder, runtime, texts: encoder.encode(texts, runtime=runtime),
    "tokenize": lambda tokenizer, runtime, seen, seed: tokenizer.tokenize(
        seen, seed=seed, runtime=runtime
    ),
    "train": _train,
    "generate": lambda generator, runtime, state, ids, histories, width: generator.restore(
        state, ids
    ).generate(histories, width=width, runtime=runtime),
    "log_likelihood": _log_likelihood,
    "score": lambda metric, runtime, *given: metric.score(*given),
}


def _plain(value: object) -> tuple[Any, dict[str, Any]]:
    """A component's result as text and arrays; of anything else only what it is."""
    if isinstance(value, np.ndarray):
        found = f"an array {list(value.shape)} of {value.dtype}"
        return {"found": found}, {"value": value}
    if isinstance(value, SemanticIds):
        return {"level_sizes": list(value.level_sizes)}, {"codes": value.codes}
    if isinstance(value, Beams):
        return {"found": "Beams"}, {"codes": value.codes, "scores": value.scores}
    if isinstance(value, Dataset):
        return _plain_dataset(value)
    if isinstance(value, dict):  # the state of a model, or the figures of a metric
        single = {str(k): float(v) for k, v in value.items() if not isinstance(v, np.ndarray)}
        return {"single": single}, {str(k): v for k, v in value.items() if str(k) not in single}
    return {"found": type(value).__name__}, {}


def _plain_dataset(found: Dataset) -> tuple[Any, dict[str, Any]]:
    names = ("name", "item_ids", "texts", "titles", "user_ids", "categories")
    arrays = {"offsets": found.interactions.offsets, "items": found.interactions.items}
    if found.times is not None:
        arrays["times"] = found.times
    return {name: getattr(found, name) for name in names}, arrays
