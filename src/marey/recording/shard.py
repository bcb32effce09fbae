"""The responses to a few clips in a row, written whole or not at all: by shards a recording grows and resumes."""

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from marey.errors import MareyError, OutputError

FIELDS = ("maximum", "mean", "place", "window")


@dataclass(frozen=True)
class ClipRow:
    """What became of a clip: the start frames of its windows and its class scores, or why it is left out.

    `speeds` are the root mean squares of speed in its windows, px/frame, of each stream of flow. `held` says that it is
    shorter than a window, so that its last frame was held, `damage` what its file lacks.
    """

    clip: int
    failure: str | None = None
    frames: int | None = None
    rate: float | None = None
    held: bool | None = None
    damage: str | None = None
    start_frames: tuple[int, ...] = ()
    speeds: tuple[float, ...] = ()
    scores: tuple[float, ...] = ()


@dataclass(frozen=True, eq=False)
class Shard:
    """The rows of its clips, and for those not left out {field: (unit, clip)}, the units of all layers in a row.

    maximum and mean are over places and windows (float32), window is which one the maximum is in (uint8), and place is
    its place in the layer, (t * height + y) * width + x (int32).
    """

    rows: tuple[ClipRow, ...]
    responses: Mapping[str, NDArray[np.generic]]

    def save(self, path: Path) -> None:
        """Write the file; what was there is replaced only by a whole one."""
        tensors = {name: np.ascontiguousarray(values) for name, values in self.responses.items()}
        metadata = {"rows": json.dumps([asdict(row) for row in self.rows])}
        temporary = path.with_name(f".{path.stem}.{uuid4().hex}.part")  # a name that no other machine has either
        try:
            save_file(tensors, temporary, metadata=metadata)
            with temporary.open("rb+") as written:
                os.fsync(written.fileno())
            temporary.replace(path)
        except (OSError, SafetensorError) as error:
            raise OutputError(
                f"cannot write '{path}': {error}. Free some space and run the same line again."
            ) from error
        finally:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)


def shard_path(folder: Path, index: int) -> Path:
    """Where a shard lies."""
    return folder / f"{index:06d}.safetensors"


def shard_rows(path: Path) -> tuple[ClipRow, ...]:
    """The clips of a shard on disk; MareyError when it is damaged."""
    try:
        with safe_open(path, framework="np") as file:
            rows = json.loads(file.metadata()["rows"])
        return tuple(_row(row) for row in rows)
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
        raise damaged(path, error) from None


def _row(row: dict[str, Any]) -> ClipRow:
    return ClipRow(**{**row, **{name: tuple(row[name]) for name in ("start_frames", "speeds", "scores")}})


def shard_units(path: Path, units: slice) -> dict[str, NDArray[np.generic]]:
    """{field: (unit, clip)} of some of all units, without reading the others; MareyError when the shard is damaged."""
    try:
        with safe_open(path, framework="np") as file:
            return {name: file.get_slice(name)[units] for name in FIELDS}
    except (OSError, SafetensorError, ValueError, KeyError) as error:
        raise damaged(path, error) from None


def damaged(path: Path, error: Exception) -> MareyError:
    """The error for a shard that cannot be read."""
    return MareyError(f"'{path}' is damaged ({error}); remove this file and run the same line again.")
