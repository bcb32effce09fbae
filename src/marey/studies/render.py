"""Rendering: frames from parts and a backdrop, with flow, mask and hidden pixels, which follow from the poses."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from marey.studies.parts import TILE, Part
from marey.video.raster import fill, looked_up, sampled, sixteenths

Array = NDArray[np.float64]
_FINE = 2  # parts are drawn at twice the size, then averaged


@dataclass(frozen=True)
class Rendered:
    """Frames with flow, masks and labels of parts; axes are as in `StudyClip`."""

    frames: NDArray[np.uint8]
    flow: NDArray[np.float32]
    mask: NDArray[np.bool_]
    occluded: NDArray[np.bool_]
    labels: NDArray[np.uint8]


def render_parts(parts: Sequence[Part], backdrop: NDArray[np.uint8], camera: Array) -> Rendered:
    """Draw `parts` over `backdrop` (time height width 3), in place; it moves by the affine maps `camera` (time 2 3).

    Every pixel has one part, 0 being the backdrop. A pixel's flow follows from the poses A of its part: it moves by
    A(t+1) A(t)^-1. Frames are made one by one, so that arrays stay small: all at once would take longer.
    """
    count, height, width = backdrop.shape[:3]
    poses = np.stack([camera, *(part.poses for part in parts)], 1)  # time part 2 3
    labels = np.zeros((count, height, width), np.uint8)
    if parts:
        outlines, to_tiles = _outlines(parts, poses[:, 1:]), _to_tiles(parts, poses[:, 1:])
        tiles = np.concatenate([*(part.tile for part in parts), np.zeros((TILE, TILE, 3), np.uint8)])
        order = np.argsort(np.stack([part.depth for part in parts], 1), axis=1, kind="stable")  # time part
        for time in range(count):
            fine = np.zeros((_FINE * height, _FINE * width), np.uint8)
            seen = (part for part in order[time] if (shown := parts[part].shown) is None or shown[time])
            fill(fine, ((outlines[part][time], int(part) + 1) for part in seen))
            pixel, small = _shown(fine)
            labels[time].ravel()[pixel] = _coarse(small)
            _color(backdrop[time], pixel, small, to_tiles[time], tiles)
    change = _changes(poses)
    flow = np.zeros((2, count - 1, height, width), np.float32)
    hidden = np.empty((count - 1, height, width), bool)
    for time in range(count - 1):
        _move(flow[:, time], change[time], labels[time])
        hidden[time] = _hidden(labels[time], labels[time + 1], flow[:, time])
    mask = labels != 0
    for number, part in enumerate(parts, start=1):
        if not part.actor:
            mask &= labels != number
    return Rendered(backdrop, flow, mask, hidden, labels)


def _outlines(parts: Sequence[Part], poses: Array) -> list[NDArray[np.int32]]:
    """Each part's corners (time vertex 2) in sixteenths of a small pixel."""
    corners = np.concatenate([part.outline for part in parts])
    sizes = [len(part.outline) for part in parts]
    pose = np.repeat(poses, sizes, axis=1)  # time vertex 2 3
    places = pose[..., 0] * corners[:, :1] + pose[..., 1] * corners[:, 1:] + pose[..., 2]
    return np.split(sixteenths(_FINE * places + (_FINE - 1) / 2), np.cumsum(sizes)[:-1], axis=1)


def _to_tiles(parts: Sequence[Part], poses: Array) -> NDArray[np.float32]:
    """Maps (time label 2 3) from small pixels to the tiles of the labels, one below the other."""
    maps = np.zeros((len(poses), 1 + len(parts), 2, 3))
    maps[:, 1:] = _composed(np.stack([part.to_tile for part in parts]), _inverse(_finer(poses)))
    maps[:, 1:, 1, 2] += TILE * np.arange(len(parts))
    return maps.astype(np.float32)


