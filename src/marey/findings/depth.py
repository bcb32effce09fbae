"""Whether a number of layers rises or falls with depth."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from marey.findings.intervals import Estimate, group_intervals
from marey.network.layer import Layer

_WEIGHTS = ("Conv", "Linear")

Values = tuple[NDArray[np.floating], NDArray[np.bool_]]
"""A number of each unit, and whether it counts."""


@dataclass(frozen=True, eq=False)
class Trend:
    """A number of each layer, the median over its units, and how it goes with depth.

    layers
        (layer), with intervals.
    first, last
        the mean over the first third of the layers, and over the last.
    correlation
        Spearman's rank correlation of the layers' numbers with depth.
    p
        how often layers in random order reach that.
    units
        how many units count.
    """

    layers: Estimate
    first: Estimate
    last: Estimate
    correlation: Estimate
    p: float
    units: int


def depth_steps(layers: Sequence[Layer]) -> list[str]:
    """Of the layers from each one with weights up to the next the last: what lies between repeats what it says."""
    steps: list[str] = []
    for layer in layers:
        if steps and not layer.kind.startswith(_WEIGHTS):
            steps.pop()
        steps.append(layer.name)
    return steps


def depths(layers: Sequence[Layer]) -> list[int]:
    """How many of the layers lead to each, itself counted: towers that see other streams start anew."""
    reached: dict[frozenset[str], int] = {}
    found = []
    for layer in layers:
        streams = frozenset(layer.receptive_field.streams)
        found.append(1 + max((depth for seen, depth in reached.items() if seen <= streams), default=0))
        reached[streams] = found[-1]
    return found


def trend(
    estimate: Callable[[NDArray[np.bool_]], Values],
    sizes: Sequence[int],
    depth: Sequence[int],
    groups: Sequence[str],
    *,
    seed: int,
    permutations: int = 999,
) -> Trend:
    """The trend of what `estimate` gives of every unit for some of the clips.

    sizes, depth
        how many units each layer has, and its depth.
    """
    places = np.repeat(np.arange(len(sizes)), sizes)
    third, order = max(1, len(sizes) // 3), np.argsort(depth, kind="stable")

    def numbers(clips: NDArray[np.bool_]) -> NDArray[np.float64]:
        values, counts = estimate(clips)
        medians = np.array([_median(values[(places == place) & counts]) for place in range(len(sizes))])
        ends = [_mean(medians[order[:third]]), _mean(medians[order[-third:]]), rank_correlation(medians, depth)]
        return np.concatenate([medians, ends])

    bound = np.repeat([np.inf, 1.0], [len(sizes) + 2, 1])
    found = group_intervals(numbers, groups, least=-bound, most=bound)
    first, last, correlation = (
        Estimate(*(ends[part] for ends in (found.value, found.low, found.high))) for part in (-3, -2, -1)
    )
    layers = Estimate(found.value[:-3], found.low[:-3], found.high[:-3])
    units = int(estimate(np.ones(len(groups), bool))[1].sum())
    return Trend(layers, first, last, correlation, _p(layers.value, depth, permutations, seed), units)


def _median(values: NDArray[np.floating]) -> float:
    return float(np.median(values)) if len(values) else np.nan


def _mean(values: NDArray[np.float64]) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else np.nan


def rank_correlation(values: NDArray[np.float64], depth: Sequence[int]) -> float:
    """Spearman's, of values with depth; 0 where either is all alike, or fewer than three are known."""
    return float(_ranks(values) @ _ranks(np.where(np.isfinite(values), depth, np.nan)))


def _ranks(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Ranks of what is known, around 0 and of length 1; all 0 where there is no order."""
    known = np.isfinite(values)
    ranks = np.zeros(len(values))
    if known.sum() >= 3:
        ranks[known] = rankdata(values[known]) - (known.sum() + 1) / 2
    length = float(np.sqrt(ranks @ ranks))
    return ranks / length if length > 0 else ranks


def _p(values: NDArray[np.float64], depth: Sequence[int], permutations: int, seed: int) -> float:
    """How often layers in random order have a correlation of this size."""
    known = np.isfinite(values)
    ranks, places = _ranks(values[known]), _ranks(np.array(depth, np.float64)[known])
    dealt = np.random.default_rng(seed).permuted(np.tile(ranks, (permutations, 1)), axis=1)
    reached = np.abs(dealt @ places) >= abs(float(ranks @ places)) - 1e-9
    return float((reached.sum() + 1) / (permutations + 1))
