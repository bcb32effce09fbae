"""From parts and a background to frames, with the flow, the mask and the hidden pixels that follow from their poses."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from marey.datasets.motion_studies.parts import TILE, Part
from marey.video.raster import fill, looked_up, sampled, sixteenths

Array = NDArray[np.float64]
_FINE = 2  # parts are drawn at twice the size, and averaged


@dataclass(frozen=True)
class Rendered:
    """Frames with what is known of them; axes as in `StudyClip`."""

    frames: NDArray[np.uint8]
    flow: NDArray[np.float32]
    mask: NDArray[np.bool_]
    occluded: NDArray[np.bool_]
    labels: NDArray[np.uint8]


def render(parts: Sequence[Part], backdrop: NDArray[np.uint8], camera: Array) -> Rendered:
    """Draw `parts` over `backdrop` (time height width 3), which moves by the affine maps `camera` (time 2 3).

    Every pixel has one part, 0 being the backdrop; its flow is that of the part's pose, A(t+1) A(t)^-1.
    """
    count, height, width = backdrop.shape[:3]
    fine = _drawn(parts, count, height, width)
    frames = _colored(parts, fine, backdrop)
    labels = _coarse(fine)
    poses = np.stack([camera, *(part.poses for part in parts)], 1)  # time part 2 3
    flow = _flow(poses, labels)
    actor = np.array([False, *(part.actor for part in parts)])
    return Rendered(frames, flow, actor[labels], _hidden(labels, flow), labels)


def _drawn(parts: Sequence[Part], count: int, height: int, width: int) -> NDArray[np.uint8]:
    """Which part each pixel of twice the size shows, 1 being the first. (time 2*height 2*width)."""
    fine = np.zeros((count, _FINE * height, _FINE * width), np.uint8)
    if not parts:
        return fine
    corners = []
    for part in parts:
        homogeneous = np.concatenate([part.outline, np.ones((len(part.outline), 1))], 1)
        corners.append(sixteenths(_FINE * np.einsum("tij,vj->tvi", part.poses, homogeneous) + (_FINE - 1) / 2))
    order = np.argsort(np.stack([part.depth for part in parts], 1), axis=1, kind="stable")  # time part
    for time in range(count):
        seen = (part for part in order[time] if (shown := parts[part].shown) is None or shown[time])
        fill(fine[time], ((corners[part][time], int(part) + 1) for part in seen))
    return fine


def _colored(parts: Sequence[Part], fine: NDArray[np.uint8], backdrop: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The frames: each small pixel looks its color up in its part's tile, four of them make a pixel."""
    count, high, wide = fine.shape
    frames = backdrop.copy()
    place = np.flatnonzero(fine != 0)
    if not len(place):
        return frames
    part = fine.ravel()[place] - 1
    row, x = np.divmod(place.astype(np.int32), np.int32(wide))
    time, y = np.divmod(row, np.int32(high))
    maps = np.empty((count, len(parts), 2, 3))
    for index, each in enumerate(parts):
        inverse = _composed(each.to_tile, _inverse(_finer(each.poses)))
        inverse[:, 1, 2] += index * TILE
        maps[:, index] = inverse
    table = maps.reshape(-1, 6).astype(np.float32)
    which = time * len(parts) + part
    u, v = _mapped(table, which, x, y)
    low = part.astype(np.float32) * TILE
    v = np.clip(v, low, low + (TILE - 1))
    colors = sampled(np.concatenate([each.tile for each in parts]), u, v)
    # Sums over the 2 x 2 small pixels of a pixel: colors, and how many show a part.
    pixel = (time * (high // 2) + (y >> 1)) * (wide // 2) + (x >> 1)
    shown, slot = _slots(pixel, count * (high // 2) * (wide // 2))
    covered = np.bincount(slot, minlength=len(shown)).astype(np.float32)
    flat = frames.reshape(-1, 3)
    behind = flat[shown].astype(np.float32)
    for channel in range(3):
        total = np.bincount(slot, weights=colors[:, channel], minlength=len(shown))
        behind[:, channel] = (behind[:, channel] * (4 - covered) + total) / 4 + 0.5
    flat[shown] = behind.astype(np.uint8)
    return frames


def _slots(pixel: NDArray[np.int32], pixels: int) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """The distinct values of `pixel`, rising, and for every entry which of them it is."""
    seen = np.zeros(pixels, bool)
    seen[pixel] = True
    shown = np.flatnonzero(seen)
    index = np.empty(pixels, np.int32)
    index[shown] = np.arange(len(shown), dtype=np.int32)
    return shown, index[pixel]


def _coarse(fine: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The second lowest of every 2 x 2 labels: a part that fills most of a pixel has it."""
    a, b, c, d = (fine[:, i::2, j::2] for i in (0, 1) for j in (0, 1))
    return np.minimum(np.maximum(np.minimum(a, b), np.minimum(c, d)), np.minimum(np.maximum(a, b), np.maximum(c, d)))


def _flow(poses: Array, labels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(2, time - 1, height, width) of what each pixel's part does."""
    count, height, width = labels.shape
    change = _composed(poses[1:], _inverse(poses[:-1]))  # time part 2 3
    change[..., 0, 0] -= 1
    change[..., 1, 1] -= 1
    table = change.astype(np.float32)
    flow = np.zeros((2, count - 1, height, width), np.float32)
    columns, rows = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)[:, None]
    for time in range(count - 1):
        of_backdrop = table[time, 0]
        if of_backdrop.any():
            for axis in range(2):
                a, b, c = of_backdrop[axis]
                flow[axis, time] = c if a == 0 == b else a * columns + (b * rows + c)
    place = np.flatnonzero(labels[:-1] != 0)
    part = labels[:-1].ravel()[place]
    row, x = np.divmod(place.astype(np.int32), np.int32(width))
    moment, y = np.divmod(row, np.int32(height))
    u, v = _mapped(table.reshape(-1, 6), moment * poses.shape[1] + part, x, y)
    flow[0].ravel()[place], flow[1].ravel()[place] = u, v
    return flow


def _hidden(labels: NDArray[np.uint8], flow: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Pixels whose point shows another part one frame later, or has left the frame. (time - 1, height, width)."""
    count, height, width = labels.shape
    columns, rows = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)[:, None]
    hidden = np.empty((count - 1, height, width), bool)
    for time in range(count - 1):
        later = looked_up(labels[time + 1], columns + flow[0, time], rows + flow[1, time], outside=255)
        np.not_equal(later, labels[time], out=hidden[time])
    return hidden


def _mapped(
    table: NDArray[np.float32], which: NDArray[np.integer], x: NDArray[np.integer], y: NDArray[np.integer]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """X and y under the affine maps `table` (map 6) named by `which`."""
    x, y = x.astype(np.float32), y.astype(np.float32)
    a, b, c, d, e, f = np.ascontiguousarray(table.T)
    return a[which] * x + b[which] * y + c[which], d[which] * x + e[which] * y + f[which]


def _finer(poses: Array) -> Array:
    """Poses in pixels of half the size."""
    fine = poses * _FINE
    fine[..., 2] += (_FINE - 1) / 2
    return fine


def _inverse(poses: Array) -> Array:
    """The affine maps back. (... 2 3)."""
    (a, b, c), (d, e, f) = np.moveaxis(poses, (-2, -1), (0, 1))
    area = a * e - b * d
    area = np.where(np.abs(area) < 1e-9, 1e-9, area)
    back = np.stack([np.stack([e, -b, b * f - c * e], -1), np.stack([-d, a, c * d - a * f], -1)], -2)
    return back / area[..., None, None]


def _composed(outer: Array, inner: Array) -> Array:
    """The affine map that does `inner`, then `outer`. (... 2 3)."""
    linear = outer[..., :2] @ inner
    linear[..., 2] += outer[..., 2]
    return linear
