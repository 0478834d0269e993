"""The tables that `tokbench report NAME` prints, one module each.

A module of this list has `tables(results) -> list[Table]`; and FORM_tables(results), csv_tables for
one, where a form of output wants other tables.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokbench.report.result_set import ResultSet
    from tokbench.report.tables import Table

REPORTS = {  # name of the report and its module -> (what it shows, what records it takes)
    "board": ("Recall and NDCG of every method, its rank group and what stands behind it.",
              "a record"),
    "overview": ("Recall@10 of every method on every dataset, their mean, and how often it wins.",
                 "records on two datasets, run in one setting"),
    "slices": ("Recall@10 and NDCG@10 of parts of the users: popular and rare items, collisions, "
               "days.", "a completed run"),
    "intrinsic": ("Measures of the tokenizers' codes beside Recall@10, and whether any predicts "
                  "it.", "a run of this version over codes other than item-id"),
    "decoding": ("At which level beams lose the target, and what an exhaustive search would find.",
                 "a run of this version"),
    "agreement": ("Whether bits per item order rows as Recall@10 does, and what constrained "
                  "decoding adds.", "three rows of one board whose generators are distributions"),
    "costs": ("Seconds, users/s, memory, parameters and tokens of every row.", "a completed run"),
    "paper": ("Our figures beside those that papers print.",
              "leave-one-out records of a dataset in published.toml, such as mind or beauty"),
}  # fmt: skip


def make(name: str, results: ResultSet, form: str) -> list[Table]:
    """The tables of a report, for a form of output."""
    module = importlib.import_module(f"tokbench.report.{name}")
    made: list[Table] = getattr(module, f"{form}_tables", module.tables)(results)
    return made


def nothing(name: str, results: ResultSet) -> str:
    """What to say where `make` gave no table."""
    found = sorted({f"{board.title.dataset} ({len(board.rows)})" for board in results.boards})
    return (
        f"nothing to show: `report {name}` takes {REPORTS[name][1]}; there are records of (rows): "
        f"{', '.join(found)}"
    )
