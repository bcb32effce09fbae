"""Decoded frames as pictures on a screen: upright, in square pixels, of one moment."""

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import cast

import av
import cv2
import numpy as np
from av.sidedata.sidedata import SideData
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


@dataclass(frozen=True)
class Screen:
    """How all frames of a video are shown: width and height in square pixels before turning, and the display matrix.

    `matrix` has a, b, c, d: the pixel in column p, row q is shown at x = a p + c q, y = b p + d q. Encoders may give it
    with the first frame only, for all of them.
    """

    width: int
    height: int
    matrix: tuple[int, int, int, int] = (1, 0, 0, 1)

    @classmethod
    def of(cls, stream: av.VideoStream, first: av.VideoFrame) -> "Screen":
        """Find how the frames of a stream are shown, from its first."""
        width, height = square_size(first.width, first.height, stream.sample_aspect_ratio)
        return cls(width, height, _display_matrix(first))

    def oriented(self, picture: Picture) -> Picture:
        """Turn and mirror a picture as the matrix says, to the nearest quarter turn; one without an area is ignored."""
        a, b, c, d = self.matrix
        if a * d == b * c:
            return picture
        if abs(a) + abs(d) < abs(b) + abs(c):
            picture, a, d = picture.swapaxes(0, 1), c, b
        return np.ascontiguousarray(picture[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1])


def _display_matrix(frame: av.VideoFrame) -> tuple[int, int, int, int]:
    try:
        given = cast("SideData | None", frame.side_data.get("DISPLAYMATRIX"))
    except ValueError:  # PyAV lists no side data where it does not know one of its kinds: at least the turn
        turn = math.radians(frame.rotation)
        sine, cosine = round(4096 * math.sin(turn)), round(4096 * math.cos(turn))
        return cosine, -sine, sine, cosine
    if given is None:
        return 1, 0, 0, 1
    a, b, _, c, d = np.frombuffer(bytes(given), "=i4")[:5].tolist()
    return a, b, c, d


def upright(frame: av.VideoFrame, screen: Screen) -> Picture:
    """Convert a frame to RGB (uint8: height width channel) as shown on a screen.

    An interlaced frame holds two moments in alternate lines: its even lines are shown, and the others between them.
    """
    size = (screen.width, screen.height)
    if frame.interlaced_frame:
        picture = one_field(cast("Picture", frame.to_ndarray(format="rgb24")))
        if (frame.width, frame.height) != size:
            picture = cast("Picture", cv2.resize(picture, size, interpolation=cv2.INTER_LINEAR))
    else:
        if (frame.width, frame.height) != size:
            frame = frame.reformat(width=size[0], height=size[1])
        picture = cast("Picture", frame.to_ndarray(format="rgb24"))
    return screen.oriented(picture)


def one_field(picture: Picture) -> Picture:
    """Replace every odd line of a picture by the mean of its neighbors."""
    lines = picture[::2].astype(np.uint16)
    found = picture.copy()
    below = np.concatenate([lines[1:], lines[-1:]])[: len(found[1::2])]
    found[1::2] = (lines[: len(below)] + below + 1) // 2
    return found
