"""Item text: a template with named fields, from raw fields that are often missing or dirty.

    >>> render("Category: {categories}. Brand: {brand}. Title: {title}.",
    ...        {"title": "AT&amp;T phone", "categories": ["Office", "Phones"]})
    'Category: Office > Phones. Title: AT&T phone.'

A field that is missing or empty vanishes with the label before it and the punctuation after it.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping
from html.parser import HTMLParser
from string import Formatter
from typing import NamedTuple

JOINED_BY = " > "  # how a list such as a category path is read
DANGLING = " \t,;:-|>/"  # separators that mean nothing at the end of a text

# Elements that may stand inside a word: removing one must not cut the word in two.
INLINE = frozenset(
    (
        *("a", "abbr", "b", "big", "em", "font", "i", "mark", "s", "small", "span", "strong"),
        *("sub", "sup", "u", "wbr"),
    )
)
SILENT = frozenset(("script", "style"))  # elements whose content nobody reads


class Clause(NamedTuple):
    """A field of a template with the words before it and the punctuation after it."""

    label: str
    field: str
    ending: str


def clauses(template: str) -> list[Clause]:
    """The clauses of a template; literal text between two fields is cut after its punctuation.

    Raises ValueError for unbalanced braces, an empty or numbered field, or a format spec.
    """
    parts = list(Formatter().parse(template))
    if not any(field is not None for _, field, _, _ in parts):
        raise ValueError(f"template {template!r} names no field: write one like '{{title}}'")
    found: list[Clause] = []
    label = ""
    for literal, field, spec, conversion in parts:
        if found:
            ending, literal = _split_literal(literal)
            found[-1] = found[-1]._replace(ending=found[-1].ending + ending)
        label += literal
        if field is None:
            continue
        if spec or conversion or not field.isidentifier():
            raise ValueError(f"template field {field!r} must be a plain name such as {{title}}")
        found.append(Clause(label, field, ""))
        label = ""
    if label:  # words after the last field belong to it
        found[-1] = found[-1]._replace(ending=found[-1].ending + label)
    return found


def _split_literal(literal: str) -> tuple[str, str]:
    """('. ', 'Brand: ') from '. Brand: ': the ending of one field, the label of the next."""
    match = re.match(r"(?:[^\w\s([{]*\s+|[^\w\s([{]*$)", literal)
    cut = match.end() if match else 0
    return literal[:cut], literal[cut:]


def template_fields(template: str) -> list[str]:
    """Names of the fields in the template, in order."""
    return [clause.field for clause in clauses(template)]


def render(template: str | list[Clause], fields: Mapping[str, object]) -> str:
    """The item's text: '' where every field of the template is missing or empty."""
    parts = clauses(template) if isinstance(template, str) else template
    text = ""
    for part in parts:
        value = clean(fields.get(part.field))
        if not value:
            continue
        ending = part.ending
        if value[-1] in ".!?" and ending.startswith("."):
            ending = ending[1:]
        text += part.label + value + ending
    return " ".join(text.rstrip(DANGLING).split())


def clean(value: object) -> str:
    """Readable text of a raw field: entities decoded, markup stripped, whitespace squeezed.

    Lists are joined by ' > ', None is '', and numbers are written out.
    """
    if value is None:
        return ""
    if isinstance(value, (list, tuple)):
        return JOINED_BY.join(part for part in map(clean, flattened(value)) if part)
    text = value if isinstance(value, str) else str(value)
    if "&" in text:
        text = html.unescape(text)
    if "<" in text and ">" in text:
        text = strip_markup(text)
    # Half of a surrogate pair is no character: encoders refuse it.
    text = text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    return " ".join(text.split())


def flattened(values: Iterable[object]) -> Iterable[object]:
    """The members of nested lists, depth first, without recursion."""
    stack = [iter(values)]
    while stack:
        for value in stack[-1]:
            if isinstance(value, (list, tuple)):
                stack.append(iter(value))
                break
            yield value
        else:
            stack.pop()


def strip_markup(text: str) -> str:
    """`text` without its HTML elements; a '<' that opens no element stays as it is."""
    # What follows the last '>' cannot hold a whole element, and parsers differ on half ones.
    end = text.rindex(">") + 1
    reader = _TextOfMarkup()
    reader.feed(text[:end])
    reader.close()
    return "".join(reader.parts) + text[end:]


class _TextOfMarkup(HTMLParser):
    """Collects the character data of a document."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self.silent = False

    def handle_data(self, data: str) -> None:
        if not self.silent:
            self.parts.append(data)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.silent = tag in SILENT
        self._separate(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._separate(tag)

    def handle_endtag(self, tag: str) -> None:
        self.silent = False
        self._separate(tag)

    def _separate(self, tag: str) -> None:
        if tag not in INLINE:
            self.parts.append(" ")
