"""Grid files: the shipped ones are sound, their cells are the right ones, faults are located."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.components import registry_of
from tests.report.points import BENCHMARKS
from tokbench.errors import ConfigError
from tokbench.pipeline.file_cells import file_cells
from tokbench.registry.registry import build_registry
from tokbench.report.paper import published
from tokbench.schema.grid_file import points_of, read_grid_file
from tokbench.schema.run_spec import BASELINES

FILES = sorted(BENCHMARKS.glob("*.toml"))
GOOD = """
title = "Codes"
[source]
paper = "P"
place = "Figure 0"
[run]
datasets = ["tiny"]
tokenizers = ["hashed"]
generators = ["echo"]
encoder = "letters"
seeds = [0, 1]
[[panels]]
name = "K"
figure = "ndcg@10"
x = { option = "tokenizer.codes", symbol = "K", values = [4, 6, 12] }
[[claims]]
says = "it rises"
panel = "K"
figures = ["ndcg@10"]
order = [4, 12]
"""


def written(folder: Path, text: str = GOOD) -> Path:
    path = folder / "grid.toml"
    path.write_text(text)
    return path


def cells(path: Path, **given: Any) -> list[Any]:
    return file_cells(path, read_grid_file(path), given, registry_of())


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_shipped_file_resolves_and_its_dataset_can_be_replaced(path: Path) -> None:
    file = read_grid_file(path)
    registry = build_registry(entry_points=False)
    found = file_cells(path, file, {"datasets": ("toy",), "encoder": "tfidf"}, registry)
    points = points_of(file, file.run["tokenizers"])
    assert sum(one.point is not None for one in found) == 3 * len(points), "three seeds a point"
    baselines = {one.cell.spec.generator.name for one in found if one.point is None}
    assert baselines == {*BASELINES}
    assert {one.cell.spec.dataset.name for one in found} == {"toy"}
    assert file.claims


def test_shipped_tables_have_the_rows_and_datasets_that_are_published() -> None:
    for stem in ("paper-table2", "paper-table3"):
        file = read_grid_file(BENCHMARKS / f"{stem}.toml")
        printed = [table for table in published() if file.source.place in table.source]
        assert {name for table in printed for name in table.datasets} == set(file.run["datasets"])
        for table in printed:
            names = {row.ours.partition("/")[0] for row in table.rows}
            assert names == set(file.run["tokenizers"])


def test_the_epochs_of_figure_3_are_not_hidden_by_a_least_number_of_steps() -> None:
    path = BENCHMARKS / "figure3.toml"
    given = {"datasets": ("toy",), "encoder": "tfidf", "profile": "toy"}
    found = file_cells(path, read_grid_file(path), given, build_registry(entry_points=False))
    configs = [one.cell.spec.tokenizer.config for one in found if one.point]
    assert {config["minimum_steps"] for config in configs} == {0}
    assert {(c["epochs"], c["temperature"]) for c in configs} == {
        (epochs, tau) for epochs in (20, 50, 100) for tau in (0.1, 0.5, 1.0)
    }


def test_a_point_is_its_cell_for_every_seed(tmp_path: Path) -> None:
    found = cells(written(tmp_path))
    measured = [
        (dict(one.point.at)["tokenizer.codes"], one.cell.spec) for one in found if one.point
    ]
    assert [(k, spec.tokenizer.config["codes"], spec.seeds) for k, spec in measured] == [
        (k, k, seed) for k in (4, 6, 12) for seed in ("0", "1")
    ]
    baselines = [one.cell.spec for one in found if one.point is None]
    assert len({spec.run_id for spec in baselines}) == len(baselines), "once for all points"
    assert {spec.generator.name for spec in baselines} == {*BASELINES}


def test_fields_given_beside_a_file_replace_its_own(tmp_path: Path) -> None:
    found = cells(written(tmp_path), seeds=(5,), baselines=False, overrides=("dataset.step=2",))
    assert [one.cell.spec.seeds for one in found] == ["5"] * 3
    assert {one.cell.spec.dataset.config["step"] for one in found} == {2}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("title =", "titel =", "no field 'titel'; did you mean title?"),
        ('place = "Figure 0"', "", "[source]: place: Field required"),
        ("name = \"K\"\nfigure", "name = \"K\"\nfigur", "[panels] 1: no field 'figur'; did you"),
        ('symbol = "K",', 'sign = "K",', "[panels] 1 [x]: no field 'sign'; allowed: option, sym"),
        ('figure = "ndcg@10"', 'figure = "ndcg@11"', "no figure 'ndcg@11'; allowed: recall@5"),
        ('panel = "K"', 'panel = "k"', "claim 'it rises': no panel 'k'; allowed: K"),
        ("order = [4, 12]", "order = [4, 13]", "tokenizer.codes = 13; allowed: 4, 6, 12"),
        ("order = [4, 12]", "", "either `order`, of two values or more, or `best`"),
        ("order = [4, 12]", "best = 4\nat = { x = 1 }", "`at` must fix all axes of panel 'K'"),
        ("[source]", "[source", "not a TOML file"),
    ],
)  # fmt: skip
def test_a_fault_names_file_table_field_and_what_is_allowed(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    assert old in GOOD
    path = written(tmp_path, GOOD.replace(old, new, 1))
    with pytest.raises(ConfigError) as caught:
        read_grid_file(path)
    assert said in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "given", "said"),
    [
        ("seeds = [0, 1]", "sedes = [0]", {}, "sedes: Extra inputs are not permitted; fields: dat"),
        ("[4, 6, 12]", "[4, 6, 12, 0]", {}, "codes: Input should be greater than"),
        ("", "", {"overrides": ("tokenizer.codes=5",)}, "an axis of this file, not to be set"),
        ("", "", {"tokenizers": ("hashed", "item-id")}, "a figure has one tokenizer, not 2"),
    ],
)
def test_a_fault_in_the_run_names_the_file(
    tmp_path: Path, old: str, new: str, given: dict[str, Any], said: str
) -> None:
    path = written(tmp_path, GOOD.replace(old, new, 1))
    with pytest.raises(ConfigError) as caught:
        cells(path, **given)
    assert said in str(caught.value)
    assert str(path) in str(caught.value)
