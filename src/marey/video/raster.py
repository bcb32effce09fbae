"""Filled shapes and sampled textures, of which generated clips are made; here because OpenCV draws them."""

from collections.abc import Iterable, Sequence
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
Floats = NDArray[np.float32]

_SHIFT = 4  # binary places of a vertex


def fill(picture: Picture, outlines: Iterable[tuple[NDArray[np.int32], int | Sequence[int]]]) -> None:
    """Write each label or color into its closed outline (vertex 2), later ones over earlier ones, in place.

    Vertices are x, y in sixteenths of a pixel; the center of the first pixel is 0, 0.
    """
    for outline, label in outlines:
        cv2.fillPoly(picture, [outline], label, cv2.LINE_8, _SHIFT)


def sixteenths(places: NDArray[np.floating]) -> NDArray[np.int32]:
    """Convert places in pixels to the integers that `fill` takes."""
    return np.asarray(np.rint(places * (1 << _SHIFT)), np.int32)


def sampled(picture: Picture, x: Floats, y: Floats) -> Picture:
    """Look up the colors (place 3) of a picture at places x, y in pixels, bilinear; the edge goes on beyond itself."""
    columns = 256
    rows = len(x) // columns + 1
    grid = np.zeros((2, rows * columns), np.float32)
    grid[0, : len(x)], grid[1, : len(x)] = x, y
    found = cv2.remap(
        picture, grid[0].reshape(rows, -1), grid[1].reshape(rows, -1), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return cast("Picture", found.reshape(-1, 3)[: len(x)])


def looked_up(labels: Picture, x: Floats, y: Floats, *, outside: int) -> Picture:
    """Look up the labels (height width) nearest to places x, y (height width) in pixels; `outside` beyond the edge."""
    found = cv2.remap(labels, x, y, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT, borderValue=outside)
    return cast("Picture", found)


def moved(picture: Picture, pose: NDArray[np.floating], size: tuple[int, int]) -> Picture:
    """Move a picture by an affine map (2 3) from its pixels to the pixels of a result of `size` (height, width)."""
    shown = cv2.warpAffine(picture, pose, size[::-1], flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    return cast("Picture", shown)


def blurred(picture: Picture, sigma_px: float) -> Picture:
    """Smooth a picture by a Gaussian."""
    return cast("Picture", cv2.GaussianBlur(picture, (0, 0), sigma_px, borderType=cv2.BORDER_REFLECT_101))
