"""Format `parquet`: columns item_id (text), level_1, level_2, ... (int32).

Level sizes stand in the schema's metadata under `tokbench.level_sizes`, as a json list. Needs the
extra `parquet`.
"""

from __future__ import annotations

import io
import json
from pathlib import Path
from types import ModuleType

from tokbench.errors import DatasetError, Fault, MissingExtraError, listed
from tokbench.ids.code_table import CodeTable, Found, ItemCodes, read_sizes
from tokbench.ids.csv_table import ITEM, column_names

SIZES = b"tokbench.level_sizes"


def read(path: Path, fault: Fault) -> Found:
    """Rows in file order; every column but item_id is a level, whatever its name."""
    arrow = pyarrow_parquet()
    try:
        with arrow.parquet.ParquetFile(path) as stream:
            file = stream.read()
        columns = [column.to_pylist() for column in file.columns]
    except (OSError, ValueError, arrow.ArrowException) as error:
        raise unreadable(path, error) from error
    names = file.column_names
    if ITEM not in names:
        remedy = f"its columns are {listed(names)}; one is called {ITEM}, the others are codes"
        raise DatasetError(f"no column {ITEM}", path=path, remedy=remedy)
    items = columns.pop(names.index(ITEM))
    rows = [ItemCodes(item, codes) for item, *codes in zip(items, *columns, strict=True)]
    return Found(rows, read_sizes(_stored_sizes(file.schema.metadata or {}), path))


def encode(table: CodeTable) -> dict[str, bytes]:
    """The file's content."""
    arrow = pyarrow_parquet()
    arrays = [arrow.array(list(table.item_ids), arrow.string())]
    arrays += [arrow.array(column, arrow.int32()) for column in table.ids.codes.T]
    file = arrow.table(arrays, names=column_names(table.ids.levels))
    if table.sizes_known:
        file = file.replace_schema_metadata({SIZES: json.dumps(table.ids.level_sizes)})
    stream = io.BytesIO()
    arrow.parquet.write_table(file, stream)
    return {"": stream.getvalue()}


def _stored_sizes(metadata: dict[bytes, bytes]) -> object:
    try:
        return json.loads(metadata.get(SIZES, b"null"))
    except ValueError:
        return metadata[SIZES]


def unreadable(path: Path, error: Exception) -> DatasetError:
    """What to raise for a file that pyarrow refuses."""
    return DatasetError(f"not a readable parquet file: {str(error).partition('. ')[0]}", path=path)


def pyarrow_parquet() -> ModuleType:
    """pyarrow with its parquet module. Raises MissingExtraError."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise MissingExtraError("format parquet", package="pyarrow", extra="parquet") from error
    found: ModuleType = pyarrow
    return found
