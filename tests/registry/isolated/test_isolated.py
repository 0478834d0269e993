"""Third-party code in its own process: the same numbers, and nothing of anybody else's harmed."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import numpy as np
import pytest

from benchmarks.reliability.kinds import source
from tests.components import registry_of
from tests.pipeline.test_grid import context_in, tiny_request
from tokbench.errors import ConfigError, PluginError
from tokbench.pipeline.context import Callbacks, RunContext
from tokbench.pipeline.grid import run_grid
from tokbench.pipeline.resolve import resolve
from tokbench.registry.isolated import sandbox
from tokbench.registry.isolated.answers import Answer, Arrays, read_answer, write_answer
from tokbench.registry.isolated.client import Limits, can_isolate
from tokbench.registry.isolated.isolated import isolated_registry
from tokbench.registry.registry import Registry, build_registry
from tokbench.schema.record import Record

pytestmark = pytest.mark.skipif(not can_isolate(), reason="this system cannot fork")

HONEST = '''
import os
import numpy as np
import tokbench
from tokbench import Beams, Generator, GeneratorModel, Metric, SemanticIds, Tokenizer
from tokbench import hookimpl, option

class Mine(Tokenizer):
    """Random codes, and a decoder."""
    name = "mine"
    presets = {"wide": {"size": 9}}
    class Config(tokbench.Config):
        """Shape."""
        size: int = option(4, ge=2, le=9, symbol="K", description="codes per level")
    def tokenize(self, catalog, *, seed, runtime):
        n, size = len(catalog), self.config.size
        runtime.log(loss=1.5)
        wide = catalog.embeddings.shape[1]
        runtime.keep(parameters=7, decode=lambda codes: np.ones((len(codes), wide), np.float32))
        codes = np.random.default_rng(seed).integers(0, size, (n, 2))
        return SemanticIds(codes, (size, size))

class Model(GeneratorModel):
    def __init__(self, order):
        self.order = order
    def state(self):
        return {"order": self.order}
    def generate(self, histories, *, width, runtime):
        top = self.order[:width]
        codes = np.broadcast_to(top, (len(histories), *top.shape))
        return Beams(codes, np.broadcast_to(-np.arange(len(top)), codes.shape[:2]))
    def log_likelihood(self, histories, codes, *, runtime):
        return np.full(len(histories), -2.0)

class Rank(Generator):
    """Tuples in a random order."""
    name = "rank"
    is_distribution = True
    def train(self, catalog, histories, ids, *, seed, runtime):
        tuples, _, _ = ids.groups()
        return Model(np.random.default_rng(seed).permutation(tuples))
    def restore(self, state, ids):
        return Model(state["order"])

class Hits(Metric):
    """Share of users hit."""
    name = "hits"
    def score(self, placement, ids, embeddings):
        return {"hits/all": (placement.position >= 0).astype(float), "hits/users": 8.0}

@hookimpl
def register_tokenizers():
    return [Mine]

@hookimpl
def register_generators():
    return [Rank]

@hookimpl
def register_metrics():
    return [Hits]
'''


def plugin(folder: Path, text: str = HONEST) -> Path:
    path = folder / "mine_plugin.py"
    path.write_text(text)
    return path


def beside(found: Registry) -> Registry:
    """The small components, and what a plugin adds."""
    registry = registry_of()
    for owners in found.entries.values():
        for entry in owners:
            if entry.origin != "built-in":
                registry.add(entry)
    registry.failures += found.failures
    return registry


def run_bad(folder: Path, kind: str, jobs: int = 1) -> tuple[list[Record], list[str]]:
    """Rows of a misbehaving plugin and innocent ones, the plugin's first; and what was noted."""
    text = source(kind, str(folder / "cache/store"), str(folder / "results"))
    registry = beside(isolated_registry([plugin(folder, text)], entry_points=False))
    mine = ("bad",) if registry.find("bad") else ()
    context = RunContext(folder / "results", folder / "cache", limits=Limits(3.0, 700.0))
    notes: list[str] = []
    records = run_grid(
        tiny_request(tokenizers=(*mine, "hashed"), baselines=False),
        context,
        registry=registry,
        callbacks=Callbacks(noted=lambda spec, text: notes.append(text)),
        jobs=jobs,
        threads=1,
    )
    return records, notes


