"""Interchange formats that `tokbench data import` reads, one per file.

| format    | interactions                         | items                     | time          |
|-----------|--------------------------------------|---------------------------|---------------|
| `folder`  | sequences.jsonl                      | items.jsonl               | days or times |
| `lc-rec`  | X.inter.json: {"7": [3, 9]}          | X.item.json: {"3": {...}} | as listed     |
| `recbole` | X.inter: user_id:token ...           | X.item: item_id:token ... | timestamp     |
| `csv`     | a table with a header (csv, tsv)     | another                   | if it has one |
| `parquet` | a table                              | another                   | if it has one |

A format finds its two files, yields the rows of the one with items, and the events of the one with
interactions. Readers report a fault with file and line and go on with the next row; whether a fault
ends the import is the caller's choice. What rows and events have in common is in `rows`.
"""
