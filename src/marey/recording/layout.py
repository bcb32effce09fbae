"""The files of a recording, and the columns of their tables."""

from pathlib import Path

import numpy as np
import pyarrow
from numpy.typing import NDArray

FORMAT = 5
"""The version of the files."""
OPENED = (4, FORMAT)
"""Versions that are read. Format 4 has no checksums."""

SUMMARY, CLIPS, STATISTICS, RESPONSES = "recording.json", "clips.parquet", "statistics.parquet", "responses"
"""Of the folder of a recording: three files, and the folder of the responses."""

CHECKSUMS = "checksums"
"""In the summary: those of the other files."""

UNFINISHED = "unfinished"
"""The folder with the shards of a recording that is not finished."""

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)

PLANNED_FIELDS = [
    ("clip", pyarrow.int32()),
    ("path", pyarrow.string()),
    ("start_seconds", pyarrow.float64()),
    ("stop_seconds", pyarrow.float64()),
    ("label", pyarrow.string()),
    ("group", pyarrow.string()),
    ("flow", pyarrow.string()),  # where it is stored as images, see `stored_flow_text`
    ("bytes", pyarrow.int64()),
]
"""The columns of a clip that are known before it is recorded."""

CLIP_SCHEMA = pyarrow.schema(
    [
        *PLANNED_FIELDS,
        ("failure", pyarrow.string()),
        ("frames", pyarrow.int32()),
        ("rate", pyarrow.float64()),
        ("padded", pyarrow.bool_()),
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

RESPONSE_FIELDS = tuple(RESPONSE_SCHEMA.names[3:])
"""The columns of a response, behind those that say which it is."""

ResponseArrays = dict[str, NDArray[np.generic]]
"""The responses of some units as {column of `RESPONSE_FIELDS`: (unit, clip)}."""


def quantile_name(share: float) -> str:
    """The column of a quantile.

    >>> quantile_name(0.05)
    'q05'
    """
    return f"q{round(100 * share):02d}"


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


def responses_path(folder: Path, number: int) -> Path:
    """A file with the responses of some layers; the summary says which."""
    return folder / RESPONSES / f"{number:05d}.parquet"
