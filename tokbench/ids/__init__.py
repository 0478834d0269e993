"""Semantic IDs in and out: code tables keyed by item id, in the formats others read and write.

    code_table   CodeTable, the value; what is wrong with a table, row by row
    lc_rec, json_table, csv_table, parquet_table, npy_table   one format each
    formats      which format a file has; `read_table` and `write_table`
    audit        what a published table is like, before anything is trained on it

| format    | layout                                        | holds level sizes            |
|-----------|-----------------------------------------------|------------------------------|
| `lc-rec`  | {"7": ["<a_12>", "<b_7>", "<c_3>"]}            | no                           |
| `json`    | {"7": [12, 7, 3]}                              | no                           |
| `csv`     | item_id,level_1,level_2,level_3                | no                           |
| `parquet` | the same columns                               | yes, in the file's metadata  |
| `npy`     | codes [N, M], FILE.npy.json with the item ids  | yes, beside the item ids     |

Where a format holds none, a level's size is its largest code + 1 unless the reader is told
otherwise. Items, their order and their codes survive every format.
"""
