"""What sets the score of a class apart from the class most like it: appearance, motion, or only both together."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import false_discovery_control

from marey.errors import MareyError
from marey.findings.congruence import TwoWay
from marey.findings.intervals import Estimate, group_intervals
from marey.findings.labeled_clips import LabeledClips
from marey.findings.permutations import dealt_partners

Values = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ClassParts:
    """How much higher the score of a class is for its clips than for those of its rival, in parts that add up.

    classes, rivals
        (class), names; the rival is the other class whose clips have the highest score.
    parts
        (class, 3), by appearance, by motion, by both together.
    p, q
        (class), how often the part of both is so large with dealt partners, and after Benjamini and Hochberg.
    share
        of the sum over classes, the part that is due to both together.
    both
        the mean over classes of the part of both, in deviations of each score over all pairs.
    """

    classes: Sequence[str]
    rivals: Sequence[str]
    parts: Estimate
    p: Values
    q: Values
    share: Estimate
    both: Estimate

    @classmethod
    def of(
        cls,
        scores: NDArray[np.float32],
        labeled: LabeledClips,
        names: Sequence[str],
        *,
        permutations: int,
        seed: int,
    ) -> "ClassParts":
        """Of scores (appearance, motion, class of the network), whose classes have `names`.

        Raises MareyError where fewer than two of the clips' classes are the network's.
        """
        known = [name for name in labeled.classes if name in names]
        if len(known) < 2:
            raise MareyError("the clips are of fewer than two of the network's classes, so that no score has a rival.")
        label_of = [labeled.classes.index(name) for name in known]
        own = scores[..., [list(names).index(name) for name in known]]
        clips = np.arange(len(own))
        of_class = np.stack([labeled.labels == label for label in label_of])  # class clip
        means = _means(own[clips, clips], of_class)  # score, class of the clips
        np.fill_diagonal(means, -np.inf)
        rivals = means.argmax(1)

        def parts(some: NDArray[np.bool_]) -> Values:
            """(class, 3)."""
            two = TwoWay.of(own if some.all() else own[np.ix_(some, some)])
            here = of_class[:, some]
            found = [_contrast(_means(one, here), rivals) for one in (two.by_appearance, two.by_motion, two.own)]
            return np.stack(found, 1)

        def share(some: NDArray[np.bool_]) -> float:
            sums = np.nansum(parts(some), 0)
            return float(sums[2] / sums.sum()) if sums.sum() else 0.0

        whole = TwoWay.of(own)
        scale = np.where(whole.deviation > 0, whole.deviation, np.inf)
        found = _contrast(_means(whole.own, of_class), rivals)
        reached = np.ones(len(known))
        for partners in dealt_partners(labeled.labels, labeled.groups, permutations, seed=seed):
            reached += _contrast(_means(whole.partners(partners), of_class), rivals) >= found
        p = reached / (permutations + 1)
        return cls(
            known,
            [known[rival] for rival in rivals],
            group_intervals(parts, labeled.groups),
            p,
            false_discovery_control(p),
            group_intervals(share, labeled.groups),
            group_intervals(lambda some: float(np.nanmean(parts(some)[:, 2] / scale)), labeled.groups),
        )


def _means(values: NDArray[np.floating], of_class: NDArray[np.bool_]) -> Values:
    """(unit, class), the means of `values` (clip, unit) over the clips of each class."""
    counts = of_class.sum(1, keepdims=True).astype(np.float64)
    counts[counts == 0] = np.nan  # a class whose clips are all left out
    return np.asarray((of_class.astype(np.float64) @ values / counts).T)


def _contrast(means: Values, rivals: NDArray[np.intp]) -> Values:
    """How much higher each class's score is for its clips than for those of its rival."""
    every = np.arange(len(means))
    return np.asarray(means[every, every] - means[every, rivals])
