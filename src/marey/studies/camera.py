"""The camera's path: a pan, a hand that shakes, and a turn after an actor that would leave the picture."""

import numpy as np
from numpy.typing import NDArray

from marey.studies.factors import Where

Array = NDArray[np.float64]


def camera_path(where: Where, travel_px: Array, size: int, generator: np.random.Generator) -> Array:
    """Draw the camera's path as affine maps (time 2 3) from pixels of the stage to pixels of the frame.

    `travel_px` (time) is the actor's way to the right; the camera follows the share `where.follow` of it.
    """
    count = len(travel_px)
    middle = (count - 1) / 2
    scale = size / 112
    offset = -scale * np.outer(np.arange(count) - middle, where.pan_px_per_frame)
    offset[:, 0] -= where.follow * travel_px
    roll = np.zeros(count)
    if where.shake_px > 0:
        shake = _smooth(generator.normal(size=(count + 4, 3)))
        offset += scale * where.shake_px * shake[:, :2]
        roll = 0.004 * where.shake_px * shake[:, 2]
    path = np.zeros((count, 2, 3))
    path[:, 0, 0] = path[:, 1, 1] = np.cos(roll)
    path[:, 0, 1], path[:, 1, 0] = -np.sin(roll), np.sin(roll)
    center = np.array([(size - 1) / 2, (size - 1) / 2])
    path[:, :, 2] = offset + center - path[:, :, :2] @ center
    return path


def _smooth(noise: Array) -> Array:
    """Average noise (time + 4, n) over five frames; its deviation stays about 1."""
    kernel = np.array([1.0, 4.0, 6.0, 4.0, 1.0])
    kernel /= np.sqrt((kernel**2).sum())
    return np.asarray(sum(weight * noise[k : len(noise) - 4 + k] for k, weight in enumerate(kernel)))
