"""The bound of frames, their priors, and the gradient, in a loop each to be compiled; `measures` says what they are.

Frames are (clip channel pixel) or (clip channel time row column), float32 and contiguous. Limits are (low, high, bound,
scale), the first two in units of the frames, the bound in those of what frames times `scale` stand for.
"""

import numpy as np

from marey.accelerate.compiled import Floats

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
        (clip): the prior's bound; 3 times the energy's weight over pixels and the square of `reach`.
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
        total, inverse = np.float64(0), np.float32(1) / reach[clip]
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
                length = np.sqrt(square)
                factor = bound / length if square > largest else scale
                factors[place] = factor
                root = length * factor * inverse
                here += root * root * root
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
    pixels = rows * columns
    apart = np.ones(pixels, np.float32)  # whether a pixel has a neighbor to the right
    apart[columns - 1 :: columns] = 0
    steps = np.zeros(pixels + 1, np.float32)  # of every pixel from the one before it
    found = np.empty((2, clips), np.float32)
    for clip in range(clips):
        in_space, in_time = np.float64(0), np.float64(0)
        by_space, by_time = of_space[clip], of_time[clip]
        for number in range(span[0], span[1]):
            channel, moment = number // times, number % times
            here = frames[clip, channel, moment].reshape(pixels)
            before = frames[clip, channel, max(moment - 1, 0)].reshape(pixels)
            after = frames[clip, channel, min(moment + 1, times - 1)].reshape(pixels)
            slopes = gradient[clip, channel, moment].reshape(pixels)
            # the first row, all between, and the last one: long loops, which processors run several places at a time
            for start, stop in ((0, columns), (columns, pixels - columns), (max(pixels - columns, columns), pixels)):
                count, up, down = stop - start, max(start - columns, 0), min(start + columns, pixels - columns)
                middle, above, below = here[start:stop], here[up : up + count], here[down : down + count]
                earlier, later, slope = before[start:stop], after[start:stop], slopes[start:stop]
                of_rows, of_times = np.float32(0), np.float32(0)
                for place in range(count):
                    value = middle[place]
                    from_above, from_before = value - above[place], value - earlier[place]
                    of_rows += from_above * from_above
                    of_times += from_before * from_before
                    in_plane = from_above + (value - below[place])
                    slope[place] += by_space * in_plane + by_time * (from_before + (value - later[place]))
                in_space += of_rows
                in_time += of_times
            one, other, wanted = here[:-1], here[1:], apart[: pixels - 1]
            of_columns = np.float32(0)
            for place in range(pixels - 1):
                steps[place + 1] = (other[place] - one[place]) * wanted[place]
                of_columns += steps[place + 1] * steps[place + 1]
            in_space += of_columns
            for place in range(pixels):
                slopes[place] += by_space * (steps[place] - steps[place + 1])
        found[0, clip], found[1, clip] = in_space, in_time
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
