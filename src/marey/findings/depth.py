"""Whether a number of layers rises or falls with depth."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from marey.findings.intervals import Estimate, group_intervals
from marey.network.layer import Layer

_WEIGHTS = ("Conv", "Linear")


@dataclass(frozen=True, eq=False)
class Trend:
    """A number of each layer, and how it goes with depth.

    layers
        (layer), with intervals.
    correlation
        Spearman's rank correlation of the number with depth, with its interval.
    p
        how often layers in random order reach that.
    """

    layers: Estimate
    correlation: Estimate
    p: float


def depth_steps(layers: Sequence[Layer]) -> list[str]:
    """Of the layers from each one with weights up to the next the last: what lies between repeats what it says."""
    steps: list[str] = []
    for layer in layers:
        if steps and not layer.kind.startswith(_WEIGHTS):
            steps.pop()
        steps.append(layer.name)
    return steps


def trend(
    estimate: Callable[[NDArray[np.bool_]], NDArray[np.float64]],
    groups: Sequence[str],
    *,
    seed: int,
    permutations: int = 999,
) -> Trend:
    """The trend of what `estimate` gives for some of the clips: (layer), from the first to the last."""

    def both(clips: NDArray[np.bool_]) -> NDArray[np.float64]:
        values = estimate(clips)
        return np.append(values, rank_correlation(values))

    found = group_intervals(both, groups)
    layers = Estimate(found.value[:-1], found.low[:-1], found.high[:-1])
    correlation = Estimate(found.value[-1], found.low[-1].clip(-1, 1), found.high[-1].clip(-1, 1))
    random = np.random.default_rng(seed)
    reached = sum(
        abs(rank_correlation(random.permutation(layers.value))) >= abs(float(correlation.value)) - 1e-9
        for _ in range(permutations)
    )
    return Trend(layers, correlation, (reached + 1) / (permutations + 1))


def rank_correlation(values: NDArray[np.float64]) -> float:
    """Of values with their places; 0 where they are all alike, or fewer than three."""
    if len(values) < 3 or np.ptp(values) < 1e-12:
        return 0.0
    return float(spearmanr(np.arange(len(values)), values).statistic)
