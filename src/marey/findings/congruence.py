"""Responses to all pairs of appearance and motion, taken apart: what each explains, and where they belong together."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class TwoWay:
    """Responses (appearance, motion, unit) as mean + appearance + motion + what only both together explain.

    residual
        (appearance, motion, unit), what only both together explain; its rows and columns sum to 0.
    by_appearance, by_motion
        (clip, unit), what a clip's appearance, or its motion, adds with any partner.
    appearance, motion, joint
        (unit), their shares of the variance over all pairs.
    deviation
        (unit), the standard deviation over all pairs; 0 where all responses are the same.
    """

    residual: NDArray[np.float32]
    by_appearance: Values
    by_motion: Values
    appearance: Values
    motion: Values
    joint: Values
    deviation: Values

    @classmethod
    def of(cls, responses: NDArray[np.float32]) -> "TwoWay":
        """Take `responses` (appearance, motion, unit) apart."""
        rows = responses.mean(1, dtype=np.float64)
        columns = responses.mean(0, dtype=np.float64)
        mean = rows.mean(0)
        rows, columns = rows - mean, columns - mean
        residual = responses - (rows[:, None] + mean).astype(np.float32)
        residual -= columns.astype(np.float32)
        parts = np.stack([(rows**2).mean(0), (columns**2).mean(0), _mean_square(residual)])
        rounding = (_ROUNDING * np.maximum(responses.max((0, 1)), -responses.min((0, 1)))) ** 2
        parts[parts <= rounding] = 0
        residual[:, :, parts[2] == 0] = 0
        variance = parts.sum(0)
        shares = parts / np.where(variance > 0, variance, np.inf)
        return cls(residual, rows, columns, shares[0], shares[1], shares[2], np.sqrt(variance))

    @property
    def own(self) -> NDArray[np.float32]:
        """The residual (clip, unit) of each clip's appearance with its own motion."""
        clips = np.arange(len(self.residual))
        return self.residual[clips, clips]

    def partners(self, partners: NDArray[np.intp]) -> NDArray[np.float32]:
        """The residual (clip, unit) of each clip's appearance with the motion of another clip."""
        return self.residual[np.arange(len(partners)), partners]


_ROUNDING = 1e-6
"""A deviation so small, relative to the largest response, is rounding."""


def _mean_square(residual: NDArray[np.float32]) -> Values:
    count = residual.shape[0] * residual.shape[1]
    squares = np.einsum("ijk,ijk->k", residual, residual, dtype=np.float64)  # without a copy of all
    return np.asarray(squares / count)


def own_classes(own: NDArray[np.float32], labels: NDArray[np.intp], groups: Sequence[str]) -> NDArray[np.intp]:
    """The class (clip, unit) that drives each unit most, by its responses `own` (clip, unit) to clips as they are.

    For each clip it is found from the clips of all other groups, so that it does not depend on what is asked there.
    """
    count = int(labels.max()) + 1
    _, group = np.unique(np.asarray(groups), return_inverse=True)
    best = np.empty(own.shape, np.intp)
    sums, counts = _by_class(own, labels, count)
    for one in range(int(group.max()) + 1):
        inside = group == one
        left, fewer = _by_class(own[inside], labels[inside], count)
        rest = (counts - fewer)[:, None]
        means = np.where(rest > 0, (sums - left) / np.maximum(rest, 1), -np.inf)
        best[inside] = means.argmax(0)
    return best


def _by_class(values: NDArray[np.float32], labels: NDArray[np.intp], count: int) -> tuple[Values, Values]:
    of_class = (labels == np.arange(count)[:, None]).astype(np.float64)
    return of_class @ values, of_class.sum(1)


@dataclass(frozen=True, eq=False)
class Congruence:
    """How much more units respond where appearance and motion belong together, in deviations over all pairs.

    clips, p
        (unit), the mean residual of each clip's appearance with its own motion; how often dealt partners reach it.
    at_class, class_p
        (unit), the same over the clips of the unit's own class alone.
    same_class
        (unit), the mean residual of pairs of different clips of the unit's own class.
    dealt
        (unit, deal), `at_class` of dealt partners, rising.
    """

    clips: Values
    p: Values
    at_class: Values
    class_p: Values
    same_class: Values
    dealt: NDArray[np.float32]

    @classmethod
    def of(
        cls,
        parts: TwoWay,
        own: NDArray[np.intp],
        labels: NDArray[np.intp],
        dealt: Sequence[NDArray[np.intp]],
    ) -> "Congruence":
        """Of residuals, the units' own classes (clip, unit), and dealt partners of the clips."""
        mine = (own == labels[:, None]).astype(np.float32)
        found, at_class = _means(parts.own, mine)
        chance = [_means(parts.partners(partners), mine) for partners in dealt]
        scale = np.where(parts.deviation > 0, parts.deviation, np.inf)
        by_chance, class_by_chance = (np.stack(every, 1) for every in zip(*chance, strict=True))  # unit deal
        p = (1 + (by_chance >= found[:, None]).sum(1)) / (len(dealt) + 1)
        class_p = (1 + (class_by_chance >= at_class[:, None]).sum(1)) / (len(dealt) + 1)
        _, same_class = _means(_with_others(parts.residual, labels), mine)
        rising = np.sort(class_by_chance / scale[:, None], axis=1).astype(np.float32)
        return cls(found / scale, p, at_class / scale, class_p, same_class / scale, rising)

    def critical(self, p: float) -> Values:
        """What `at_class` (unit) must pass for its p to be at most so large."""
        count = self.dealt.shape[1]
        reached = int(p * (count + 1) + 1e-9) - 1  # so many deals may reach it
        if reached < 0:
            return np.full(len(self.dealt), np.inf)
        return self.dealt[:, max(0, count - 1 - reached)].astype(np.float64)


def at_class(parts: TwoWay, own: NDArray[np.intp], labels: NDArray[np.intp]) -> Values:
    """`Congruence.at_class` alone."""
    _, found = _means(parts.own, (own == labels[:, None]).astype(np.float32))
    return found / np.where(parts.deviation > 0, parts.deviation, np.inf)


def _with_others(residual: NDArray[np.float32], labels: NDArray[np.intp]) -> NDArray[np.float32]:
    """The mean residual (clip, unit) of each clip's appearance with the motions of other clips of its class."""
    alike = labels[:, None] == labels
    np.fill_diagonal(alike, False)
    found = np.zeros((len(labels), residual.shape[2]), np.float32)
    for clip, others in enumerate(alike):
        if others.any():
            found[clip] = residual[clip, others].mean(0)
    return found


def _means(values: NDArray[np.float32], mine: NDArray[np.float32]) -> tuple[Values, Values]:
    """The mean (unit) over clips, and over those that are of the unit's own class."""
    at_class = np.einsum("iu,iu->u", values, mine) / np.maximum(mine.sum(0), 1)
    return values.mean(0, dtype=np.float64), at_class.astype(np.float64)
