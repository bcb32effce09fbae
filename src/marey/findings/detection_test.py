"""Whether units detect classes better than chance: average precision against labels that are dealt anew."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from marey.findings.average_precision import ClassDetection, class_detection, descending_ranks
from marey.video.read.ahead import cores

_SCALING = 20
"""Permutations that tell mean and deviation of AUPRC under the null for each class; the test does not use them."""

_UNITS_AT_ONCE = 64

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

    @classmethod
    def of(
        cls, responses: NDArray[np.float32], dealt: Sequence[Labels], report: Callable[[int], None] | None = None
    ) -> "DetectionNull":
        """The null of the units of `responses` (clip, unit), for permutations `dealt` of their labels.

        `report` is told of every few units that are done.
        """
        ranks = descending_ranks(responses)
        classes = int(dealt[0].max()) + 1
        scaling = np.concatenate([class_detection(ranks, labels, classes).auprc for labels in dealt[:_SCALING]])
        mean, deviation = scaling.mean(0), np.maximum(scaling.std(0), 1e-12)

        def largest(first: int) -> NDArray[np.float32]:
            some = ranks[first : first + _UNITS_AT_ONCE]
            found = np.empty((len(some), len(dealt) - _SCALING), np.float32)
            for place, labels in enumerate(dealt[_SCALING:]):
                found[:, place] = ((class_detection(some, labels, classes).auprc - mean) / deviation).max(1)
            found.sort(axis=1)
            return found

        parts = []
        with ThreadPoolExecutor(cores()) as pool:
            for part in pool.map(largest, range(0, len(ranks), _UNITS_AT_ONCE)):
                parts.append(part)
                if report is not None:
                    report(len(part))
        return cls(mean, deviation, np.concatenate(parts))

    def z(self, detection: ClassDetection) -> NDArray[np.float32]:
        """AUPRC (unit, class) in deviations of the null above its mean."""
        return np.asarray((detection.auprc - self.mean) / self.deviation, np.float32)

    def p(self, z: NDArray[np.float32]) -> NDArray[np.float64]:
        """How often the best of all classes, for dealt labels, reaches that z (Westfall and Young 1993)."""
        below = np.stack([np.searchsorted(null, own) for null, own in zip(self.largest_z, z, strict=True)])
        count = self.largest_z.shape[1]
        return np.asarray((count - below + 1) / (count + 1))

    def critical_z(self, p: float) -> NDArray[np.float32]:
        """The z (unit) that a class must pass for its p to be at most so large."""
        count = self.largest_z.shape[1]
        reached = int(p * (count + 1) + 1e-9) - 1  # so many of the null may reach it
        if reached < 0:
            return np.full(len(self.largest_z), np.inf, np.float32)
        return self.largest_z[:, count - 1 - reached] if reached < count else np.full(count, -np.inf, np.float32)


PERMUTATIONS_BESIDES = _SCALING
"""How many permutations `DetectionNull.of` takes beside those of the test."""
