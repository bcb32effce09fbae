"""The mean response to the clips of each class, beside the mean of as many clips by chance."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from marey.datasets.clip_set import group_of
from marey.findings.permutations import dealt_labels
from marey.recording.read.recording import Recording

DRAWS = 499
SHARE = 0.95
_AT_ONCE = 2**23
"""Means in memory at once."""


@dataclass(frozen=True, eq=False)
class ChanceMeans:
    """The labels of recorded clips, dealt anew as `dealt_labels` does.

    rows
        the recorded clips that have a class (clip).
    classes
        the names, sorted.
    labels, dealt
        the class of each of these clips, as it is (clip) and dealt (draw, clip).
    """

    rows: NDArray[np.intp]
    classes: tuple[str, ...]
    labels: NDArray[np.intp]
    dealt: NDArray[np.int32]

    @classmethod
    def of(cls, recording: Recording, *, draws: int = DRAWS, seed: int = 0) -> "ChanceMeans":
        """Deal the labels of a recording's clips."""
        table = recording.recorded_clips
        names = table["label"].to_pylist()
        rows = np.array([row for row, name in enumerate(names) if name is not None], np.intp)
        classes = tuple(sorted({names[row] for row in rows}))
        place = {name: index for index, name in enumerate(classes)}
        labels = np.array([place[names[row]] for row in rows], np.intp)
        numbers = table["clip"].to_pylist()
        groups = [group_of(recording.clip(numbers[row])) for row in rows]
        dealt = [one.astype(np.int32) for one in dealt_labels(labels, groups, draws, seed=seed)] if len(rows) else []
        return cls(rows, classes, labels, np.array(dealt, np.int32).reshape(-1, len(rows)))

    @cached_property
    def known(self) -> bool:
        """Whether there is anything to deal: the classes of the groups differ, or those within one."""
        return bool((self.dealt != self.labels).any())

    def bands(self, values: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Where the means of responses (recorded clip, unit) lie in 95 of 100 draws: two ends (class, unit).

        Not a number for a class that got no clip in any draw.
        """
        own = values[self.rows]
        low = np.full((len(self.classes), own.shape[1]), np.nan)
        high = low.copy()
        at_once = max(1, _AT_ONCE // max(1, len(self.dealt) * len(self.classes)))
        tails = 50 * (1 - SHARE), 50 * (1 + SHARE)
        for first in range(0, own.shape[1], at_once):
            part = np.ascontiguousarray(own[:, first : first + at_once])
            means = np.stack([self._means(part, labels) for labels in self.dealt])  # draw class unit
            there = ~np.isnan(means).all(axis=(0, 2))
            low[there, first : first + at_once], high[there, first : first + at_once] = np.nanpercentile(
                means[:, there], tails, axis=0
            )
        return low, high

    def _means(self, values: NDArray[np.float32], labels: NDArray[np.int32]) -> NDArray[np.float64]:
        """The mean (class, unit); not a number for a class without a clip."""
        counts = np.bincount(labels, minlength=len(self.classes))
        ends = np.concatenate([[0], np.cumsum(counts)])
        order = np.argsort(labels, kind="stable")
        chosen = sparse.csr_array((np.ones(len(order)), order, ends), shape=(len(self.classes), len(order)))
        with np.errstate(invalid="ignore"):
            means: NDArray[np.float64] = (chosen @ values) / counts[:, None]
        return means
