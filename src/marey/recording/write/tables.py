"""Writes the files of a recording: clips, the responses of every layer sorted by unit, statistics, a summary."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
from numpy.typing import NDArray
from pyarrow import parquet

from marey.recording.checked_file import checksums
from marey.recording.layout import (
    CHECKSUMS,
    CLIP_SCHEMA,
    CLIPS,
    RESPONSE_FIELDS,
    RESPONSE_SCHEMA,
    RESPONSES,
    STATISTICS,
    STATISTICS_SCHEMA,
    SUMMARY,
    ResponseArrays,
    responses_path,
)
from marey.recording.write.json_lines import json_lines
from marey.recording.write.statistics import statistics_by_class
from marey.schema import signed
from marey.video.read.ahead import cores

GROUP_ROWS = 2**17
CLIP_ROWS = 2**12  # clips in a row group: few, so that one is read without most others
_LISTED_FAILURES = 1000
FILE_UNITS = 1024  # of layers that share a file, which one thread writes at a time
VALUE_BYTES = 96  # that a response takes while it is sorted
_FOUND_BY = ("layer", "unit", "clip", "label")
_BUFFER_BYTES = 2**20
MEMORY_BYTES = 2**28

LayerUnits = tuple[tuple[str, slice], ...]
"""Layers that follow each other, and which units of each."""

ResponsesOf = Callable[[LayerUnits], ResponseArrays]


@contextmanager
def _writer(path: Path, schema: pyarrow.Schema) -> Iterator[parquet.ParquetWriter]:
    """A writer of a Parquet file. LZ4 takes an eighth more space than zstd, and half of its time to read.

    The least and the largest value of a part are written of columns by which rows are found, not of all.
    """
    options = {
        "compression": "lz4",
        "use_dictionary": [field.name for field in schema if _repeats(field)],
        "write_statistics": [name for name in _FOUND_BY if name in schema.names],
    }
    with (
        pyarrow.BufferedOutputStream(pyarrow.OSFile(str(path), "wb"), _BUFFER_BYTES) as sink,
        parquet.ParquetWriter(sink, schema, **options) as writer,
    ):
        yield writer


def _repeats(column: pyarrow.Field) -> bool:
    """Whether the values of a column are often the same, as those of floating type seldom are."""
    return column.name == "seconds" or not pyarrow.types.is_floating(column.type)


def write_recording(
    folder: Path,
    provenance: Mapping[str, Any],
    rows: Iterable[Mapping[str, Any]],
    responses_of: ResponsesOf,
    *,
    memory_bytes: int = MEMORY_BYTES,
) -> None:
    """Write the files of a recording to a folder, the summary last: a folder with a summary holds a whole recording.

    provenance
        the network, layers, settings and clips, as `Plan.provenance` has them.
    rows
        those of clips.parquet, in order.
    responses_of
        gives the responses (unit, clip) of some units of layers. Several threads call it after the last of `rows`, for
        as many units at once as `memory_bytes` hold.
    """
    counts = _Counts(tuple(provenance["network"]["classes"]))
    with _writer(folder / CLIPS, CLIP_SCHEMA) as writer:
        waiting: list[Mapping[str, Any]] = []
        for row in rows:
            counts.add(row)
            waiting.append(row)
            if len(waiting) == CLIP_ROWS:
                writer.write_table(pyarrow.Table.from_pylist(waiting, schema=CLIP_SCHEMA))
                waiting = []
        if waiting:
            writer.write_table(pyarrow.Table.from_pylist(waiting, schema=CLIP_SCHEMA))
    (folder / RESPONSES).mkdir(exist_ok=True)
    threads = cores()
    files = _files({name: layer["units"] for name, layer in provenance["layers"].items()})
    at_once = max(1, memory_bytes // threads // (VALUE_BYTES * max(1, len(counts.numbers))))

    def written(number: int) -> tuple[pyarrow.Table, str]:
        path = responses_path(folder, number)
        return _write_layers(path, files[number], counts, responses_of, at_once), checksums(path)

    checked = {CLIPS: checksums(folder / CLIPS)}
    with _writer(folder / STATISTICS, STATISTICS_SCHEMA) as writer, ThreadPoolExecutor(threads) as pool:
        for number, (statistics, found) in enumerate(pool.map(written, range(len(files)))):
            writer.write_table(statistics, row_group_size=2**31)
            checked[responses_path(Path(), number).as_posix()] = found
    checked[STATISTICS] = checksums(folder / STATISTICS)
    summary = {
        **provenance,
        "clips": {**provenance["clips"], **counts.summary},
        RESPONSES: {responses_path(folder, number).name: list(units) for number, units in enumerate(files)},
        CHECKSUMS: checked,
    }
    (folder / SUMMARY).write_text(json_lines(signed(summary)), encoding="utf-8")


class _Counts:
    """What is counted while the rows of the clips pass by."""

    def __init__(self, classes: tuple[str, ...]) -> None:
        self.classes = frozenset(classes)
        self.numbers: list[int] = []
        self.columns: dict[str, list[int]] = defaultdict(list)
        self.failures: list[dict[str, str]] = []
        self.skipped = self.known = self.right = 0

    def add(self, row: Mapping[str, Any]) -> None:
        if row["failure"] is not None:
            self.skipped += 1
            if len(self.failures) < _LISTED_FAILURES:
                self.failures.append({"path": row["path"], "reason": row["failure"]})
            return
        if row["label"] is not None:
            self.columns[row["label"]].append(len(self.numbers))
        self.numbers.append(row["clip"])
        if row["label"] in self.classes and row["prediction"] is not None:  # which networks without scores do not make
            self.known += 1
            self.right += row["prediction"] == row["label"]

    @property
    def summary(self) -> dict[str, Any]:
        return {
            "recorded": len(self.numbers),
            "skipped": self.skipped,
            "failures": self.failures,
            "labels": {label: len(columns) for label, columns in sorted(self.columns.items())},
            "of_known_class": self.known,
            "right": self.right,
        }


def _together(clips: int) -> int:
    """How many units lie in a row group: few, so that one is read without most others."""
    return max(1, GROUP_ROWS // max(1, clips))


def _files(units: Mapping[str, int]) -> list[dict[str, int]]:
    """Layers with so many units in order, by the files that hold them.

    Those that follow each other share one, as a file for each takes more time to write than what is in it.
    """
    files: list[dict[str, int]] = []
    for name, count in units.items():
        if not files or sum(files[-1].values()) + count > FILE_UNITS:
            files.append({})
        files[-1][name] = count
    return files


def _parts(units: Mapping[str, int], at_once: int) -> Iterator[LayerUnits]:
    """The units of the layers of a file in order, so many at once."""
    ends = np.cumsum(list(units.values())).tolist()
    for first in range(0, ends[-1], at_once):
        slices = {
            name: slice(max(first, end - count) - (end - count), min(first + at_once, end) - (end - count))
            for (name, count), end in zip(units.items(), ends, strict=True)
        }
        yield tuple((name, some) for name, some in slices.items() if some.start < some.stop)


def _write_layers(
    path: Path, units: Mapping[str, int], counts: "_Counts", responses_of: ResponsesOf, at_once: int
) -> pyarrow.Table:
    """Write the responses of layers, sorted by layer, unit, then clip; gives the statistics of their units.

    `at_once` units are in memory, or as many as are in a row group where that is more.
    """
    clips = np.array(counts.numbers, np.int32)
    columns = {label: np.array(places, np.intp) for label, places in sorted(counts.columns.items())}
    together = _together(len(clips))
    statistics: list[pyarrow.Table] = []
    with _writer(path, RESPONSE_SCHEMA) as writer:
        for part in _parts(units, max(1, at_once // together) * together):
            every = responses_of(part)
            writer.write_table(_response_table(part, every, clips), row_group_size=max(1, together * len(clips)))
            maxima, means = (every[name].astype(np.float32, copy=False) for name in ("maximum", "mean"))
            by_class = statistics_by_class(maxima, means, columns)
            statistics.append(_statistics_table(part, by_class))
    return pyarrow.concat_tables(statistics)


def _named(part: LayerUnits, times: int) -> tuple[pyarrow.DictionaryArray, NDArray[np.int32]]:
    """The layer and the number of every unit, each so many times."""
    numbers = np.concatenate([np.arange(units.start, units.stop, dtype=np.int32) for _, units in part])
    layers = np.repeat(np.arange(len(part), dtype=np.int32), [units.stop - units.start for _, units in part])
    names = pyarrow.array([name for name, _ in part], pyarrow.string())
    return pyarrow.DictionaryArray.from_arrays(np.repeat(layers, times), names), np.repeat(numbers, times)


def _response_table(part: LayerUnits, responses: ResponseArrays, clips: NDArray[np.int32]) -> pyarrow.Table:
    layers, units = _named(part, len(clips))
    columns: dict[str, Any] = {"layer": layers, "unit": units, "clip": np.tile(clips, len(responses["maximum"]))}
    columns |= {name: responses[name].reshape(-1) for name in RESPONSE_FIELDS}
    return pyarrow.table(columns, schema=RESPONSE_SCHEMA)


def _statistics_table(part: LayerUnits, by_class: Mapping[str | None, Mapping[str, NDArray[Any]]]) -> pyarrow.Table:
    """The statistics of the units of layers, in a row by class; sorted by layer, unit, then class, all last."""
    labels = [*sorted(label for label in by_class if label is not None), None]
    layers, units = _named(part, len(labels))
    each = np.tile(np.arange(len(labels)), len(units) // len(labels))
    columns: dict[str, Any] = {
        "layer": layers.cast(pyarrow.string()),
        "unit": units,
        "label": pyarrow.array(labels, pyarrow.string()).take(pyarrow.array(each)),
    }
    for name in by_class[None]:
        columns[name] = np.stack([by_class[label][name] for label in labels], axis=1).reshape(-1)
    return pyarrow.table({name: columns[name] for name in STATISTICS_SCHEMA.names}, schema=STATISTICS_SCHEMA)