def test_a_process_of_its_own_changes_no_number(tmp_path: Path) -> None:
    path = plugin(tmp_path)
    request = tiny_request(tokenizers=("mine:wide", "hashed"), generators=("rank",))
    outcomes = [
        run_grid(request, context_in(tmp_path / name), registry=beside(registry), jobs=jobs)
        for name, registry, jobs in (
            ("loaded", build_registry([path], entry_points=False), 1),
            ("isolated", isolated_registry([path], entry_points=False), 1),
            ("jobs", isolated_registry([path], entry_points=False), 2),
        )
    ]
    first, *others = [[record.outcome_digest() for record in records] for records in outcomes]
    assert others == [first, first]
    record = next(r for r in outcomes[1] if r.spec.tokenizer.name == "mine")
    assert record.outcome is not None
    assert record.spec.tokenizer.label == "mine:wide"
    assert {"hits/all", "hits/users", "bits"} <= {*record.outcome.figures}
    assert any(name.startswith("intrinsic/decoder") for name in record.outcome.figures)
    assert record.outcome.curves["tokenize"] == [{"loss": 1.5}]
    assert not record.provenance.public


def test_options_are_checked_where_the_class_is(tmp_path: Path) -> None:
    registry = beside(isolated_registry([plugin(tmp_path)], entry_points=False))
    for override, words in (
        ("mine.size=10", "less than or equal to 9"),
        ("mine.sise=3", "did you mean size"),
    ):
        with pytest.raises(ConfigError, match=words):
            resolve(tiny_request(tokenizers=("mine",), overrides=(override,)), registry)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("exit 0", "exit code 0 and without a result"),
        ("SIGKILL", "ended twice by SIGKILL"),
        ("sleeps", "took longer than 3 s"),
        ("allocates", "used more than 700 MB"),
        ("kills its parent", ""),
        ("BaseException", "Theirs: theirs"),
        ("answers with a fifo", "cannot be read"),
        ("immense codes", "codes"),
        ("immense message", "ValueError"),
    ],
)
def test_its_own_row_fails_and_no_other(tmp_path: Path, kind: str, words: str) -> None:
    if kind == "kills its parent" and not sandbox.version() >= 6:
        words = "ended from outside"
    (bad, good), _ = run_bad(tmp_path, kind)
    assert (bad.status, good.status) == ("failed", "done")
    assert words in str(bad.error)
    assert str(bad.error).isprintable()
    assert len(str(bad.error)) < 3000


HARMS = ("patches numpy", "numpy's error state", "removes the store", "leaves a daemon",
         "import: exit 0", "import: takes a name")  # fmt: skip


@pytest.mark.parametrize("kind", HARMS)
def test_nothing_of_others_changes(tmp_path: Path, kind: str) -> None:
    if kind == "removes the store" and not sandbox.version():
        pytest.skip("no Landlock here")
    expected = run_grid(
        tiny_request(baselines=False), context_in(tmp_path / "plain"), registry=registry_of()
    )
    records, _ = run_bad(tmp_path, kind)
    assert records[-1].outcome_digest() == expected[0].outcome_digest()
    assert not [p for p in Path("/proc").glob("[0-9]*/cmdline") if b"sleep\x00987" in _read(p)]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


