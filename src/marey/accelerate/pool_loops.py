"""Max pooling over windows side by side and its gradient, in a loop each to be compiled, for maps after a ReLU.

Maps are (clip row column channel), contiguous, float32 or the bits of bf16 as int16: these are in the order of the
numbers where none is below 0.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Maps = NDArray[Any]

_NONE = 255
"""Stands for a window with nothing above 0, which passes no gradient on."""


def pool(maps: Maps, side: int, pooled: Maps, which: NDArray[np.uint8], span: tuple[int, int]) -> None:
    """Write the largest of each window of `side` x `side`, and which of its places holds it, row by row.

    Of the rows of all clips' pooled maps, counted through, those in `span` are written.
    """
    _, rows, columns, channels = pooled.shape
    for row in range(span[0], span[1]):
        clip, y = row // rows, row % rows
        for x in range(columns):
            best, place = pooled[clip, y, x], which[clip, y, x]
            given = maps[clip, y * side, x * side]
            for channel in range(channels):
                best[channel] = given[channel]
                place[channel] = 0
            for number in range(1, side * side):
                given = maps[clip, y * side + number // side, x * side + number % side]
                for channel in range(channels):
                    more = given[channel] > best[channel]
                    best[channel] = given[channel] if more else best[channel]
                    place[channel] = number if more else place[channel]
            for channel in range(channels):
                place[channel] = place[channel] if best[channel] > 0 else _NONE


def spread(gradient: Maps, which: NDArray[np.uint8], side: int, maps: Maps, span: tuple[int, int]) -> None:
    """Write the gradient of the maps before ReLU and pooling from that of the pooled ones, for the same rows."""
    _, rows, columns, channels = gradient.shape
    for row in range(span[0], span[1]):
        clip, y = row // rows, row % rows
        for x in range(columns):
            given, place = gradient[clip, y, x], which[clip, y, x]
            for number in range(side * side):
                found = maps[clip, y * side + number // side, x * side + number % side]
                for channel in range(channels):
                    found[channel] = given[channel] if place[channel] == number else 0
        maps[clip, y * side : (y + 1) * side, columns * side :] = 0
        if y == rows - 1:
            maps[clip, rows * side :] = 0
