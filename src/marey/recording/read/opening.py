"""Reading the files of a recording, with errors that say which of them is missing or damaged."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
from numpy.typing import NDArray
from pyarrow import parquet

from marey.errors import MareyError
from marey.files import regular_file
from marey.recording.checked_file import ChangedError, CheckedFile
from marey.recording.layout import CHECKSUMS, FORMAT, OPENED, RESPONSES, SUMMARY, UNFINISHED
from marey.recording.summary import Summary
from marey.schema import SIGNATURE, SchemaError, check_signature, parsed, typed

UNREADABLE = (OSError, ValueError, ChangedError, pyarrow.ArrowException)
"""What reading a damaged file raises."""


def read_summary(folder: Path) -> tuple[Summary, dict[str, Any]]:
    """The content of recording.json, and as plain values without checksums; MareyError when it cannot be read."""
    if folder.is_file():
        raise MareyError(
            f"'{folder}' is a file, not a recording; if it is a network, "
            f"`marey record {folder} DATA --out DIR` makes one of it."
        )
    try:
        values = parsed(regular_file(folder / SUMMARY).read_bytes())
        found = values.get("format") if isinstance(values, dict) else None
        if found not in OPENED:
            raise MareyError(
                f"the recording in '{folder}' has format {found}, and this marey reads {FORMAT}; "
                "record again into a new folder."
            )
        summary = typed(values, Summary)
        if found == FORMAT or SIGNATURE in values:
            check_signature(values)
        _check_responses(summary)
    except FileNotFoundError:
        unfinished = (folder / UNFINISHED).is_dir()
        hint = "run the same `marey record` line again to finish it" if unfinished else "make one with `marey record`"
        what = "a recording that is not finished" if unfinished else f"no recording ({SUMMARY})"
        raise MareyError(f"'{folder}' holds {what}; {hint}.") from None
    except (OSError, ValueError) as error:
        raise damaged(folder / SUMMARY, error) from None
    return summary, {name: value for name, value in values.items() if name not in (CHECKSUMS, SIGNATURE)}


def _check_responses(summary: Summary) -> None:
    """Raise SchemaError unless every layer is in one file, and every file in the folder of the responses."""
    listed = [layer for layers in summary.responses.values() for layer in layers]
    if sorted(listed) != sorted(summary.layers):
        raise SchemaError(f"'{RESPONSES}' does not name every one of 'layers' once")
    for name, same in summary.twins.items():
        if same not in summary.layers:
            raise SchemaError(f"'twins' says that {json.dumps(name)} is {json.dumps(same)}, which is not in 'layers'")
    for name in summary.responses:
        if re.fullmatch(r"\d+\.parquet", name, re.ASCII) is None:
            raise SchemaError(f"'{RESPONSES}' names {json.dumps(name)}; expected a name such as \"00000.parquet\"")


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
        table = file.read_row_groups(parts, columns=columns, use_threads=False).slice(first - begin, stop - first)
    except UNREADABLE as error:
        raise damaged(path, error) from None
    if table.num_rows != stop - first:
        raise damaged(path, f"it has {end} rows, fewer than '{SUMMARY}' says")
    return table


def numbers(column: pyarrow.ChunkedArray) -> NDArray[Any]:
    """The values of a column without gaps; pyarrow's `to_numpy` would first import pandas, where that is installed."""
    parts = [np.from_dlpack(part) for part in column.chunks]
    return parts[0] if len(parts) == 1 else np.concatenate(parts or [column.combine_chunks().to_numpy()])


def parquet_file(folder: Path, name: str, summary: Summary) -> parquet.ParquetFile:
    """A file of a recording to read parts of, checked as they are read; MareyError when it is missing or damaged."""
    path = folder / name
    try:
        if summary.format < FORMAT:
            return parquet.ParquetFile(path)
        return parquet.ParquetFile(CheckedFile(path, summary.checksums.get(name, "")))
    except UNREADABLE as error:
        raise damaged(path, error) from None


def damaged(path: Path, error: object) -> MareyError:
    """The error for a file that cannot be read."""
    if isinstance(error, FileNotFoundError):
        error = "it is missing"
    return MareyError(
        f"'{path}' of a recording is damaged: {error}. Remove the recording and run its `marey record` line again."
    )
