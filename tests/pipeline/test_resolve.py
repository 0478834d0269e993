"""Requests: every wrong word is caught before anything runs, and equal cells have equal ids."""

from __future__ import annotations

import inspect
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest

import tokbench
from tests.components import Hashed, registry_of
from tokbench.api import option
from tokbench.cli.run import run_command
from tokbench.errors import ConfigError, UnknownComponentError
from tokbench.pipeline import stages
from tokbench.pipeline.cell import Cell
from tokbench.pipeline.resolve import Request, make_request, resolve
from tokbench.schema.run_spec import PROTOCOLS, RunSpec


def cells_of(**fields: Any) -> list[Cell]:
    request = {"datasets": ("tiny",), "tokenizers": ("hashed",), "generators": ("echo",),
               "encoder": "letters", "baselines": False} | fields  # fmt: skip
    return resolve(make_request(**request), registry_of())


def test_a_grid_is_the_product_of_its_axes_with_baselines_once() -> None:
    cells = cells_of(
        tokenizers=("hashed", "hashed:wide"),
        seeds=(0, 1),
        collision_policies=("none", "extra-token"),
        baselines=True,
    )
    assert len(cells) == 6 + 2 + 2 * 2 * 2
    assert [(cell.spec.generator.name, cell.spec.seeds) for cell in cells[:8]] == [
        ("popularity", "0"),
        ("recent-popularity", "0"),
        ("query-time-popularity", "0"),
        ("bigram", "0"),
        ("item-item", "0"),
        ("content-neighbours", "0"),
        ("sasrec", "0"),
        ("sasrec", "0-1"),
    ]
    assert {cell.spec.tokenizer.name for cell in cells[:8]} == {"item-id"}
    assert {cell.spec.collision_policy for cell in cells[:8]} == {"none"}
    assert len({cell.spec.run_id for cell in cells}) == len(cells)


def test_the_same_cell_asked_twice_is_one_cell() -> None:
    assert len(cells_of(tokenizers=("hashed", "hashed"), seeds=(0, 0))) == 1


def test_one_configuration_has_one_identity_however_it_was_typed() -> None:
    (by_preset,) = cells_of(tokenizers=("hashed:wide",))
    (by_override,) = cells_of(overrides=("tokenizer.codes=12",))
    assert by_preset.spec == by_override.spec
    assert by_preset.spec.tokenizer.label == "hashed:wide"


def test_overrides_are_typed_labelled_and_change_the_identity() -> None:
    (plain,), (changed,) = cells_of(), cells_of(overrides=("hashed.codes=7",))
    assert changed.tokenizer.config.codes == 7
    assert changed.spec.tokenizer.label == "hashed [codes=7]"
    assert changed.spec.run_id != plain.spec.run_id


def test_an_option_that_was_added_later_counts_only_where_it_is_changed() -> None:
    """Rows that were published before it are still what the default does."""

    class Grown(Hashed):
        class Config(Hashed.Config):
            later: int = option(0, ge=0, added=True, description="came with a later version")

    def grown(*overrides: str) -> RunSpec:
        registry = registry_of()
        registry.entries["tokenizer", "hashed"] = [
            replace(registry.get("tokenizer", "hashed"), cls=Grown)
        ]
        request = make_request(datasets="tiny", tokenizers="hashed", generators="echo",
                               encoder="letters", baselines=False, overrides=overrides)  # fmt: skip
        return resolve(request, registry)[0].spec

    (before,) = cells_of()
    assert grown() == grown("hashed.later=0") == before.spec
    assert grown("hashed.later=2").tokenizer.config == {"codes": 4, "later": 2}
    assert grown("hashed.later=2").tokenizer.label == "hashed [later=2]"


