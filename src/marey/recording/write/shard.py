"""The responses to a few clips in a row, written whole or not at all: by shards a recording grows and resumes."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from marey.errors import MareyError
from marey.files import regular_file, replacing
from marey.network.weights_hash import tensors_hash
from marey.schema import check_signature, parsed, signed, typed

FIELDS = ("maximum", "mean", "place", "window")


@dataclass(frozen=True)
class ClipRow:
    """What became of a clip: the start frames of its windows and its class scores, or why it was skipped.

    failure
        the reason why it was skipped; None for a recorded clip.
    padded
        whether it is shorter than a window, and padded.
    damage
        what its file lacks; None for a whole one.
    speeds
        the root mean square of speed in its windows, px/frame, of each stream of flow.
    """

    clip: int
    failure: str | None = None
    frames: int | None = None
    rate: float | None = None
    padded: bool | None = None
    damage: str | None = None
    start_frames: tuple[int, ...] = ()
    speeds: tuple[float, ...] = ()
    scores: tuple[Any, ...] = ()  # numbers, or not a number where the network says so


@dataclass(frozen=True, eq=False)
class Shard:
    """The rows of some clips, and the responses of all units to those that were not skipped.

    `responses` are {field: (unit, clip)}, the units of all layers in a row. maximum and mean are over positions and
    windows (float32), window is the number of the window with the maximum (uint8), and place the position of the
    maximum in the layer, (t * height + y) * width + x (int32).
    """

    rows: tuple[ClipRow, ...]
    responses: Mapping[str, NDArray[np.generic]]

    def save(self, path: Path) -> None:
        """Write the file; what was there is replaced only by a whole one."""
        tensors = {name: np.ascontiguousarray(values) for name, values in self.responses.items()}
        about = signed({"rows": [asdict(row) for row in self.rows]}, beside=_hash(tensors))
        metadata = {"marey": json.dumps(about)}
        with replacing(path) as temporary:
            temporary.write_bytes(save(tensors, metadata))


def shard_path(folder: Path, index: int) -> Path:
    """Where a shard lies."""
    return folder / f"{index:06d}.safetensors"


@dataclass(frozen=True)
class _About:
    sha256: str
    rows: tuple[ClipRow, ...]


def shard_rows(path: Path, clips: Sequence[int]) -> tuple[ClipRow, ...]:
    """The rows of a shard on disk, which holds these clips.

    Raises MareyError when it holds other ones, or anything in it has changed since it was written.
    """
    try:
        with safe_open(regular_file(path), framework="np") as file:
            values = parsed(file.metadata()["marey"])
            responses = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        rows = typed(values, _About).rows
        check_signature(values, beside=_hash(responses))
        if [row.clip for row in rows] != list(clips):
            raise ValueError("it holds other clips than its name says")
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
        raise damaged(path, error) from None
    return rows


def _hash(arrays: Mapping[str, NDArray[np.generic]]) -> str:
    return tensors_hash({name: torch.from_numpy(values) for name, values in arrays.items()})


def shard_units(path: Path, units: slice) -> dict[str, NDArray[np.generic]]:
    """{field: (unit, clip)} of some of all units, without reading the others; `shard_rows` checks them before."""
    try:
        with safe_open(regular_file(path), framework="np") as file:
            return {name: file.get_slice(name)[units] for name in FIELDS}
    except (OSError, SafetensorError, ValueError, KeyError) as error:
        raise damaged(path, error) from None


def damaged(path: Path, error: Exception) -> MareyError:
    """The error for a shard that cannot be read."""
    return MareyError(f"'{path}' is damaged ({error}); remove this file and run the same line again.")
