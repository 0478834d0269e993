"""Built-in components and stages carry a hand-set version, locked here to the code it stands for.

When the code of one changes, either its numbers changed: raise its `version` (a stage's in the
table of tokbench/pipeline/stages.py); or they did not: the lock is renewed all the same. Both:
`python -m tests.test_versions`, and say which in the commit message. Comments, docstrings and
spacing do not count. `SPEC_SCHEMA` stands for what is not kept in the store: split, place, score
and the intervals. Raising it gives every run a new id.
"""

from __future__ import annotations

import json
from pathlib import Path

from tokbench.pipeline import outcome, stages
from tokbench.pipeline.stages import STAGES, Stage
from tokbench.registry.registry import KINDS, build_registry
from tokbench.registry.source import ROOT, closure, code_used_by, digest_of
from tokbench.schema.run_spec import SPEC_SCHEMA

LOCK = Path(__file__).parent / "versions.json"


def code_of(stage: Stage) -> tuple[list[Path], list[str]]:
    """All that a stage runs: files, and parts of the files where its functions stand."""
    functions = (stage.run, stage.save, stage.load, stage.tell)
    return code_used_by(*(function for function in functions if function is not None))


def unstored_code() -> tuple[list[Path], list[str]]:
    """All that is run beside the stages."""
    return code_used_by(stages.split, outcome.make_outcome)


def digest_of_code(code: tuple[list[Path], list[str]]) -> str:
    return digest_of(code[0], *code[1])


def locked() -> dict[str, list[object]]:
    """What the lock should say now."""
    unstored = digest_of_code(unstored_code())
    lock: dict[str, list[object]] = {"SPEC_SCHEMA": [SPEC_SCHEMA, unstored]}
    for stage in STAGES:
        lock[f"stage {stage.name}"] = [stage.version, digest_of_code(code_of(stage))]
    for kind in KINDS:
        for entry in build_registry(entry_points=False).all(kind):
            file = ROOT.joinpath(*entry.cls.__module__.split(".")).with_suffix(".py")
            lock[f"{kind} {entry.name}"] = [entry.cls.version, digest_of(closure([file]))]
    return lock


def test_versions_are_locked_to_the_code_they_stand_for() -> None:
    before, now = json.loads(LOCK.read_text()), locked()
    changed = [name for name in before.keys() | now.keys() if before.get(name) != now.get(name)]
    assert not changed, f"{sorted(changed)} changed: raise their versions? {__doc__}"


def test_a_lock_covers_all_that_makes_the_numbers_and_little_else() -> None:
    def files(code: tuple[list[Path], list[str]]) -> set[str]:
        return {file.relative_to(ROOT / "tokbench").as_posix() for file in code[0]}

    found = {stage.name: files(code_of(stage)) for stage in STAGES}
    assert "scoring/collisions.py" in found["address"]
    assert {"scoring/intrinsic/usage.py", "scoring/intrinsic/__init__.py"} <= found["measure"]
    assert "scoring/intrinsic/reconstruction.py" in found["tokenize"], "its own decoder's figures"
    assert "scoring/decoding.py" in found["exhaust"]
    unstored = files(unstored_code())
    assert {f"scoring/{name}.py" for name in ("splits", "placement", "query_facts")} <= unstored
    assert "stats/bootstrap.py" in unstored
    for name, code in found.items():
        intrinsic = any("intrinsic" in file for file in code)
        assert intrinsic == (name in ("measure", "tokenize")), name
    assert not any("intrinsic" in file or "collisions" in file for file in unstored)


if __name__ == "__main__":
    LOCK.write_text(json.dumps(locked(), indent=1) + "\n")
