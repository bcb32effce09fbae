"""Rigid parts in the picture: each has an outline, a texture and one affine pose for each frame."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

TILE = 32  # pixels: side of a part's texture


@dataclass(frozen=True)
class Part:
    """One rigid piece of the actor, or of a thing that hides it.

    outline
        (vertex 2), x along the part and y across it, in the part's own unit of length.
    poses
        (time 2 3), affine maps from the part to pixels of the frame; x is right, y down, 0, 0 the first pixel's center.
    depth
        (time), larger nearer to the camera: a part hides parts of smaller depth.
    tile
        (32 32 3) colors over the outline's bounding box, rows across, columns along.
    actor
        whether the part belongs to the actor and its thing.
    shown
        (time) bool, whether the part is there at all; None: always. Its poses are defined where it is not, too.
    """

    name: str
    outline: Array
    poses: Array
    depth: Array
    tile: NDArray[np.uint8]
    actor: bool = True
    shown: NDArray[np.bool_] | None = None

    @property
    def to_tile(self) -> Array:
        """The affine map (2 3) from the part to pixels of its tile, with a pixel of margin on all sides."""
        return box_to_tile(self.outline)


def box_to_tile(outline: Array) -> Array:
    """Return the affine map (2 3) from the bounding box of an outline to the tile."""
    low, high = outline.min(0), outline.max(0)
    scale = (TILE - 3) / (high - low)
    start = 1 - low * scale
    return np.array([(scale[0], 0, start[0]), (0, scale[1], start[1])])


def tile_grid(outline: Array) -> tuple[Array, Array]:
    """Return the part's x (1 32) and y (32 1) at the pixels of its tile."""
    low, high = outline.min(0), outline.max(0)
    steps = (np.arange(TILE) - 1) / (TILE - 3)
    return low[0] + steps[None, :] * (high[0] - low[0]), low[1] + steps[:, None] * (high[1] - low[1])


def capsule(length: float, start: float, end: float, *, points: int = 7) -> Array:
    """Outline a limb along x, of radius `start` at 0 and `end` at `length`."""
    turn = np.linspace(np.pi / 2, 3 * np.pi / 2, points)
    half = np.stack([np.cos(turn), np.sin(turn)], -1)
    return np.concatenate([start * half, (length, 0.0) - end * half])


def ellipse(across: float, down: float, *, points: int = 22) -> Array:
    """Outline an ellipse about 0, 0."""
    turn = np.linspace(0, 2 * np.pi, points, endpoint=False)
    return np.stack([across * np.cos(turn), down * np.sin(turn)], -1)


def along(start: Array, end: Array, length: Array | float, scale: float, *, least: float = 0.4) -> Array:
    """Pose limbs (... 2 3) of `length` between the pixels `start` and `end` (... 2); `scale` is px per length across.

    A limb that points at the camera keeps `least` of its length, so that its direction stays defined.
    """
    way = end - start
    size = np.linalg.norm(way, axis=-1, keepdims=True)
    forward = way / np.maximum(size, 1e-6)
    shown = np.maximum(size, least * length * scale)
    lengthwise = forward * shown / length
    aside = np.stack([-forward[..., 1], forward[..., 0]], -1) * scale
    origin = (start + end) / 2 - lengthwise * length / 2
    return np.stack([lengthwise, aside, origin], -1)


def upright(center: Array, scale: Array | float, *, turn: Array | float = 0.0, squeeze: Array | float = 1.0) -> Array:
    """Pose a thing (time 2 3) about `center` (time 2), turned clockwise by radians, with x scaled by `squeeze` too."""
    count = len(center)
    s, c = np.broadcast_to(np.sin(turn), (count,)), np.broadcast_to(np.cos(turn), (count,))
    size = np.broadcast_to(np.asarray(scale, float), (count,))
    wide = size * np.broadcast_to(np.asarray(squeeze, float), (count,))
    return np.stack([np.stack([c * wide, s * wide], -1), np.stack([-s * size, c * size], -1), center], -1)
