"""Loops over a layer's values that torch has no operation for, compiled by Numba where it is installed.

Values are (clip place unit), float32 and contiguous; what is found of them is (clip unit).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from marey.accelerate.compiled import Floats, compiled

Places = NDArray[np.int32]


@dataclass(frozen=True)
class Kernels:
    """The functions of this module, compiled."""

    peaks: Callable[..., None]
    means: Callable[..., None]


@cache
def kernels() -> Kernels | None:
    """None where nothing can be compiled."""
    peaks, means = compiled(_peaks), compiled(_means)
    return None if peaks is None or means is None else Kernels(peaks, means)


def _peaks(  # noqa: PLR0917 -- compiled functions take no keywords
    values: Floats,
    side: int,
    scale: Floats,
    shift: Floats,
    rectify: bool,
    maximum: Floats,
    place: Places,
    mean: Floats,
    positive: Floats,
) -> None:
    """Maximum, the first place where it is, mean, and the mean of max(0, value * scale + shift).

    With `rectify` this is then written in place of every value, what is no number as such.
    `side` places lie beside each other as if they were one with more units (clip place / side, side * unit), so that a
    processor's registers are full where units are few. Where a value is no number, no result is but the place.
    """
    clips, rows, lanes = values.shape
    units = lanes // side
    fours = rows - rows % 4
    none = np.float32(0)
    for clip in range(clips):
        largest = np.full(lanes, -np.inf, np.float32)
        where = np.zeros(lanes, np.int32)
        total = np.zeros(lanes, np.float32)
        above = np.zeros(lanes, np.float32)
        for row in range(0, fours, 4):
            row_a, row_b, row_c, row_d = (
                values[clip, row],
                values[clip, row + 1],
                values[clip, row + 2],
                values[clip, row + 3],
            )
            for lane in range(lanes):
                a, b, c, d = row_a[lane], row_b[lane], row_c[lane], row_d[lane]
                top, first = largest[lane], where[lane]
                larger = a > top
                top, first = a if larger else top, np.int32(row) if larger else first
                larger = b > top
                top, first = b if larger else top, np.int32(row + 1) if larger else first
                larger = c > top
                top, first = c if larger else top, np.int32(row + 2) if larger else first
                larger = d > top
                top, first = d if larger else top, np.int32(row + 3) if larger else first
                largest[lane], where[lane] = top, first
                total[lane] += (a + b) + (c + d)
                by, to = scale[lane], shift[lane]
                above[lane] += (max(a * by + to, none) + max(b * by + to, none)) + (
                    max(c * by + to, none) + max(d * by + to, none)
                )
            if rectify:
                for beside in range(4):
                    here = values[clip, row + beside]
                    for lane in range(lanes):
                        a = here[lane] * scale[lane] + shift[lane]
                        here[lane] = none if a < none else a
        for row in range(fours, rows):
            last = values[clip, row]
            for lane in range(lanes):
                a = last[lane]
                larger = a > largest[lane]
                largest[lane] = a if larger else largest[lane]
                where[lane] = np.int32(row) if larger else where[lane]
                total[lane] += a
                a = a * scale[lane] + shift[lane]
                above[lane] += max(a, none)
                if rectify:
                    last[lane] = none if a < none else a
        for unit in range(units):
            best, place_of_best = largest[unit], where[unit] * side
            whole, upper = np.float64(total[unit]), np.float64(above[unit])
            for beside in range(1, side):
                lane = beside * units + unit
                after = where[lane] * side + beside
                if largest[lane] > best or (largest[lane] == best and after < place_of_best):
                    best, place_of_best = largest[lane], after
                whole += total[lane]
                upper += above[lane]
            maximum[clip, unit] = np.nan if np.isnan(whole) else best
            place[clip, unit] = place_of_best
            mean[clip, unit] = whole / (rows * side)
            positive[clip, unit] = np.nan if np.isnan(whole) else upper / (rows * side)


def _means(values: Floats, side: int, mean: Floats) -> None:
    """The mean alone, of values as `_peaks` takes them."""
    clips, rows, lanes = values.shape
    units = lanes // side
    for clip in range(clips):
        total = np.zeros(lanes, np.float32)
        for row in range(rows):
            here = values[clip, row]
            for lane in range(lanes):
                total[lane] += here[lane]
        for unit in range(units):
            whole = np.float64(0)
            for beside in range(side):
                whole += total[beside * units + unit]
            mean[clip, unit] = whole / (rows * side)
