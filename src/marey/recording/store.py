"""The files of a finished recording: clips, the responses of every layer sorted by unit, statistics, a summary."""

import json
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pyarrow
from numpy.typing import NDArray
from pyarrow import parquet

from marey.recording.plan import CLIP_FIELDS
from marey.recording.statistics import QUANTILES, quantile_name, statistics_by_class
from marey.video.ahead import cores
from marey.video.encode import replacing

SUMMARY, CLIPS, STATISTICS = "recording.json", "clips.parquet", "statistics.parquet"
UNFINISHED = "unfinished"
_GROUP_ROWS = 2**18
_CLIP_ROWS = 2**16
_LISTED_FAILURES = 1000
_VALUE_BYTES = 96  # that a response takes while it is sorted
MEMORY_BYTES = 2**28

CLIP_SCHEMA = pyarrow.schema(
    [
        *CLIP_FIELDS,
        ("failure", pyarrow.string()),
        ("frames", pyarrow.int32()),
        ("rate", pyarrow.float64()),
        ("held", pyarrow.bool_()),
        ("damage", pyarrow.string()),
        ("start_frames", pyarrow.list_(pyarrow.int32())),
        ("prediction", pyarrow.string()),
        ("scores", pyarrow.list_(pyarrow.float32())),
    ]
)
RESPONSE_SCHEMA = pyarrow.schema(
    [
        ("unit", pyarrow.int32()),
        ("clip", pyarrow.int32()),
        ("maximum", pyarrow.float32()),
        ("mean", pyarrow.float32()),
        ("t", pyarrow.int16()),
        ("y", pyarrow.int16()),
        ("x", pyarrow.int32()),
        ("start_frame", pyarrow.int32()),
        ("seconds", pyarrow.float32()),
    ]
)
STATISTICS_SCHEMA = pyarrow.schema(
    [
        ("layer", pyarrow.string()),
        ("unit", pyarrow.int32()),
        ("label", pyarrow.string()),
        ("clips", pyarrow.int32()),
        ("mean", pyarrow.float64()),
        ("variance", pyarrow.float64()),
        ("maximum", pyarrow.float32()),
        *((quantile_name(share), pyarrow.float64()) for share in QUANTILES),
        ("mean_of_means", pyarrow.float64()),
    ]
)

FIELDS = tuple(RESPONSE_SCHEMA.names[2:])

Block = dict[str, NDArray[Any]]  # a field of FIELDS: (unit, clip)
BlockOf = Callable[[str, slice], Block]  # of a layer's units


def layer_path(folder: Path, layer: str) -> Path:
    """Where the responses of a layer lie."""
    return folder / "responses" / f"{quote(layer, safe='')}.parquet"


@contextmanager
def _writer(path: Path, schema: pyarrow.Schema) -> Iterator[parquet.ParquetWriter]:
    """A writer of a Parquet file, which is there when all of it is."""
    with (
        replacing(path) as temporary,
        parquet.ParquetWriter(
            temporary,
            schema,
            compression="zstd",
            compression_level=1,
            use_dictionary=[name for name in schema.names if name not in ("maximum", "mean")],  # seldom twice the same
        ) as writer,
    ):
        yield writer


