"""How near classes are to each other in a layer, and whether near classes are those that are confused."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import rankdata

from marey.accelerate.passes import quick_passes
from marey.errors import MareyError
from marey.findings.intervals import group_intervals
from marey.findings.preferred_folder import preferred_inputs
from marey.maximization.result import PreferredInput
from marey.network.network import Network


@dataclass(frozen=True, eq=False)
class Closeness:
    """How near classes are (class, class), and how that goes with how often they are confused.

    of
        what is compared, in words.
    rank_correlation, low, high
        Spearman's, over all pairs of classes, with its interval over groups.
    p
        how often classes in random order give one so large (Mantel 1967).
    """

    of: str
    near: NDArray[np.float64]
    classes: int
    rank_correlation: float
    low: float
    high: float
    p: float


def closeness_of_clips(
    responses: NDArray[np.float32],
    labels: NDArray[np.intp],
    groups: Sequence[str],
    confusions: Callable[[NDArray[np.bool_]], NDArray[np.intp]],
    *,
    classes: int,
    layer: str,
    seed: int,
) -> Closeness:
    """Compare the mean responses (clip, unit) of a layer to the clips of each class.

    `confusions` gives (right class, predicted class) of some of the clips.
    """

    def near(chosen: NDArray[np.bool_]) -> NDArray[np.float64]:
        spread = responses[chosen].std(0)
        alive = spread > 0
        scaled = (responses[chosen][:, alive] - responses[chosen][:, alive].mean(0)) / spread[alive]
        means = np.full((classes, scaled.shape[1]), np.nan)
        for label in np.unique(labels[chosen]):
            means[label] = scaled[labels[chosen] == label].mean(0)
        return _correlations(means)

    return _closeness(f"mean responses of '{layer}'", near, confusions, groups, seed=seed)


def closeness_of_preferred(
    network: Network,
    folder: str | Path,
    layer: str,
    groups: Sequence[str],
    confusions: Callable[[NDArray[np.bool_]], NDArray[np.intp]],
    *,
    seed: int,
) -> Closeness:
    """Compare what a layer responds to the classes' preferred inputs, those in a folder that `marey maximize` wrote.

    Raises MareyError where the folder has preferred inputs of fewer than three classes of the network.
    """
    found: dict[str, PreferredInput] = {}
    for one in preferred_inputs(folder, network):
        if one.label in network.classes and all(one.frames[s.name].shape[1:] == s.shape for s in network.streams):
            found[one.label] = one
    if len(found) < 3:
        raise MareyError(
            f"'{folder}' has preferred inputs of {len(found)} of the {len(network.classes)} classes of {network.name}; "
            "closeness needs three or more. Make them with `marey maximize`, naming classes."
        )
    means = np.full((len(network.classes), network.layer(layer).units), np.nan)
    with torch.no_grad(), quick_passes(network):
        for label, one in found.items():
            best = int(np.argmax(one.scores))
            inputs = {name: values.to(network.device) for name, values in one.inputs(best).items()}
            output = network.activations(inputs, [layer])[layer]
            means[network.classes.index(label)] = output.flatten(2).amax(2)[0].float().cpu().numpy()
    spread = np.nanstd(means, axis=0)
    alive = spread > 0
    near = _correlations((means[:, alive] - np.nanmean(means[:, alive], axis=0)) / spread[alive])
    return _closeness(
        f"responses of '{layer}' to preferred inputs", lambda _chosen: near, confusions, groups, seed=seed
    )


def _correlations(means: NDArray[np.float64]) -> NDArray[np.float64]:
    """The correlation over units (class, class); not a number for a class without responses."""
    centered = means - means.mean(1, keepdims=True)
    length = np.sqrt((centered**2).sum(1))
    scaled = centered / np.where(length > 0, length, np.nan)[:, None]
    return np.asarray(scaled @ scaled.T)


def _closeness(
    of: str,
    near: Callable[[NDArray[np.bool_]], NDArray[np.float64]],
    confusions: Callable[[NDArray[np.bool_]], NDArray[np.intp]],
    groups: Sequence[str],
    *,
    seed: int,
    permutations: int = 999,
) -> Closeness:
    every = np.ones(len(groups), bool)

    def correlation(chosen: NDArray[np.bool_]) -> NDArray[np.float64]:
        return np.array(_rank_correlation(near(chosen), confusions(chosen)))

    found = group_intervals(correlation, groups, least=-1, most=1)
    whole, counts = near(every), confusions(every)
    known = np.flatnonzero(~np.isnan(whole).all(1))
    random = np.random.default_rng(seed)
    reached = 0
    for _ in range(permutations):
        order = random.permutation(known)
        moved = whole.copy()
        moved[np.ix_(known, known)] = whole[np.ix_(order, order)]
        reached += _rank_correlation(moved, counts) >= float(found.value) - 1e-12
    p = (1 + reached) / (1 + permutations)
    return Closeness(of, whole, len(known), float(found.value), float(found.low), float(found.high), p)


def _rank_correlation(near: NDArray[np.float64], counts: NDArray[np.intp]) -> float:
    """Spearman's, over unordered pairs of classes, of how near they are and how often one is taken for the other."""
    above = np.triu_indices(len(near), 1)
    both = (counts + counts.T)[above].astype(float)
    there = np.isfinite(near[above])
    if there.sum() < 3 or np.ptp(both[there]) == 0 or np.ptp(near[above][there]) == 0:
        return 0.0
    return float(np.corrcoef(rankdata(near[above][there]), rankdata(both[there]))[0, 1])
