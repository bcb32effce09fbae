"""Whether units detect classes better than chance: average precision against labels that are dealt anew."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from marey.findings.average_precision import class_auprc
from marey.findings.ranked_units import RankedUnits
from marey.video.read.ahead import cores

_SCALING = 20
"""Permutations that tell mean and deviation of AUPRC under the null for each class; the test does not use them."""

_ROWS_AT_ONCE = 256

Labels = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class DetectionNull:
    """What some units reach for dealt labels.

    mean, deviation
        (class), of AUPRC over units and permutations.
    largest_z
        (unit, permutation), rising: AUPRC of the best class, in deviations above the mean, so that classes of few and
        of many clips compare.
    """

    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]
    largest_z: NDArray[np.float32]

    def p(self, z: NDArray[np.float32]) -> NDArray[np.float64]:
        """How often the best of all classes, for dealt labels, reaches that z (Westfall and Young 1993)."""
        count = self.largest_z.shape[1]
        below = (self.largest_z[:, None] < z[:, :, None]).sum(2)
        return np.asarray((count - below + 1) / (count + 1))

    def critical_z(self, p: float) -> NDArray[np.float32]:
        """The z (unit) that a class must pass for its p to be at most so large."""
        count = self.largest_z.shape[1]
        reached = int(p * (count + 1) + 1e-9) - 1  # so many of the null may reach it
        if reached < 0:
            return np.full(len(self.largest_z), np.inf, np.float32)
        return self.largest_z[:, count - 1 - reached] if reached < count else np.full(count, -np.inf, np.float32)


def detection_nulls(
    ranked: RankedUnits, dealt: Sequence[Labels], report: Callable[[int], None] | None = None
) -> dict[str, DetectionNull]:
    """The null of each layer, for permutations `dealt` of the labels of the clips.

    `report` is told of every few units that are done.
    """
    classes = int(dealt[0].max()) + 1
    scale = {name: _scale(ranked.of(name), dealt[:_SCALING], classes) for name in ranked.rows}
    sizes = [len(rows) for rows in ranked.rows.values()]
    means, deviations = (np.repeat(np.stack(part), sizes, axis=0) for part in zip(*scale.values(), strict=True))
    row_of = np.concatenate(list(ranked.rows.values()))

    def largest(first: int) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
        """The units whose rows these are, and the null of each."""
        rows = ranked.distinct[first : first + _ROWS_AT_ONCE]
        units = np.flatnonzero((row_of >= first) & (row_of < first + len(rows)))
        mean, deviation, own = means[units], deviations[units], row_of[units] - first
        found = np.empty((len(units), len(dealt) - _SCALING), np.float32)
        for place, labels in enumerate(dealt[_SCALING:]):
            found[:, place] = ((class_auprc(rows, labels, classes)[own] - mean) / deviation).max(1)
        found.sort(axis=1)
        return units, found

    null = np.empty((len(row_of), len(dealt) - _SCALING), np.float32)
    with ThreadPoolExecutor(cores()) as pool:
        for units, part in pool.map(largest, range(0, len(ranked.distinct), _ROWS_AT_ONCE)):
            null[units] = part
            if report is not None:
                report(len(units))
    parts = np.split(null, np.cumsum(sizes)[:-1])
    return {name: DetectionNull(*scale[name], part) for name, part in zip(ranked.rows, parts, strict=True)}


def _scale(
    ranks: NDArray[np.int32], dealt: Sequence[Labels], classes: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and deviation (class) of AUPRC."""
    auprc = np.concatenate([class_auprc(ranks, labels, classes) for labels in dealt])
    return auprc.mean(0), np.maximum(auprc.std(0), 1e-12)


PERMUTATIONS_BESIDES = _SCALING
"""How many permutations `detection_nulls` takes beside those of the test."""
