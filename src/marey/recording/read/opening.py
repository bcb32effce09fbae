"""Reading the files of a recording, with errors that say which of them is missing or damaged."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
from numpy.typing import NDArray
from pyarrow import parquet

from marey.errors import MareyError
from marey.files import regular_file
from marey.recording.layout import FORMAT, SUMMARY, UNFINISHED


def read_summary(folder: Path) -> dict[str, Any]:
    """The content of recording.json; MareyError when it is not there, damaged or of another format."""
    if folder.is_file():
        raise MareyError(
            f"'{folder}' is a file, not a recording; if it is a network, "
            f"`marey record {folder} DATA --out DIR` makes one of it."
        )
    try:
        summary = json.loads(regular_file(folder / SUMMARY).read_text(encoding="utf-8"))
    except FileNotFoundError:
        unfinished = (folder / UNFINISHED).is_dir()
        hint = "run the same `marey record` line again to finish it" if unfinished else "make one with `marey record`"
        what = "a recording that is not finished" if unfinished else f"no recording ({SUMMARY})"
        raise MareyError(f"'{folder}' holds {what}; {hint}.") from None
    except (OSError, ValueError) as error:
        raise MareyError(f"the recording in '{folder}' is damaged: {error}. Make it again.") from None
    found = summary.get("format") if isinstance(summary, dict) else None
    if found != FORMAT:
        raise MareyError(
            f"the recording in '{folder}' has format {found}, and this marey reads {FORMAT}; "
            "record again into a new folder."
        )
    return dict(summary)


def read_table(path: Path, columns: list[str] | None = None) -> pyarrow.Table:
    """The rows of a file, of some columns; MareyError when it is missing or damaged."""
    try:
        return parquet.ParquetFile(regular_file(path)).read(columns)
    except (OSError, pyarrow.ArrowException) as error:
        raise damaged(path, error) from None


def rows_between(
    file: parquet.ParquetFile, path: Path, first: int, stop: int, columns: list[str] | None = None
) -> pyarrow.Table:
    """Rows `first` up to, not with, `stop` of a file at `path`, without the parts in which none of them lie."""
    parts, begin, end = [], 0, 0
    for index in range(file.metadata.num_row_groups):
        rows = file.metadata.row_group(index).num_rows
        if end + rows <= first:
            begin += rows
        elif end < stop:
            parts.append(index)
        end += rows
    try:
        table = file.read_row_groups(parts, columns=columns, use_threads=False)
    except (OSError, pyarrow.ArrowException) as error:
        raise damaged(path, error) from None
    return table.slice(first - begin, stop - first)


def numbers(column: pyarrow.ChunkedArray) -> NDArray[Any]:
    """The values of a column without gaps; pyarrow's `to_numpy` would first import pandas, where that is installed."""
    parts = [np.from_dlpack(part) for part in column.chunks]
    return parts[0] if len(parts) == 1 else np.concatenate(parts or [column.combine_chunks().to_numpy()])


def parquet_file(path: Path) -> parquet.ParquetFile:
    """A file to read parts of; MareyError when it is missing or damaged."""
    try:
        return parquet.ParquetFile(regular_file(path))
    except (OSError, pyarrow.ArrowException) as error:
        raise damaged(path, error) from None


def damaged(path: Path, error: Exception) -> MareyError:
    """The error for a file that cannot be read."""
    return MareyError(f"'{path}' of a recording is missing or damaged: {error}. Make the recording again.")
