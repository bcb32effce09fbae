"""How well the responses of units tell the clips of a class from all others: AUPRC, best F1, and AUC of ranks."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


def descending_ranks(responses: NDArray[np.floating]) -> NDArray[np.int32]:
    """The rank of each clip for every unit (unit, clip): how many clips drive the unit at least as much as this one.

    `responses` are (clip, unit). The strongest clip has rank 1; equal ones share the largest rank among them, which is
    how many clips a threshold at their response lets through.
    """
    falling = -responses.T
    order = np.argsort(falling, axis=1)
    values = np.take_along_axis(falling, order, axis=1)
    ends = np.broadcast_to(np.arange(1, falling.shape[1] + 1, dtype=np.int32), falling.shape).copy()
    ends[:, :-1][values[:, :-1] == values[:, 1:]] = falling.shape[1]
    ranks = np.empty(falling.shape, np.int32)
    np.put_along_axis(ranks, order, np.minimum.accumulate(ends[:, ::-1], axis=1)[:, ::-1], axis=1)
    return ranks


def ranks_among(ranks: NDArray[np.int32], chosen: NDArray[np.bool_]) -> NDArray[np.int32]:
    """The ranks (unit, chosen clip) among the `chosen` clips (clip) alone, from those among all (unit, clip)."""
    units, clips = ranks.shape
    places = ranks[:, chosen] - 1 + clips * np.arange(units)[:, None]
    passing = np.bincount(places.ravel(), minlength=units * clips).reshape(units, clips).cumsum(1)
    return np.asarray(passing.ravel()[places], np.int32)


_NOWHERE = 2**30
"""Above it are the ranks of clips that a class does not have, where another class has more clips."""

_RANKS_AT_ONCE = 2**16


@dataclass(frozen=True, eq=False)
class ClassDetection:
    """How well each unit detects each class by a threshold on its response; arrays are (unit, class).

    auprc
        average precision: the mean, over the clips of the class, of the precision at the clip's own response.
    f1
        of the best threshold.
    passing
        how many clips, of any class, pass that threshold.
    """

    auprc: NDArray[np.float64]
    f1: NDArray[np.float64]
    passing: NDArray[np.int32]


def class_detection(ranks: NDArray[np.int32], labels: NDArray[np.integer], classes: int) -> ClassDetection:
    """Detection of every class by every unit.

    ranks
        (unit, clip), see `descending_ranks`.
    labels
        (clip), the class of each, 0 to `classes` - 1. Every class has a clip.
    """
    counts = np.bincount(labels, minlength=classes)
    parts = []
    for laid, found in _laid_out(ranks, labels, counts):
        f1 = 2 * found / (laid + counts[:, None])
        f1[laid >= _NOWHERE] = 0
        best = f1.argmax(2)[:, :, None]
        f1_best, passing = (np.take_along_axis(values, best, axis=2)[:, :, 0] for values in (f1, laid))
        parts.append((_auprc(laid, found, counts), f1_best, passing))
    return ClassDetection(*(np.concatenate(every) for every in zip(*parts, strict=True)))


def class_auprc(ranks: NDArray[np.int32], labels: NDArray[np.integer], classes: int) -> NDArray[np.float64]:
    """The average precision (unit, class) of `class_detection` alone, in a third of its time."""
    counts = np.bincount(labels, minlength=classes)
    return np.concatenate([_auprc(laid, found, counts) for laid, found in _laid_out(ranks, labels, counts)])


def _auprc(laid: NDArray[np.int32], found: NDArray[np.float32], counts: NDArray[np.intp]) -> NDArray[np.float64]:
    precision = found / laid
    if counts.min() < counts.max():
        precision[laid >= _NOWHERE] = 0
    return np.asarray(precision.sum(2) / counts)


def _laid_out(
    ranks: NDArray[np.int32], labels: NDArray[np.integer], counts: NDArray[np.intp]
) -> Iterator[tuple[NDArray[np.int32], NDArray[np.float32]]]:
    """Of some units at a time, for the clips of each class from the strongest to the weakest (unit, class, clip).

    The first is the rank of a clip, the second how many clips of the class have it or a smaller one.
    """
    most = int(counts.max())
    numbers = np.arange(1, most + 1, dtype=np.float32)
    there = np.arange(most) < counts[:, None]
    places = np.zeros(there.shape, np.intp)
    places[there] = np.argsort(labels, kind="stable")
    beyond = np.broadcast_to(_NOWHERE + np.arange(most, dtype=np.int32), there.shape)[~there]
    at_once = max(1, _RANKS_AT_ONCE // there.size)
    for first in range(0, max(1, len(ranks)), at_once):
        laid = np.take(ranks[first : first + at_once], places, axis=1)
        laid[:, ~there] = beyond
        laid.sort(axis=2)
        found = np.broadcast_to(numbers, laid.shape)
        equal = laid[:, :, :-1] == laid[:, :, 1:]  # equal responses pass a threshold together, so the last counts
        tied = equal.any((1, 2))
        if tied.any():
            ends = found[tied]
            ends[:, :, :-1][equal[tied]] = most
            found = found.copy()
            found[tied] = np.minimum.accumulate(ends[:, :, ::-1], axis=2)[:, :, ::-1]
        yield laid, found


def class_auc(responses: NDArray[np.floating], labels: NDArray[np.integer], classes: int) -> NDArray[np.float64]:
    """Area under the ROC curve (unit, class): the chance that a clip of the class drives the unit more than another."""
    at_least, at_most = descending_ranks(responses), descending_ranks(-responses)
    ranks = (len(labels) + 1 - at_least + at_most) / 2  # unit, clip; 1 is the weakest, equal ones share the mean
    counts = np.bincount(labels, minlength=classes)
    sums = np.stack([ranks[:, labels == label].sum(1) for label in range(classes)], axis=1)
    pairs = counts * (len(labels) - counts)
    return np.asarray((sums - counts * (counts + 1) / 2) / np.maximum(pairs, 1))
