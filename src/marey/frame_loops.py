"""The bound of frames, their priors, and the gradient, in a loop each to be compiled; `measures` says what they are.

Frames are (clip channel pixel) or (clip channel time row column), float32 and contiguous. Limits are (low, high, bound,
scale), the first two in units of the frames, the bound in those of what frames times `scale` stand for.
"""

import numpy as np

from marey.compiled import Floats

Limits = tuple[float, float, float, float]

_BLOCK = 512
"""Pixels at a time: few enough that all that is computed of them stays near the processor."""


def bound_with_energy(  # noqa: PLR0917 -- compiled functions take no keywords
    frames: Floats,
    span: tuple[int, int],
    limits: Limits,
    reach: Floats,
    slope: Floats,
    inside: Floats,
    shrink: Floats,
    gradient: Floats,
) -> Floats:
    """Bring frames (clip channel pixel) within the limits; the energy R_B, exponent 3, and its gradient.

    Those of the pixels in `span`; the sums of their energy (clip) are returned.

    reach, slope
        (clip): the square of the prior's bound; 3 times the energy's weight over pixels and `reach`.
    inside, shrink, gradient
        written: like `frames`; (clip pixel), the factor of every pixel; like `frames`.
    """
    clips, channels, _ = frames.shape
    energy = np.empty(clips, np.float32)
    low, high, bound, scale = (
        np.float32(limits[0]),
        np.float32(limits[1]),
        np.float32(limits[2]),
        np.float32(limits[3]),
    )
    largest = np.float32((limits[2] / limits[3]) ** 2)
    squares, power = np.empty(_BLOCK, np.float32), np.empty(_BLOCK, np.float32)
    for clip in range(clips):
        total = np.float64(0)
        for first in range(span[0], span[1], _BLOCK):
            count = min(_BLOCK, span[1] - first)
            squares[:count] = 0
            for channel in range(channels):
                given, kept = frames[clip, channel, first : first + count], inside[clip, channel, first : first + count]
                for place in range(count):
                    value = given[place]
                    value = low if value < low else value  # what is no number stays so
                    value = high if value > high else value
                    kept[place] = value
                    squares[place] += value * value
            factors = shrink[clip, first : first + count]
            here = np.float32(0)
            for place in range(count):
                square = squares[place]
                factor = bound / np.sqrt(square) if square > largest else scale
                factors[place] = factor
                relative = square * factor * factor / reach[clip]
                root = np.sqrt(relative)
                here += relative * root
                power[place] = slope[clip] * root
            total += here
            for channel in range(channels):
                kept, slopes = (
                    inside[clip, channel, first : first + count],
                    gradient[clip, channel, first : first + count],
                )
                for place in range(count):
                    value = kept[place] * factors[place]
                    kept[place] = value
                    slopes[place] = value * power[place]
        energy[clip] = total
    return energy


def variation(frames: Floats, span: tuple[int, int], of_space: Floats, of_time: Floats, gradient: Floats) -> Floats:
    """Sums of squared differences of neighbors in space and in time (2 clip), of frames (clip channel time row column).

    Those of the pictures in `span`, counted through channels and times, and of the ones before them in time. To
    `gradient` that of `of_space` / 2 times the one and `of_time` / 2 times the other (clip) is added.
    """
    clips, _, times, rows, columns = frames.shape
    found = np.empty((2, clips), np.float32)
    for clip in range(clips):
        across_and_down, on = np.float64(0), np.float64(0)
        by_space, by_time = of_space[clip], of_time[clip]
        for picture in range(span[0], span[1]):
            channel, moment = picture // times, picture % times
            for row in range(rows):
                here = frames[clip, channel, moment, row]
                above = frames[clip, channel, moment, max(row - 1, 0)]
                below = frames[clip, channel, moment, min(row + 1, rows - 1)]
                before = frames[clip, channel, max(moment - 1, 0), row]
                after = frames[clip, channel, min(moment + 1, times - 1), row]
                slopes = gradient[clip, channel, moment, row]
                in_space, in_time = np.float32(0), np.float32(0)
                for column in range(columns):
                    value = here[column]
                    up, back = value - above[column], value - before[column]
                    in_space += up * up
                    in_time += back * back
                    slopes[column] += by_space * (up + (value - below[column])) + by_time * (
                        back + (value - after[column])
                    )
                for column in range(1, columns):
                    left = here[column] - here[column - 1]
                    in_space += left * left
                if columns > 1:
                    slopes[0] += by_space * (here[0] - here[1])
                    for column in range(1, columns - 1):
                        slopes[column] += by_space * (
                            (here[column] - here[column - 1]) + (here[column] - here[column + 1])
                        )
                    slopes[columns - 1] += by_space * (here[columns - 1] - here[columns - 2])
                across_and_down += in_space
                on += in_time
        found[0, clip], found[1, clip] = across_and_down, on
    return found


def bound_back(  # noqa: PLR0917
    frames: Floats,
    span: tuple[int, int],
    limits: Limits,
    shrink: Floats,
    of_inside: Floats,
    gradient: Floats,
    share: Floats,
    result: Floats,
) -> None:
    """The gradient of `frames` (clip channel pixel) from that of what was brought within the limits, and the priors'.

    Those of the pixels in `span`. `share` (clip) is how much of the priors' `gradient` is wanted, beside `of_inside`.
    """
    clips, channels, _ = frames.shape
    low, high, scale = np.float32(limits[0]), np.float32(limits[1]), np.float32(limits[3])
    inverse = np.float32(1 / limits[2] ** 2)
    along = np.empty(_BLOCK, np.float32)
    for clip in range(clips):
        part = share[clip]
        for first in range(span[0], span[1], _BLOCK):
            count = min(_BLOCK, span[1] - first)
            along[:count] = 0
            factors = shrink[clip, first : first + count]
            for channel in range(channels):
                given, priors = (
                    frames[clip, channel, first : first + count],
                    gradient[clip, channel, first : first + count],
                )
                wanted, out = (
                    of_inside[clip, channel, first : first + count],
                    result[clip, channel, first : first + count],
                )
                for place in range(count):
                    kept = given[place]
                    kept = low if kept < low else kept
                    kept = high if kept > high else kept
                    slope = wanted[place] + part * priors[place]
                    out[place] = slope
                    along[place] += kept * slope
            for place in range(count):
                factor = factors[place]
                outside = np.float32(1) if factor < scale else np.float32(0)
                along[place] *= outside * inverse * factor * factor
            for channel in range(channels):
                given, out = frames[clip, channel, first : first + count], result[clip, channel, first : first + count]
                for place in range(count):
                    value = given[place]
                    kept = low if value < low else value
                    kept = high if kept > high else kept
                    slope = (out[place] - kept * along[place]) * factors[place]  # what only lengthens x is lost
                    out[place] = slope if kept == value else np.float32(0)
