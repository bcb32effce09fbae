"""Which classes a network takes for which others, and whether more often than errors spread evenly would be."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from marey.findings.intervals import Estimate, group_intervals, groups_of_classes
from marey.findings.permutations import dealt_labels

LEAST_CLIPS = 2
"""A class that is taken for another once may be an accident; twice is a pair to look at."""


@dataclass(frozen=True, eq=False)
class ConfusedPair:
    """Clips of one class that are taken for another.

    right, taken_for
        the places of both classes.
    failing
        the places of the clips.
    clips
        how many the right class has.
    p
        how often any pair of classes stands out as much where as many errors of each group are spread evenly over its
        clips and over the other classes (family-wise, as Westfall and Young 1993).
    """

    right: int
    taken_for: int
    failing: NDArray[np.intp]
    clips: int
    p: float


def counts_of(labels: NDArray[np.intp], predicted: NDArray[np.intp], classes: int) -> NDArray[np.intp]:
    """How many clips of a class are taken for each (right class, predicted class)."""
    return np.bincount(labels * classes + predicted, minlength=classes * classes).reshape(classes, classes)


def confused_pairs(
    labels: NDArray[np.intp],
    predicted: NDArray[np.intp],
    groups: Sequence[str],
    classes: int,
    *,
    permutations: int,
    seed: int,
) -> tuple[ConfusedPair, ...]:
    """The pairs of classes, most frequent first."""
    counts = counts_of(labels, predicted, classes)
    every = [(a, b) for a, b in np.argwhere(counts >= LEAST_CLIPS).tolist() if a != b]
    every.sort(key=lambda pair: -counts[pair])
    if not every:
        return ()
    clips = np.bincount(labels, minlength=classes)
    wrong = labels != predicted
    expected = np.maximum(wrong.sum() * clips / len(labels) / (classes - 1), 1e-9)[:, None]

    def outstanding(found: NDArray[np.intp]) -> NDArray[np.float64]:
        return np.asarray((found - expected) / np.sqrt(expected) * ~np.eye(classes, dtype=bool))

    own = outstanding(counts)
    members = [np.flatnonzero(np.array(groups) == group) for group in sorted(set(groups))]
    random = np.random.default_rng(seed)
    largest = np.empty(permutations)
    for place in range(permutations):
        errors = np.concatenate([random.permutation(some)[: int(wrong[some].sum())] for some in members])
        other = (labels[errors] + random.integers(1, classes, len(errors))) % classes
        largest[place] = outstanding(counts_of(labels[errors], other, classes)).max()
    return tuple(
        ConfusedPair(
            a,
            b,
            np.flatnonzero((labels == a) & (predicted == b)),
            int(clips[a]),
            float((1 + (largest >= own[a, b] - 1e-9).sum()) / (1 + permutations)),
        )
        for a, b in every
    )


def accuracy_by_chance(
    labels: NDArray[np.intp], predicted: NDArray[np.intp], groups: Sequence[str], *, permutations: int, seed: int
) -> NDArray[np.float64]:
    """The accuracy (permutation) for dealt labels."""
    dealt = dealt_labels(labels, groups, permutations, seed=seed)
    return np.array([(one == predicted).mean() for one in dealt])


def told_apart(
    margin: NDArray[np.floating], labels: NDArray[np.intp], groups: Sequence[str], *, right: int, taken_for: int
) -> Estimate:
    """How well `margin` (clip), the score of one class less that of the other, tells clips of both apart: the AUC.

    0.5 says that the scores do not tell the classes apart, and that any threshold trades one for the other.
    """
    both = np.flatnonzero((labels == right) | (labels == taken_for))
    own, is_other = margin[both], labels[both] == taken_for

    def auc(chosen: NDArray[np.bool_]) -> NDArray[np.float64]:
        low, high = own[chosen & ~is_other], own[chosen & is_other]
        if not len(low) or not len(high):
            return np.array(0.5)
        above = (high[:, None] > low).mean() + 0.5 * (high[:, None] == low).mean()
        return np.array(above, np.float64)

    chosen_groups = [groups[place] for place in both.tolist()]
    if len(set(chosen_groups)) < 2:
        value = auc(np.ones(len(both), bool))
        return Estimate(value, np.full((), np.nan), np.full((), np.nan))
    return group_intervals(auc, chosen_groups, least=0, most=1)


def class_accuracy(
    labels: NDArray[np.intp], predicted: NDArray[np.intp], groups: Sequence[str], classes: int
) -> Estimate:
    """The share of clips that are right, of all clips and of each class (1 + class); not a number without clips."""
    right = labels == predicted
    every_class = np.bincount(labels, minlength=classes)
    whole_class = np.bincount(labels[right], minlength=classes) / np.where(every_class > 0, every_class, np.nan)

    def shares(chosen: NDArray[np.bool_]) -> NDArray[np.float64]:
        clips = np.bincount(labels[chosen], minlength=classes)
        hits = np.bincount(labels[chosen & right], minlength=classes)
        # a class that is left out as a whole tells nothing of how its share changes
        each = np.where(clips > 0, hits / np.maximum(clips, 1), whole_class)
        return np.concatenate([[right[chosen].mean()], each])

    shown = groups_of_classes(labels, groups, classes)
    return group_intervals(shares, groups, least=0, most=1, counted=[len(set(groups)), *shown.tolist()])