def _shown(fine: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """The pixels that show a part, as rising indices (n), and the labels (2 2 n) of the small pixels of each."""
    width = fine.shape[1] // _FINE
    pairs = fine.view(np.uint16).reshape(-1, _FINE, width)  # two neighbors in a row are one number
    pixel = np.flatnonzero((pairs[:, 0] | pairs[:, 1]) != 0)
    upper = pixel + pixel // width * width
    small = pairs.ravel()[np.stack([upper, upper + width])].view(np.uint8)
    return pixel, np.ascontiguousarray(small.reshape(_FINE, -1, _FINE).transpose(0, 2, 1))


def _coarse(small: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The second lowest of every 2 x 2 labels (2 2 n): a part that fills most of a pixel has it."""
    (a, b), (c, d) = small
    low, high = np.maximum(np.minimum(a, b), np.minimum(c, d)), np.minimum(np.maximum(a, b), np.maximum(c, d))
    return np.asarray(np.minimum(low, high))


def _color(
    frame: NDArray[np.uint8],
    pixel: NDArray[np.int64],
    small: NDArray[np.uint8],
    to_tiles: NDArray[np.float32],
    tiles: NDArray[np.uint8],
) -> None:
    """Each small pixel looks its color up in its part's tile, four of them make a pixel of the frame, in place."""
    y, x = np.divmod(pixel, frame.shape[1])
    two = np.arange(_FINE)[:, None]
    u, v = _mapped(to_tiles, small, _FINE * x + two, (_FINE * y + two)[:, None])
    low = (small - np.uint8(1)).astype(np.float32) * TILE  # 0 becomes 255: beyond the last tile, which is black
    v = np.minimum(np.maximum(v, low), low + (TILE - 1))
    total = sampled(tiles, u.ravel(), v.ravel()).reshape(_FINE**2, -1, 3).sum(0, dtype=np.uint16)
    behind = (small == 0).sum((0, 1), dtype=np.uint16)  # how many of the four show the backdrop
    flat, edge = frame.reshape(-1, 3), np.flatnonzero(behind)
    total[edge] += flat[pixel[edge]] * behind[edge, None]
    flat[pixel] = (total + 2) >> 2


def _changes(poses: Array) -> NDArray[np.float32]:
    """How far each part takes a place until the next frame, as maps (time - 1, part, 2, 3)."""
    change = _composed(poses[1:], _inverse(poses[:-1]))
    change[..., 0, 0] -= 1
    change[..., 1, 1] -= 1
    return change.astype(np.float32)


def _move(flow: NDArray[np.float32], change: NDArray[np.float32], labels: NDArray[np.uint8]) -> None:
    """Write into `flow` (2 height width), which is 0, what each pixel's part does."""
    height, width = labels.shape
    if change[0].any():
        columns, rows = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)[:, None]
        for axis, (a, b, c) in enumerate(change[0]):
            flow[axis] = c if a == 0 == b else a * columns + (b * rows + c)
    place = np.flatnonzero(labels != 0)
    y, x = np.divmod(place, width)
    flow[0].ravel()[place], flow[1].ravel()[place] = _mapped(change, labels.ravel()[place], x, y)


def _hidden(labels: NDArray[np.uint8], later: NDArray[np.uint8], flow: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Pixels (height width) whose point shows another part one frame later, or has left the frame."""
    height, width = labels.shape
    columns, rows = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)[:, None]
    return np.asarray(looked_up(later, columns + flow[0], rows + flow[1], outside=255) != labels)


def _mapped(
    maps: NDArray[np.float32], label: NDArray[np.uint8], x: NDArray[np.int64], y: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """X and y under the affine maps (label 2 3)."""
    x, y = x.astype(np.float32), y.astype(np.float32)
    which = label.astype(np.intp)
    a, b, c, d, e, f = (column.take(which) for column in maps.reshape(-1, 6).T)
    return a * x + b * y + c, d * x + e * y + f


def _finer(poses: Array) -> Array:
    """Poses in pixels of half the size."""
    fine = poses * _FINE
    fine[..., 2] += (_FINE - 1) / 2
    return fine


def _inverse(poses: Array) -> Array:
    """The affine maps back. (... 2 3)."""
    a, b, c, d, e, f = (poses[..., row, column] for row in range(2) for column in range(3))
    area = a * e - b * d
    area = np.where(np.abs(area) < 1e-9, 1e-9, area)
    back = np.stack([np.stack([e, -b, b * f - c * e], -1), np.stack([-d, a, c * d - a * f], -1)], -2)
    return back / area[..., None, None]


def _composed(outer: Array, inner: Array) -> Array:
    """The affine map that does `inner`, then `outer`. (... 2 3)."""
    linear = outer[..., :2] @ inner
    linear[..., 2] += outer[..., 2]
    return linear