def write_recording(
    folder: Path,
    described: Mapping[str, Any],
    rows: Iterable[Mapping[str, Any]],
    block: BlockOf,
    *,
    memory_bytes: int = MEMORY_BYTES,
) -> None:
    """Write the files of a recording, the summary last: with it the recording is whole.

    `described` says what was recorded (see `Plan.described`), `rows` are those of clips.parquet in order, and `block`
    gives the responses (unit, clip) of some units of a layer, once all rows were given. It is asked for as many units
    at a time as `memory_bytes` hold, by several threads.
    """
    counts = _Counts(tuple(described["network"]["classes"]))
    with _writer(folder / CLIPS, CLIP_SCHEMA) as writer:
        waiting: list[Mapping[str, Any]] = []
        for row in rows:
            counts.add(row)
            waiting.append(row)
            if len(waiting) == _CLIP_ROWS:
                writer.write_table(pyarrow.Table.from_pylist(waiting, schema=CLIP_SCHEMA))
                waiting = []
        if waiting:
            writer.write_table(pyarrow.Table.from_pylist(waiting, schema=CLIP_SCHEMA))
    threads = cores()

    def layer_written(name: str) -> pyarrow.Table:
        path, units = layer_path(folder, name), described["layers"][name]["units"]
        return _write_layer(path, name, units, counts, block, memory_bytes=memory_bytes // threads)

    with _writer(folder / STATISTICS, STATISTICS_SCHEMA) as writer, ThreadPoolExecutor(threads) as pool:
        for found in pool.map(layer_written, described["layers"]):
            writer.write_table(found, row_group_size=2**31)
    summary = {**described, "clips": {**described["clips"], **counts.summary}}
    with replacing(folder / SUMMARY) as temporary:
        temporary.write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")


class _Counts:
    """What is counted while the rows of the clips pass by."""

    def __init__(self, classes: tuple[str, ...]) -> None:
        self.classes = frozenset(classes)
        self.numbers: list[int] = []
        self.columns: dict[str, list[int]] = defaultdict(list)
        self.failures: list[dict[str, str]] = []
        self.left_out = self.known = self.right = 0

    def add(self, row: Mapping[str, Any]) -> None:
        if row["failure"] is not None:
            self.left_out += 1
            if len(self.failures) < _LISTED_FAILURES:
                self.failures.append({"path": row["path"], "reason": row["failure"]})
            return
        if row["label"] is not None:
            self.columns[row["label"]].append(len(self.numbers))
        self.numbers.append(row["clip"])
        if row["label"] in self.classes:
            self.known += 1
            self.right += row["prediction"] == row["label"]

    @property
    def summary(self) -> dict[str, Any]:
        return {
            "recorded": len(self.numbers),
            "left_out": self.left_out,
            "failures": self.failures,
            "labels": {label: len(columns) for label, columns in sorted(self.columns.items())},
            "of_known_class": self.known,
            "right": self.right,
        }


def _write_layer(
    path: Path,
    layer: str,
    units: int,
    counts: "_Counts",
    block: BlockOf,
    *,
    memory_bytes: int,
) -> pyarrow.Table:
    """Write the responses of a layer, sorted by unit, then clip; gives the statistics of its units."""
    clips = np.array(counts.numbers, np.int32)
    columns = {label: np.array(places, np.intp) for label, places in sorted(counts.columns.items())}
    # Units in a row group: few, so that one is read without most others.
    together = max(1, _GROUP_ROWS // max(1, len(clips)))
    at_once = max(1, memory_bytes // (_VALUE_BYTES * max(1, len(clips)) * together)) * together
    statistics = []
    with _writer(path, RESPONSE_SCHEMA) as writer:
        for first in range(0, units, at_once):
            stop = min(units, first + at_once)
            found = block(layer, slice(first, stop))
            for begin in range(first, stop, together):
                part = slice(begin - first, min(begin + together, stop) - first)
                writer.write_table(_response_table(found, part, first, clips), row_group_size=2**31)
            statistics.append(_statistics_table(layer, first, found, columns))
    return pyarrow.concat_tables(statistics)


def _response_table(block: Block, part: slice, first: int, clips: NDArray[np.int32]) -> pyarrow.Table:
    units = np.arange(first + part.start, first + part.stop, dtype=np.int32)
    columns = {"unit": np.repeat(units, len(clips)), "clip": np.tile(clips, len(units))}
    columns |= {name: block[name][part].reshape(-1) for name in FIELDS}
    return pyarrow.table([pyarrow.array(columns[name]) for name in RESPONSE_SCHEMA.names], schema=RESPONSE_SCHEMA)


def _statistics_table(layer: str, first: int, block: Block, clips_of: Mapping[str, NDArray[np.intp]]) -> pyarrow.Table:
    parts = []
    for label, found in statistics_by_class(block["maximum"], block["mean"], clips_of).items():
        count = len(found["clips"])
        columns: dict[str, Any] = {
            "layer": [layer] * count,
            "unit": np.arange(first, first + count, dtype=np.int32),
            "label": [label] * count,
            **found,
        }
        parts.append(pyarrow.table({name: columns[name] for name in STATISTICS_SCHEMA.names}, schema=STATISTICS_SCHEMA))
    return pyarrow.concat_tables(parts).sort_by([("unit", "ascending"), ("label", "ascending")])


@contextmanager
def staged(folder: Path, staging: Path) -> Iterator[Path]:
    """A folder to write a recording to; when the block ends well its files move to `folder`, the summary last."""
    remove_tree(staging)
    staging.mkdir(parents=True)
    yield staging
    (folder / "responses").mkdir(parents=True, exist_ok=True)
    written = sorted(path.relative_to(staging) for path in staging.rglob("*") if path.is_file())
    for name in sorted(written, key=lambda name: name.name == SUMMARY):
        (staging / name).replace(folder / name)
    remove_tree(staging)


def remove_tree(folder: Path) -> None:
    """Remove a folder, whoever else may be removing it."""
    shutil.rmtree(folder, ignore_errors=True)
