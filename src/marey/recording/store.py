"""The files of a finished recording: clips, the responses of every layer sorted by unit, statistics, a summary."""

import json
import os
import shutil
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
from numpy.typing import NDArray
from pyarrow import parquet

from marey.errors import OutputError
from marey.recording.plan import CLIP_FIELDS
from marey.recording.statistics import QUANTILES, quantile_name, statistics_by_class
from marey.video.read.ahead import cores

SUMMARY, CLIPS, STATISTICS, RESPONSES = "recording.json", "clips.parquet", "statistics.parquet", "responses"
UNFINISHED = "unfinished"
_GROUP_ROWS = 2**17
_CLIP_ROWS = 2**12  # clips in a row group: few, so that one is read without most others
_LISTED_FAILURES = 1000
_FILE_UNITS = 1024  # of layers that share a file, which one thread writes at a time
_VALUE_BYTES = 96  # that a response takes while it is sorted
_FOUND_BY = ("layer", "unit", "clip", "label")
_BUFFER_BYTES = 2**20
_SYNCED_AT_ONCE = 16  # files that the disk makes sure of together, which takes little longer than for one
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
        ("speeds", pyarrow.list_(pyarrow.float32())),
        ("prediction", pyarrow.string()),
        ("scores", pyarrow.list_(pyarrow.float32())),
    ]
)
RESPONSE_SCHEMA = pyarrow.schema(
    [
        ("layer", pyarrow.dictionary(pyarrow.int32(), pyarrow.string())),
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

FIELDS = tuple(RESPONSE_SCHEMA.names[3:])

Block = dict[str, NDArray[Any]]  # a field of FIELDS: (unit, clip)
Part = tuple[tuple[str, slice], ...]  # layers that follow each other, and the units of each
BlockOf = Callable[[Part], Block]


def responses_path(folder: Path, number: int) -> Path:
    """A file with the responses of some layers; the summary says which."""
    return folder / RESPONSES / f"{number:05d}.parquet"


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
    """Whether the values of a column are often the same; answers and what is computed of them seldom are."""
    return column.name == "seconds" or not pyarrow.types.is_floating(column.type)


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
    gives the responses (unit, clip) of some units of layers, once all rows were given. It is asked for as many units at
    a time as `memory_bytes` hold, by several threads.
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
    (folder / RESPONSES).mkdir(exist_ok=True)
    threads = cores()
    files = _files({name: layer["units"] for name, layer in described["layers"].items()})
    at_once = max(1, memory_bytes // threads // (_VALUE_BYTES * max(1, len(counts.numbers))))

    def written(number: int) -> pyarrow.Table:
        return _write_layers(responses_path(folder, number), files[number], counts, block, at_once)

    with _writer(folder / STATISTICS, STATISTICS_SCHEMA) as writer, ThreadPoolExecutor(threads) as pool:
        for statistics in pool.map(written, range(len(files))):
            writer.write_table(statistics, row_group_size=2**31)
    summary = {
        **described,
        "clips": {**described["clips"], **counts.summary},
        RESPONSES: {responses_path(folder, number).name: list(units) for number, units in enumerate(files)},
    }
    (folder / SUMMARY).write_text(json_lines(summary), encoding="utf-8")


def json_lines(record: Mapping[str, Any]) -> str:
    """JSON with a line for each entry, and for each entry of those; `json`'s own indenting takes ten times as long."""
    lines = []
    for name, value in record.items():
        text = json.dumps(value)
        if isinstance(value, dict) and value:
            text = (
                "{\n  " + ",\n  ".join(f"{json.dumps(key)}: {json.dumps(one)}" for key, one in value.items()) + "\n }"
            )
        lines.append(f" {json.dumps(name)}: {text}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


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


def _together(clips: int) -> int:
    """How many units lie in a row group: few, so that one is read without most others."""
    return max(1, _GROUP_ROWS // max(1, clips))


def _files(units: Mapping[str, int]) -> list[dict[str, int]]:
    """Layers with so many units in order, by the files that hold them.

    Those that follow each other share one, as a file for each takes more time to write than what is in it.
    """
    files: list[dict[str, int]] = []
    for name, count in units.items():
        if not files or sum(files[-1].values()) + count > _FILE_UNITS:
            files.append({})
        files[-1][name] = count
    return files


def _parts(units: Mapping[str, int], at_once: int) -> Iterator[Part]:
    """The units of the layers of a file in order, so many at once."""
    ends = np.cumsum(list(units.values())).tolist()
    for first in range(0, ends[-1], at_once):
        slices = {
            name: slice(max(first, end - count) - (end - count), min(first + at_once, end) - (end - count))
            for (name, count), end in zip(units.items(), ends, strict=True)
        }
        yield tuple((name, some) for name, some in slices.items() if some.start < some.stop)


def _write_layers(
    path: Path, units: Mapping[str, int], counts: "_Counts", block: BlockOf, at_once: int
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
            every = block(part)
            writer.write_table(_response_table(part, every, clips), row_group_size=max(1, together * len(clips)))
            by_class = statistics_by_class(every["maximum"], every["mean"], columns)
            statistics.append(_statistics_table(part, by_class))
    return pyarrow.concat_tables(statistics)


def _named(part: Part, times: int) -> tuple[pyarrow.DictionaryArray, NDArray[np.int32]]:
    """The layer and the number of every unit, each so many times."""
    numbers = np.concatenate([np.arange(units.start, units.stop, dtype=np.int32) for _, units in part])
    layers = np.repeat(np.arange(len(part), dtype=np.int32), [units.stop - units.start for _, units in part])
    names = pyarrow.array([name for name, _ in part], pyarrow.string())
    return pyarrow.DictionaryArray.from_arrays(np.repeat(layers, times), names), np.repeat(numbers, times)


def _response_table(part: Part, block: Block, clips: NDArray[np.int32]) -> pyarrow.Table:
    layers, units = _named(part, len(clips))
    columns: dict[str, Any] = {"layer": layers, "unit": units, "clip": np.tile(clips, len(block["maximum"]))}
    columns |= {name: block[name].reshape(-1) for name in FIELDS}
    return pyarrow.table(columns, schema=RESPONSE_SCHEMA)


def _statistics_table(part: Part, by_class: Mapping[str | None, Mapping[str, NDArray[Any]]]) -> pyarrow.Table:
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


@contextmanager
def staged(folder: Path, staging: Path) -> Iterator[Path]:
    """A folder to write a recording to; when the block ends well its files move to `folder`, the summary last.

    By then the disk has them whole. Raises OutputError when it has no space.
    """
    try:
        remove_tree(staging)
        staging.mkdir(parents=True)
        yield staging
        (folder / RESPONSES).mkdir(parents=True, exist_ok=True)
        written = sorted(path.relative_to(staging) for path in staging.rglob("*") if path.is_file())
        with ThreadPoolExecutor(_SYNCED_AT_ONCE) as pool:
            deque(pool.map(_sync, [staging / name for name in written]), maxlen=0)
        for name in sorted(written, key=lambda name: name.name == SUMMARY):
            (staging / name).replace(folder / name)
    except OSError as error:
        raise OutputError(
            f"cannot write the recording to '{folder}': {error.strerror or error}. "
            "Free some space and run the same line again."
        ) from error
    finally:
        remove_tree(staging)


def _sync(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def remove_tree(folder: Path) -> None:
    """Remove a folder, whoever else may be removing it."""
    shutil.rmtree(folder, ignore_errors=True)
