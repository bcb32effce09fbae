"""Statistics of responses to the clips of every class, the same for any order and any split of the clips."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from marey.recording.layout import QUANTILES, quantile_name

Floats = NDArray[np.float32] | NDArray[np.float64]


def statistics(maxima: Floats, means: Floats) -> dict[str, NDArray[np.generic]]:
    """Of every row of per-clip maxima (unit, clip): clips, mean, variance, maximum and quantiles; the mean of `means`.

    Everything is computed from the values in rising order in float64, so it is a function of the set of clips: merging
    recordings and reordering clips gives the same bits. The variance is that of a sample (divided by clips - 1); it and
    the others are not a number where there are too few clips.
    """
    units, clips = maxima.shape
    rising = _rising(maxima)
    found: dict[str, NDArray[np.generic]] = {"clips": np.full(units, clips, np.int32)}
    nothing = np.full(units, np.nan)
    mean = rising.sum(1) / clips if clips else nothing
    found["mean"] = mean
    found["variance"] = np.square(rising - mean[:, None]).sum(1) / (clips - 1) if clips > 1 else nothing
    found["maximum"] = rising[:, -1].astype(np.float32) if clips else nothing.astype(np.float32)
    for share in QUANTILES:
        found[quantile_name(share)] = _quantile(rising, share) if clips else nothing
    found["mean_of_means"] = _rising(means).sum(1) / clips if clips else nothing
    return found


def _rising(values: Floats) -> NDArray[np.float64]:
    """Every row in rising order; rows whole in memory, as the order of a sum depends on that too."""
    return np.sort(np.ascontiguousarray(values), axis=1).astype(np.float64)


def _quantile(rising: NDArray[np.float64], share: float) -> NDArray[np.float64]:
    """Of every row, what lies above this share of its values, between two of them on the line that joins them."""
    place = share * (rising.shape[1] - 1)
    below = int(place)
    lower, upper = rising[:, below], rising[:, min(below + 1, rising.shape[1] - 1)]
    quantile: NDArray[np.float64] = lower + (upper - lower) * (place - below)
    return quantile


def statistics_by_class(
    maxima: Floats, means: Floats, clips_of: Mapping[str, NDArray[np.intp]]
) -> dict[str | None, dict[str, NDArray[np.generic]]]:
    """`statistics` of all clips (None), and of those of each class, given as columns."""
    every: dict[str | None, dict[str, NDArray[np.generic]]] = {None: statistics(maxima, means)}
    for label, columns in clips_of.items():
        every[label] = statistics(maxima[:, columns], means[:, columns])
    return every