@pytest.mark.parametrize("kind", ["metric: raises", "metric: takes a figure", "metric: NaN"])
def test_a_metric_that_fails_is_left_out_and_said(tmp_path: Path, kind: str) -> None:
    expected = run_grid(
        tiny_request(baselines=False), context_in(tmp_path / "plain"), registry=registry_of()
    )
    (record,), notes = run_bad(tmp_path, kind)
    assert record.outcome_digest() == expected[0].outcome_digest()
    assert len(notes) == 1
    assert "left out: " in notes[0]
    assert "bad-metric" in notes[0]


def test_code_that_was_edited_meanwhile_is_refused(tmp_path: Path) -> None:
    path = plugin(tmp_path)
    registry = beside(isolated_registry([path], entry_points=False))
    cells = resolve(tiny_request(tokenizers=("mine",), baselines=False), registry)
    path.write_text(HONEST.replace("return SemanticIds(codes", "return SemanticIds(codes * 0"))
    from tokbench.pipeline.grid import run_cells

    (record,) = run_cells(cells, context_in(tmp_path), registry)
    assert record.status == "failed"
    assert "is not the one this run began with" in str(record.error)


def test_bytecode_of_an_earlier_text_is_not_run(tmp_path: Path) -> None:
    """Same length, same second: Python's own cache would take one for the other."""
    path = plugin(tmp_path, HONEST)
    stamp = 1_700_000_000
    os.utime(path, (stamp, stamp))
    import py_compile

    py_compile.compile(str(path))
    path.write_text(HONEST.replace('"hits/users": 8.0', '"hits/users": 9.0'))
    os.utime(path, (stamp, stamp))
    registry = beside(isolated_registry([path], entry_points=False))
    (record,) = run_grid(
        tiny_request(tokenizers=("mine",), baselines=False),
        context_in(tmp_path),
        registry=registry,
    )
    assert record.outcome is not None
    assert record.outcome.figures["hits/users"].value == 9.0


def test_a_call_costs_less_than_a_second(tmp_path: Path) -> None:
    registry = beside(isolated_registry([plugin(tmp_path)], entry_points=False))
    resolve(tiny_request(tokenizers=("mine",)), registry)
    started = time.process_time()
    before = os.times()
    resolve(tiny_request(tokenizers=("mine",)), registry)
    after = os.times()
    assert time.process_time() - started < 1.0
    assert after.children_user - before.children_user < 1.0


def test_an_answer_is_read_as_it_was_written(tmp_path: Path) -> None:
    arrays: Arrays = {
        "a": np.arange(6).reshape(2, 3),
        "b": np.zeros((0, 4), np.float32),
        "c": np.array(True),
    }
    write_answer(tmp_path, Answer({"told": "ü"}, arrays))
    found = read_answer(tmp_path)
    assert found is not None
    assert found.told == {"told": "ü"}
    for name, array in arrays.items():
        np.testing.assert_array_equal(found.arrays[name], array)
        assert (found.arrays[name].dtype, found.arrays[name].shape) == (array.dtype, array.shape)
    with pytest.raises(TypeError, match="numbers only"):
        write_answer(tmp_path, Answer({}, {"o": np.array([object()])}))


@pytest.mark.parametrize(
    "listed",
    [
        [["a", "<f8", [1 << 40]]],
        [["a", "<f8", [-1]]],
        [["a", "|O8", [1]]],
        [["a", "<U4", [1]]],
        [["a", "<f8", [2]], ["b", "<f8", [1]]],
        "words",
        [[]],
        [["a", "nonsense", [1]]],
    ],
)
def test_a_forged_answer_is_refused(tmp_path: Path, listed: object) -> None:
    (tmp_path / "arrays.bin").write_bytes(b"\0" * 16)
    (tmp_path / "answer.json").write_text(json.dumps({"told": {}, "arrays": listed}))
    with pytest.raises(PluginError, match="cannot be read"):
        read_answer(tmp_path)
    (tmp_path / "answer.json").unlink()
    (tmp_path / "answer.json").symlink_to(tmp_path / "arrays.bin")
    with pytest.raises(PluginError, match="cannot be read"):
        read_answer(tmp_path)