def test_seed_profile_and_width_are_part_of_the_identity() -> None:
    ids = {
        cells_of(**fields)[0].spec.run_id
        for fields in ({}, {"seeds": (1,)}, {"profile": "quick"}, {"beam_width": 60})
    }
    assert len(ids) == 4


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"overrides": ("tokenizer.codes=1",)}, "greater than or equal to 2"),
        ({"overrides": ("tokenizer.codes=many",)}, "valid integer"),
        ({"overrides": ("tokenizer.coeds=9",)}, "did you mean codes"),
        ({"overrides": ("hashed.coeds=9",)}, "did you mean codes"),
        ({"overrides": ("tokeniser.codes=9",)}, "scopes: "),
        ({"overrides": ("codes=9",)}, "write it as"),
        ({"tokenizers": ("hashed:wider",)}, "did you mean wide"),
        ({"collision_policies": ("drop",)}, "allowed: "),
    ],
)
def test_a_wrong_option_says_what_is_allowed(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        cells_of(**fields)


def test_a_wrong_field_of_a_request_is_one_sentence() -> None:
    with pytest.raises(ConfigError, match="profile: "):
        make_request(datasets=("tiny",), tokenizers=("hashed",), profile="huge")
    with pytest.raises(ConfigError, match="fields: datasets"):
        make_request(datasets=("tiny",), tokenizers=("hashed",), epochs=3)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"tokenizers": ("hashd",)}, "did you mean hashed"),
        ({"generators": ("ecko",)}, "did you mean echo"),
        ({"datasets": ("nowhere",)}, "TOKBENCH_DATA"),
    ],
)
def test_an_unknown_name_is_caught(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(UnknownComponentError, match=words):
        cells_of(**fields)


def test_a_folder_has_one_identity_wherever_it_lies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tokbench.registry.registry import build_registry

    specs = []
    for root in ("here", "there"):
        folder = tmp_path / root / "shop"
        folder.mkdir(parents=True)
        (folder / "items.jsonl").write_text('{"item_id": "a", "title": "A"}\n')
        (folder / "sequences.jsonl").write_text('{"user_id": "u", "item_ids": ["a"]}\n')
        monkeypatch.setenv("TOKBENCH_DATA", str(tmp_path / root))
        for name in (str(folder), "shop"):
            request = make_request(
                datasets=(name,), tokenizers=("random",), encoder="tfidf", baselines=False
            )
            specs += [cell.spec for cell in resolve(request, build_registry(entry_points=False))]
    assert len({spec.run_id for spec in specs}) == 1
    assert specs[0].dataset.label == "shop"
    assert str(tmp_path) not in specs[0].model_dump_json()


def test_presets_of_test_component_are_checked_by_its_config() -> None:
    assert Hashed.of(**Hashed.presets["wide"]).config.codes == 12


def test_the_command_line_and_python_have_the_same_defaults() -> None:
    typed = run_command.make_context("run", ["-d", "toy", "-t", "cost"]).params
    shared = typed.keys() & Request.model_fields.keys() - {"datasets", "tokenizers"}
    assert {"beam_width", "profile", "protocol", "encoder", "generators", "baselines"} <= shared
    for name in shared - {"seeds"}:  # which is also filled by `--seeds N`
        assert typed[name] == Request.model_fields[name].default, name


def test_one_name_stands_for_a_sequence_of_one() -> None:
    one = make_request(datasets="tiny", tokenizers="cost", seeds=3, overrides="cost.levels=2")
    assert (one.datasets, one.tokenizers, one.seeds) == (("tiny",), ("cost",), (3,))
    assert one.overrides == ("cost.levels=2",)
    assert one.encoder == "sentence-transformers"


def test_python_names_every_field_of_a_request_with_its_default() -> None:
    asked = inspect.signature(tokbench.run).parameters
    for name, field in Request.model_fields.items():
        default = asked[name].default
        assert field.is_required() == (default is inspect.Parameter.empty), name
        assert field.is_required() or default == field.default, name
        assert f"        {name}: " in (tokbench.run.__doc__ or ""), name


def test_beams_reach_the_largest_cutoff() -> None:
    words = {"datasets": ("tiny",), "tokenizers": ("hashed",)}
    assert make_request(**words, beam_width=40).beam_width == 40
    with pytest.raises(ConfigError, match=r"beam_width: .*39 beams cannot fill the 40 places"):
        make_request(**words, beam_width=39)


def test_protocols_are_the_same_wherever_they_are_named() -> None:
    option = next(one for one in run_command.params if one.name == "protocol")
    named = [
        set(PROTOCOLS),
        set(stages.PROTOCOLS),
        set(get_args(Request.model_fields["protocol"].annotation)),
        set(option.type.choices),  # type: ignore[attr-defined]
    ]
    assert all(one == named[0] for one in named)
