"""Decoded frames as pictures on a screen: upright, in square pixels, of one moment."""

from fractions import Fraction
from typing import cast

import av
import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]  # height width channel

_AS_GOOD_AS_SQUARE = 0.02
_WIDEST_PIXEL = 4.0  # beyond it the header is damaged


def square_size(width: int, height: int, aspect: Fraction | None) -> tuple[int, int]:
    """Convert width and height to square pixels, for pixels `aspect` times as wide as high; no side shrinks.

    Pixels that are square within 2 %, or more than 4 to 1, which no video has, are taken as square.

    >>> square_size(720, 576, Fraction(16, 15))
    (768, 576)
    >>> square_size(320, 240, Fraction(4096, 4083))
    (320, 240)
    """
    if not aspect or abs(aspect - 1) <= _AS_GOOD_AS_SQUARE or not 1 / _WIDEST_PIXEL <= aspect <= _WIDEST_PIXEL:
        return width, height
    return (round(width * aspect), height) if aspect > 1 else (width, round(height / aspect))


def upright(frame: av.VideoFrame, size: tuple[int, int]) -> Picture:
    """Convert a frame to RGB (uint8: height width channel) as shown, resized to `size` (width, height before turning).

    An interlaced frame holds two moments in alternate lines: its even lines are shown, and the others between them.
    """
    if frame.interlaced_frame:
        picture = one_field(cast("Picture", frame.to_ndarray(format="rgb24")))
        if (frame.width, frame.height) != size:
            picture = cast("Picture", cv2.resize(picture, size, interpolation=cv2.INTER_LINEAR))
    else:
        if (frame.width, frame.height) != size:
            frame = frame.reformat(width=size[0], height=size[1])
        picture = cast("Picture", frame.to_ndarray(format="rgb24"))
    turns = round(frame.rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(picture, turns)) if turns else picture


def one_field(picture: Picture) -> Picture:
    """Replace every odd line of a picture by the mean of its neighbors."""
    lines = picture[::2].astype(np.uint16)
    found = picture.copy()
    below = np.concatenate([lines[1:], lines[-1:]])[: len(found[1::2])]
    found[1::2] = (lines[: len(below)] + below + 1) // 2
    return found
