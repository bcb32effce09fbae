"""How much accuracy each class loses without a cue, and keeps by it alone, against clips of other classes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import false_discovery_control

from marey.findings.intervals import Estimate, group_intervals, groups_of_classes

Labels = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class ClassEffects:
    """Arrays are (class, cue), or (class) where `size` is one number for each class.

    size
        the mean over the clips of a class.
    others
        the same number of all other clips.
    p
        how often clips that labels are dealt to reach the size: one-sided, by permutation within groups.
    q
        the same after Benjamini and Hochberg over classes and cues.
    """

    size: Estimate
    others: NDArray[np.float64]
    p: NDArray[np.float64]
    q: NDArray[np.float64]

    def at(self, level: float) -> NDArray[np.bool_]:
        """Which effects are larger than chance and than 0 (class, cue), at a false discovery rate."""
        return (self.q <= level) & (self.size.value > 0)


def class_means(values: NDArray[np.floating], labels: Labels, classes: int) -> NDArray[np.float64]:
    """Means (class, cue) of `values` (clip, cue); 0 for a class without clips."""
    counts = np.bincount(labels, minlength=classes)
    sums = np.stack([np.bincount(labels, weights=column, minlength=classes) for column in values.T], axis=1)
    return np.asarray(sums / np.maximum(counts, 1)[:, None])


def lost_without(
    lost: NDArray[np.floating], labels: Labels, groups: Sequence[str], dealt: Sequence[Labels], classes: int
) -> ClassEffects:
    """What the clips of each class lose, against what as many clips lose that labels are dealt to.

    lost
        (clip, cue): 1 where a clip was right and is no more, -1 where it becomes right.
    dealt
        the labels, dealt anew within groups.

    A class whose clips lose as much as all others do depends on the cue as they do: that is no idiosyncrasy of its own.
    """
    size = group_intervals(
        lambda some: class_means(lost[some], labels[some], classes),
        groups,
        least=-1,
        most=1,
        counted=groups_of_classes(labels, groups, classes)[:, None],
    )
    reached = sum((class_means(lost, deal, classes) >= size.value - 1e-9).astype(int) for deal in dealt)
    return _effects(size, _of_others(lost, labels, classes), np.asarray(reached), len(dealt))


def kept_alone(
    answers: NDArray[np.intp], labels: Labels, groups: Sequence[str], dealt: Sequence[Labels], classes: int
) -> ClassEffects:
    """How often a cue alone tells a class, against how often it tells the class from clips that do not show it.

    answers
        (clip, cue), the class that the network gives the clip from the cue alone.

    A network that answers one class to everything is right on that class, and reaches no more than dealt labels do.
    """
    size = group_intervals(
        lambda some: class_means(answers[some] == labels[some, None], labels[some], classes),
        groups,
        least=0,
        most=1,
        counted=groups_of_classes(labels, groups, classes)[:, None],
    )
    reached = sum(
        (class_means(answers == deal[:, None], deal, classes) >= size.value - 1e-9).astype(int) for deal in dealt
    )
    called = np.stack(
        [
            (answers[labels != label] == label).mean(0) if (labels != label).any() else np.zeros(answers.shape[1])
            for label in range(classes)
        ]
    )
    return _effects(size, called, np.asarray(reached), len(dealt))


def _of_others(values: NDArray[np.floating], labels: Labels, classes: int) -> NDArray[np.float64]:
    return np.stack([values[labels != label].mean(0) for label in range(classes)])


def _effects(size: Estimate, others: NDArray[np.float64], reached: NDArray[np.intp], deals: int) -> ClassEffects:
    p = (reached + 1) / (deals + 1)
    q = false_discovery_control(p.ravel()).reshape(p.shape)
    return ClassEffects(size, others, p, q)
