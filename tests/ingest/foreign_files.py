"""The same interactions in every layout that can be imported, written without tokbench."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple


class Row(NamedTuple):
    """An interaction in the order in which it stands in the file."""

    user: str
    item: str
    time: int


Items = dict[str, str]  # id -> title
Write = Callable[[Path, Items, Sequence[Row]], None]


def write_recbole(folder: Path, items: Items, rows: Sequence[Row]) -> None:
    name = folder.name
    lines = ["item_id:token\ttitle:token_seq\tvector:float_seq"]
    lines += [f"{item}\t{title}\t0.1 0.2" for item, title in items.items()]
    (folder / f"{name}.item").write_bytes("".join(f"{line}\n" for line in lines).encode())
    lines = ["user_id:token\titem_id:token\trating:float\ttimestamp:float"]
    lines += [f"{user}\t{item}\t5\t{time}.0" for user, item, time in rows]
    (folder / f"{name}.inter").write_bytes("".join(f"{line}\n" for line in lines).encode())


def write_csv(folder: Path, items: Items, rows: Sequence[Row]) -> None:
    with (folder / "items.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerows([("asin", "price", "Title"), *((i, "", t) for i, t in items.items())])
    with (folder / "ratings.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerows([("timestamp", "userId", "asin"), *((r.time, r[0], r[1]) for r in rows)])


def write_parquet(folder: Path, items: Items, rows: Sequence[Row]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = {"item_id": list(items), "title": list(items.values())}
    pq.write_table(pa.table(names), folder / "items.parquet")
    columns = dict(zip(("user_id", "item_id", "time"), zip(*rows, strict=True), strict=True))
    pq.write_table(pa.table({k: list(v) for k, v in columns.items()}), folder / "events.parquet")


def write_lc_rec(folder: Path, items: Items, rows: Sequence[Row]) -> None:
    """No times in this format: the lists are in time order already."""
    lists: dict[str, list[str]] = {}
    for row in rows:
        lists.setdefault(row.user, [])
    for row in sorted(rows, key=lambda row: row.time):
        lists[row.user].append(row.item)
    catalogue: Any = {item: {"title": title, "brand": ""} for item, title in items.items()}
    (folder / "X.item.json").write_text(json.dumps(catalogue, indent=4), encoding="utf-8")
    (folder / "X.inter.json").write_text(json.dumps(lists, indent=4), encoding="utf-8")


def write_folder(folder: Path, items: Items, rows: Sequence[Row]) -> None:
    users: dict[str, list[Row]] = {}
    for row in rows:
        users.setdefault(row.user, []).append(row)
    with (folder / "items.jsonl").open("w", encoding="utf-8") as file:
        for item, title in items.items():
            file.write(json.dumps({"item_id": item, "title": title}) + "\n")
    with (folder / "sequences.jsonl").open("w", encoding="utf-8") as file:
        for user, taken in users.items():
            line = {"user_id": user, "item_ids": [r.item for r in taken],
                    "times": [r.time for r in taken]}  # fmt: skip
            file.write(json.dumps(line) + "\n")


WRITERS: dict[str, Write] = {
    "recbole": write_recbole,
    "csv": write_csv,
    "parquet": write_parquet,
    "lc-rec": write_lc_rec,
    "folder": write_folder,
}
