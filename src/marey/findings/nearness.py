"""How near inputs are to real clips of a class, against clips of other classes, by the responses of a layer's units."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from marey.findings.intervals import group_intervals

Labels = NDArray[np.intp]


def likeness(inputs: NDArray[np.float32], clips: NDArray[np.float32]) -> NDArray[np.float64]:
    """(input, clip), the rank correlation over units of how far each is from the mean of `clips` (clip, unit).

    Units that respond to all clips alike do not count.
    """
    alive = np.ptp(clips, axis=0) > 0
    mean, deviation = clips[:, alive].mean(0), np.maximum(clips[:, alive].std(0), 1e-12)
    profiles = [_ranks((values[:, alive] - mean) / deviation) for values in (inputs, clips)]
    return np.asarray(profiles[0] @ profiles[1].T)


def _ranks(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Ranks over units, centered and of length 1."""
    if not values.shape[1]:
        return np.zeros((len(values), 1))
    ranks = rankdata(values, axis=1)
    centered = ranks - ranks.mean(1, keepdims=True)
    return np.asarray(centered / np.maximum(np.linalg.norm(centered, axis=1, keepdims=True), 1e-12))


@dataclass(frozen=True, eq=False)
class Nearness:
    """How often an input is nearer to a clip of its class than to one of another: 0.5 by chance, with its interval.

    each
        (input).
    p
        how often dealt labels reach the mean.
    """

    each: NDArray[np.float64]
    value: float
    low: float
    high: float
    p: float


def nearness(
    like: NDArray[np.float64],
    own: Labels,
    labels: Labels,
    groups: Sequence[str],
    dealt: Sequence[Labels],
    *,
    excluded: NDArray[np.bool_] | None = None,
) -> Nearness:
    """From `like` (input, clip), the class of each input, and those of the clips.

    excluded
        (input, clip) that do not count: the clip itself and those of its group, where the inputs are clips.
    """
    counted = np.ones(like.shape, bool) if excluded is None else ~excluded

    def areas(some: NDArray[np.bool_]) -> NDArray[np.float64]:
        return _areas(_ranked(like[:, some], counted[:, some]), own, labels[some], counted[:, some])

    ranks = _ranked(like, counted)
    each = _areas(ranks, own, labels, counted)
    found = group_intervals(lambda some: _mean(areas(some)), groups, least=0, most=1)
    reached = sum(_mean(_areas(ranks, own, deal, counted)) >= float(found.value) - 1e-12 for deal in dealt)
    p = float(reached + 1) / (len(dealt) + 1)
    return Nearness(each, float(found.value), float(found.low), float(found.high), p)


def _mean(areas: NDArray[np.float64]) -> float:
    return float(np.nanmean(areas)) if np.isfinite(areas).any() else 0.5


def _ranked(like: NDArray[np.float64], counted: NDArray[np.bool_]) -> NDArray[np.float64]:
    return np.asarray(rankdata(np.where(counted, like, np.inf), axis=1))  # what does not count is last, and in no sum


def _areas(ranks: NDArray[np.float64], own: Labels, labels: Labels, counted: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Area under the ROC curve of each input; not a number where no clip of its class, or of another, counts."""
    same = (labels[None] == own[:, None]) & counted
    others = counted.sum(1) - same.sum(1)
    count = same.sum(1)
    area = (np.where(same, ranks, 0).sum(1) - count * (count + 1) / 2) / np.maximum(count * others, 1)
    return np.asarray(np.where((count > 0) & (others > 0), area, np.nan))
