"""The tables that `tokbench report NAME` prints, one module each.

A module of this list has `tables(results) -> list[Table]` and `missing(results) -> str`, what to
say where there is no table; and FORM_tables(results), csv_tables for one, where a form of output
wants other tables.
"""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokbench.report.result_set import ResultSet
    from tokbench.report.tables import Table

REPORTS = {  # name -> what it shows; the module has the same name
    "board": "Recall and NDCG of every method, its rank group and what stands behind it.",
    "overview": "Recall@10 of every method on every dataset, their mean, and how often it wins.",
    "slices": "Recall@10 and NDCG@10 of parts of the users: popular and rare items, collisions, "
    "days.",
    "intrinsic": "Measures of the tokenizers' codes beside Recall@10, and whether any predicts it.",
    "decoding": "At which level beams lose the target, and what an exhaustive search would find.",
    "costs": "Seconds, users/s, memory, parameters and tokens of every row.",
    "paper": "Our figures beside those that papers print.",
}


def make(name: str, results: ResultSet, form: str) -> list[Table]:
    """The tables of a report, for a form of output."""
    module = _module(name)
    made: list[Table] = getattr(module, f"{form}_tables", module.tables)(results)
    return made


def missing(name: str, results: ResultSet) -> str:
    """What to say where `make` gave no table."""
    said: str = _module(name).missing(results)
    return said


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"tokbench.report.{name}")
