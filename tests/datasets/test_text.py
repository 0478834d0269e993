from __future__ import annotations

import doctest
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tokbench.datasets.text as text_module
from tokbench.datasets.text import clauses, clean, render, template_fields

PAPER = "Category: {categories}. Brand: {brand}. Title: {title}. Description: {description}."


def test_the_docstring_tells_the_truth() -> None:
    assert doctest.testmod(text_module) == (0, 1)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (
            {"categories": ["Office", "Pens"], "brand": "Pilot", "title": "G2", "description": "A"},
            "Category: Office > Pens. Brand: Pilot. Title: G2. Description: A.",
        ),
        ({"title": "G2"}, "Title: G2."),
        ({"categories": ["Office"], "title": "G2"}, "Category: Office. Title: G2."),
        ({"categories": [], "brand": "  ", "title": None}, ""),
        ({"title": "Ready?", "brand": "Acme Inc."}, "Brand: Acme Inc. Title: Ready?"),
        ({"categories": ["", "Pens"], "title": 7}, "Category: Pens. Title: 7."),
        ({"categories": [["Office", "Pens"], ["Gifts"]]}, "Category: Office > Pens > Gifts."),
    ],
)
def test_missing_fields_vanish_with_label_and_punctuation(
    fields: dict[str, Any], expected: str
) -> None:
    assert render(PAPER, fields) == expected


@pytest.mark.parametrize(
    ("template", "fields", "expected"),
    [
        ("{title} ({brand})", {"title": "Pen", "brand": "Pilot"}, "Pen (Pilot)"),
        ("{title} ({brand})", {"title": "Pen"}, "Pen"),
        ("{title} ({brand})", {"brand": "Pilot"}, "(Pilot)"),
        ("{title} by {brand}, {color}", {"title": "Pen", "brand": "Pilot"}, "Pen by Pilot"),
        ("{title} by {brand}, {color}", {"title": "Pen", "color": "red"}, "Pen red"),
        ("Read {title} now", {"title": "it"}, "Read it now"),
        ("{{{title}}}", {"title": "Pen"}, "{Pen}"),
        ("{a} - {b}", {"a": "x"}, "x"),
    ],
)
def test_other_templates(template: str, fields: dict[str, Any], expected: str) -> None:
    assert render(template, fields) == expected


@pytest.mark.parametrize("template", ["", "no field", "{}", "{0}", "{title", "{a.b}", "{a:>3}"])
def test_a_bad_template_is_refused(template: str) -> None:
    with pytest.raises(ValueError, match=r"field|brace|'}'|format"):
        clauses(template)


def test_template_fields_in_order() -> None:
    assert template_fields(PAPER) == ["categories", "brand", "title", "description"]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("AT&amp;T", "AT&T"),
        ("<b>Big</b> pen<br/>set", "Big pen set"),
        ("<b>B</b>ig", "Big"),
        ("<p>One</p><p>Two</p>", "One Two"),
        ("&lt;i&gt;Soft&lt;/i&gt; case", "Soft case"),
        ("a < b and c > d", "a < b and c > d"),
        ("5 <6 pens", "5 <6 pens"),
        ("half an <b element", "half an <b element"),
        ("x<script>alert(1)</script>y", "x y"),
        ("<!-- note -->shown", "shown"),
        (" two \t words\r\n here ", "two words here"),
        ("\ud800x", "���x"),
        (None, ""),
        (3.5, "3.5"),
    ],
)
def test_clean(raw: object, expected: str) -> None:
    assert clean(raw) == expected


@given(st.text())
def test_any_text_comes_out_squeezed_and_encodable(raw: str) -> None:
    out = clean(raw)
    assert out == " ".join(out.split())
    out.encode("utf-8")


@given(st.dictionaries(st.sampled_from(template_fields(PAPER)), st.none() | st.just("")))
def test_nothing_to_say_says_nothing(fields: dict[str, Any]) -> None:
    assert render(PAPER, fields) == ""


def test_deeply_nested_lists_are_read_without_recursion() -> None:
    nested: Any = "x"
    for _ in range(5_000):
        nested = [nested]
    assert clean(nested) == "x"
