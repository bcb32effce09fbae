"""Whether a unit's preferred inputs from different seeds drive the same units, more than those of different units."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from marey.findings.intervals import group_intervals
from marey.findings.nearness import likeness
from marey.findings.shown_back import Preferred


@dataclass(frozen=True)
class SeedAgreement:
    """The mean rank correlation over units of a layer: of one unit's inputs from two seeds, and of different units'.

    pairs
        of one unit.
    """

    value: float
    low: float
    high: float
    others: float
    pairs: int


def seed_agreement(
    inputs: Sequence[Preferred], responses: NDArray[np.float32], clips: NDArray[np.float32]
) -> SeedAgreement | None:
    """From what units respond to each input and slowness (input, unit) and to real clips; None without two seeds."""
    about = [(str(one.unit), one.seed, chi) for one in inputs for chi in one.result.slowness]
    alive = np.ptp(clips, axis=0) > 0
    relative = (responses[:, alive] - clips[:, alive].mean(0)) / np.maximum(clips[:, alive].std(0), 1e-12)
    like = likeness(relative, relative)
    same: list[tuple[int, int]] = []
    different: list[tuple[int, int]] = []
    for one, other in combinations(range(len(about)), 2):
        if about[one][1] != about[other][1] and about[one][2] == about[other][2]:
            (same if about[one][0] == about[other][0] else different).append((one, other))
    if not same or not different:
        return None
    values = np.array([like[pair] for pair in same])
    units = [about[one][0] for one, _ in same]
    low = high = float("nan")
    if len(set(units)) > 1:
        size = group_intervals(lambda some: values[some].mean(), units, least=-1, most=1)
        low, high = float(size.low), float(size.high)
    return SeedAgreement(float(values.mean()), low, high, float(np.mean([like[pair] for pair in different])), len(same))
