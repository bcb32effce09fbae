"""How well the responses of units tell the clips of a class from all others: AUPRC, best F1, and AUC of ranks."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata


def descending_ranks(responses: NDArray[np.floating]) -> NDArray[np.int32]:
    """The rank of each clip for every unit (unit, clip): how many clips drive the unit at least as much as this one.

    `responses` are (clip, unit). The strongest clip has rank 1; equal ones share the largest rank among them, which is
    how many clips a threshold at their response lets through.
    """
    ranks = rankdata(-responses.T.astype(np.float64), method="max", axis=1)
    return np.asarray(ranks, np.int32)


_NOWHERE = np.int32(2**30)
"""The rank of a clip that a class does not have, where another class has more clips."""


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
    order = np.argsort(labels, kind="stable")
    ends = np.cumsum(counts)
    places = np.arange(counts.max())[None] + (ends - counts)[:, None]  # class, clip of the class
    there = np.arange(counts.max())[None] < counts[:, None]
    laid = np.where(there, np.take(ranks, order[np.minimum(places, len(labels) - 1)], axis=1), _NOWHERE)
    laid.sort(axis=2)  # unit, class, clips of the class from strongest to weakest
    numbers = np.arange(1, counts.max() + 1, dtype=np.int32)
    alone = np.ones(laid.shape, bool)  # equal responses pass a threshold together, so the last of them counts
    alone[:, :, :-1] = laid[:, :, :-1] != laid[:, :, 1:]
    found = np.where(alone, numbers, counts.max())
    found = np.minimum.accumulate(found[:, :, ::-1], axis=2)[:, :, ::-1].astype(np.float32)
    precision = np.where(there, found / laid, 0)
    f1 = np.where(there, 2 * found / (laid + counts[:, None]), 0)
    best = f1.argmax(2)[:, :, None]
    f1_best, passing = (np.take_along_axis(values, best, axis=2)[:, :, 0] for values in (f1, laid))
    return ClassDetection(precision.sum(2) / counts, f1_best, passing)


def class_auc(responses: NDArray[np.floating], labels: NDArray[np.integer], classes: int) -> NDArray[np.float64]:
    """Area under the ROC curve (unit, class): the chance that a clip of the class drives the unit more than another."""
    ranks = rankdata(responses.T.astype(np.float64), axis=1)  # unit, clip; 1 is the weakest, equal ones share the mean
    counts = np.bincount(labels, minlength=classes)
    sums = np.stack([ranks[:, labels == label].sum(1) for label in range(classes)], axis=1)
    pairs = counts * (len(labels) - counts)
    return np.asarray((sums - counts * (counts + 1) / 2) / np.maximum(pairs, 1))
