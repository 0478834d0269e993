"""A space is what is written, typed by the option it is of, and wrong ones are named."""

from __future__ import annotations

import pytest

from tests.components import registry_of
from tokbench.errors import ConfigError
from tokbench.pipeline.tuning.space import Range, parse_space, read_space, rounded
from tokbench.registry.registry import Entry, build_registry

PARTS = {
    "tokenizer": registry_of().get("tokenizer", "hashed"),
    "generator": build_registry(entry_points=False).get("generator", "sasrec"),
}


def space_of(*texts: str) -> object:
    return parse_space(read_space(texts, PARTS), PARTS)


def test_ranges_and_choices_have_the_type_of_their_option() -> None:
    assert space_of("sasrec.learning_rate=1e-4..1e-2:log", "tokenizer.codes=4..8",
                    "generator.width=32,64", "sasrec.own_last=true,false") == {
        "sasrec.learning_rate": Range(1e-4, 1e-2, log=True, whole=False),
        "hashed.codes": Range(4, 8, log=False, whole=True),
        "sasrec.width": (32, 64),
        "sasrec.own_last": (True, False),
    }  # fmt: skip


def test_a_name_alone_is_what_the_component_declares_and_may_be_narrowed() -> None:
    found = read_space(["sasrec", "sasrec.width=8,16"], PARTS)
    assert found == {
        **{f"sasrec.{name}": text for name, text in PARTS["generator"].cls.space.items()},
        "sasrec.width": "8,16",
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sasrec.width", "write it as SCOPE.OPTION="),
        ("cost.levels=2..4", "nothing called 'cost' is tuned here; scopes: tokenizer, hashed"),
        ("hashed", "declares no space"),
        ("sasrec.widht=32,64", "no option 'widht'; did you mean width?"),
        ("sasrec.width=4..64", "greater than or equal to 8"),
        ("sasrec.dropout=0.2..1", "less than 1"),
        ("sasrec.width=64..32", "below the high one"),
        ("sasrec.dropout=0..0.5:log", "above 0"),
        ("sasrec.width=64", "nothing to search"),
        ("sasrec.width=64,64", "nothing to search"),
        ("sasrec.own_last=false..true", "holds no numbers"),
    ],
)
def test_what_is_wrong_is_said(text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=r"^--space") as caught:
        space_of(text)
    assert said in str(caught.value)


def declared() -> list[Entry]:
    registry = build_registry()
    return [
        entry
        for kind in ("tokenizer", "generator")
        for entry in registry.all(kind)
        if entry.cls.space
    ]


@pytest.mark.parametrize("entry", declared(), ids=lambda entry: entry.name)
def test_declared_spaces_hold_the_defaults(entry: Entry) -> None:
    """So that a tuning begins with the settings as they are, and cannot end below them."""
    parts = {entry.kind: entry}
    config = entry.cls.Config()
    for name, values in parse_space(read_space([entry.name], parts), parts).items():
        assert getattr(config, name.partition(".")[2]) in values, name


def test_what_is_tried_has_three_digits() -> None:
    assert [rounded(value) for value in (0.00123456, 12345.6, -0.5, 0.0, 7, True, "a")] == [
        0.00123, 12300.0, -0.5, 0.0, 7, True, "a",
    ]  # fmt: skip
