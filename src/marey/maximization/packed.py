"""Frames in 16 bits: values in whole steps, and the few bytes that a result file holds of them."""

import math
from dataclasses import dataclass

import numpy as np
import pyarrow
import torch
from torch import Tensor

from marey.network.stream import Stream
from marey.schema import SchemaError

_RGB_STEP = 2.0**-8
_FLOW_STEPS = 40
"""Steps of flow, at least, in its bound. Finer ones change a score in the fourth digit and cannot be seen."""

_FINEST = 14
"""Steps that are looked for are 1, 1/2, 1/4, ... to this power."""

_CODEC = pyarrow.Codec("zstd", compression_level=1)
"""Of levels 1 to 15 the first packs such differences smallest, and fastest."""

_ZERO = np.int16(0)


@dataclass(frozen=True)
class Packed:
    """How packed bytes are read.

    shape
        of the values.
    step
        a power of two, in the unit of the values: each is a whole number of steps.
    """

    shape: tuple[int, ...]
    step: float


def rounded(frames: Tensor, stream: Stream, bound: float) -> Tensor:
    """Frames (clip channel ...) in whole steps: of RGB 1/256, of flow the power of two next below `bound` / 40.

    Where the nearest step would lie beyond the bound, it is the next one towards rest.
    """
    step = _RGB_STEP if stream.kind == "rgb" else 2.0 ** math.floor(math.log2(bound / _FLOW_STEPS))
    counts = (frames - stream.rest) / step
    nearest = counts.round()
    within = nearest.square().sum(1, keepdim=True) <= (bound / step) ** 2
    return torch.where(within, nearest, counts.trunc()) * step + stream.rest


def packed(values: Tensor) -> tuple[Tensor, Packed] | None:
    """The values (... height width) as bytes that `unpacked` reads; None where 16 bits do not hold the very same.

    Of the whole numbers of steps, only differences from the left and upper neighbors are held, signs in the lowest
    bit, all lower bytes before all upper ones, compressed by Zstandard.
    """
    step = _step(values)
    if step is None:
        return None
    counts = (values / step).to(torch.int16).numpy()
    differences = np.diff(np.diff(counts, axis=-1, prepend=_ZERO), axis=-2, prepend=_ZERO)
    folded = (differences << 1) ^ (differences >> 15)
    planes = folded.astype("<i2").view(np.uint8).reshape(-1, 2).T
    compressed = np.frombuffer(_CODEC.compress(planes.tobytes(), asbytes=True), np.uint8)
    return torch.from_numpy(compressed.copy()), Packed(tuple(values.shape), step)


def unpacked(content: Tensor, how: Packed) -> Tensor:
    """The values that `packed` gave as bytes; SchemaError where there are fewer or more."""
    count = math.prod(how.shape)
    try:
        raw = _CODEC.decompress(content.numpy().tobytes(), decompressed_size=2 * count, asbytes=True)
    except (pyarrow.ArrowException, OSError, MemoryError, OverflowError) as error:
        raise SchemaError(f"its frames cannot be unpacked: {str(error).splitlines()[0]}") from None
    lower, upper = np.frombuffer(raw, np.uint8).reshape(2, count).astype(np.uint16)
    folded = lower | (upper << 8)
    differences = ((folded >> 1) ^ -(folded & 1)).astype(np.int16).reshape(how.shape)
    counts = differences.cumsum(-2, dtype=np.int16).cumsum(-1, dtype=np.int16)
    return torch.from_numpy(counts).to(torch.float32) * how.step


def _step(values: Tensor) -> float | None:
    """The largest step of which all values are whole numbers that 16 bits hold; None where there is none."""
    if values.dtype != torch.float32 or not bool(values.isfinite().all()):
        return None
    for power in range(_FINEST + 1):
        counts = values * 2.0**power
        if counts.numel() and float(counts.abs().max()) >= 2.0**15:
            return None
        if torch.equal(counts, counts.round()):
            return 2.0**-power
    return None
