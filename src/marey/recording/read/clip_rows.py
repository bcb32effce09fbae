"""The clips of a recording, of which only those asked for are read: to name a few of many takes no time."""

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow
from pyarrow import parquet

from marey.recording.clip_identity import stored_flow
from marey.recording.read.opening import UNREADABLE, damaged
from marey.video.read.clips import Clip

_CLIP = ["path", "start_seconds", "stop_seconds", "label", "group", "flow"]


class ClipRows:
    """Rows of clips.parquet by the clip's number, read in the parts in which they lie and kept."""

    def __init__(self, path: Path, opened: Callable[[], parquet.ParquetFile]) -> None:
        """Opens nothing yet; `opened` will open the file at `path`."""
        self._path, self._opened = path, opened
        self._parts: dict[int, tuple[pyarrow.Table, list[str | None]]] = {}

    def clip(self, number: int) -> Clip:
        """The clip with this number; MareyError when the file is missing or damaged."""
        row = self._row(number, _CLIP)
        try:
            return Clip(**{**row, "flow": stored_flow(row["flow"])})
        except ValueError as error:
            raise damaged(self._path, error) from None

    def prediction(self, number: int) -> str | None:
        """The class with the highest score."""
        prediction: str | None = self._row(number, ["prediction"])["prediction"]
        return prediction

    def group(self, number: int) -> str | None:
        """The person or source video that a clip is of."""
        part, place = divmod(number, self._together)
        return self._part(part)[1][place]

    def _row(self, number: int, names: list[str]) -> dict[str, Any]:
        part, place = divmod(number, self._together)
        row: dict[str, Any]
        (row,) = self._part(part)[0].slice(place, 1).select(names).to_pylist()
        return row

    def _part(self, index: int) -> tuple[pyarrow.Table, list[str | None]]:
        if index not in self._parts:
            try:
                table = self._file.read_row_group(index, columns=[*_CLIP, "prediction"], use_threads=False)
            except UNREADABLE as error:
                raise damaged(self._path, error) from None
            self._parts[index] = (table, table["group"].to_pylist())
        return self._parts[index]

    @cached_property
    def _file(self) -> parquet.ParquetFile:
        return self._opened()

    @cached_property
    def _together(self) -> int:
        """How many clips lie in one part."""
        metadata = self._file.metadata
        return int(metadata.row_group(0).num_rows) if metadata.num_row_groups else 1
