"""Format `csv`: a header line, then an item per line: item_id,level_1,level_2,level_3.

The first column is called item_id; every other column is a level, in order, whatever its name.
"""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

from tokbench.errors import DatasetError, Fault
from tokbench.ids.code_table import CodeTable, Found, ItemCodes

ITEM = "item_id"
LAYOUT = "the first line is item_id,level_1,level_2,..."
_INTEGER = re.compile(r"-?[0-9]{1,10}")


def column_names(levels: int) -> list[str]:
    """The column names of a table."""
    return [ITEM, *(f"level_{level + 1}" for level in range(levels))]


def read(path: Path, fault: Fault) -> Found:
    """Rows in file order, each with its line; blank lines, CRLF and a leading BOM are fine."""
    rows: list[ItemCodes] = []
    header: list[str] | None = None
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.reader(stream, strict=True)
            for cells in reader:
                if not cells:
                    continue
                if header is None:
                    header = cells
                    continue
                codes = [int(cell) if _INTEGER.fullmatch(cell) else cell for cell in cells[1:]]
                rows.append(ItemCodes(cells[0], codes, reader.line_num))
    except UnicodeDecodeError as error:
        raise DatasetError("not UTF-8", path=path, remedy="save it as UTF-8") from error
    except csv.Error as error:
        raise DatasetError(f"malformed csv: {error}", path=path, line=reader.line_num) from error
    if header is None or header[0] != ITEM:
        raise DatasetError("no column item_id", path=path, line=1, remedy=LAYOUT)
    return Found(rows)


def encode(table: CodeTable) -> dict[str, bytes]:
    """The file's content; ids stand in quotes, so that any text survives."""
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
    text.write(",".join(column_names(table.ids.levels)) + "\n")
    for item, codes in zip(table.item_ids, table.ids.codes.tolist(), strict=True):
        writer.writerow([item, *codes])
    return {"": text.getvalue().encode("utf-8")}
