"""Whether clips are known by clips of their own group: the same person or video on both sides makes a test easy."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from marey.findings.intervals import Estimate, group_intervals

_PERMUTATIONS = 199

_LEVEL = 0.05


@dataclass(frozen=True, eq=False)
class GroupLeak:
    """How often the nearest other clip is of the same class.

    right
        (own group allowed, only other groups), with intervals over groups; and how much the first is above the second.
    p
        how often groups that are dealt anew within classes differ as much.
    clips
        how many clips have one of their class within their group and outside it; the others cannot be asked.
    """

    right: Estimate
    p: float
    clips: int

    @property
    def words(self) -> str:
        """The leak in a sentence; nothing where groups that are dealt anew differ as much."""
        if self.p > _LEVEL:
            return ""
        own, other = (100 * float(share) for share in self.right.value[:2])
        return (
            f"Groups leak: the nearest other clip is of the same class for {own:.0f} % of {self.clips} clips if it may "
            f"be of the same person or source video, for {other:.0f} % if not (p = {self.p:.2g})."
        )


def group_leak(
    responses: NDArray[np.float32], labels: NDArray[np.intp], groups: Sequence[str], *, seed: int = 0
) -> GroupLeak | None:
    """The leak by `responses` (clip, unit) of a layer; None where groups do not have several clips of a class.

    Near is what correlates: the responses of a unit are first taken relative to its mean and deviation over clips.
    """
    _, group = np.unique(np.asarray(groups), return_inverse=True)
    near = _correlations(responses)
    asked = _askable(labels, group)
    if not asked.any() or len(set(group[asked].tolist())) < 2:
        return None

    def right(group: NDArray[np.intp]) -> NDArray[np.float64]:
        """(clip, own group allowed or not)."""
        others = np.where(group[:, None] == group[None], -np.inf, near)
        found = np.stack([labels[near.argmax(1)], labels[others.argmax(1)]], axis=1)
        return np.asarray(found == labels[:, None], np.float64)

    hits = right(group)
    numbers = group_intervals(
        lambda some: np.array([*_mean(hits[asked & some]), float(np.subtract(*_mean(hits[asked & some])))]),
        groups,
        least=[0, 0, -1],  # two shares and their difference
        most=1,
    )
    random = np.random.default_rng(seed)
    beyond = 0
    for _ in range(_PERMUTATIONS):
        dealt = group.copy()
        for label in range(int(labels.max()) + 1):
            own = np.flatnonzero(labels == label)
            dealt[own] = group[random.permutation(own)]
        beyond += float(np.subtract(*_mean(right(dealt)[asked]))) >= numbers.value[2] - 1e-12
    return GroupLeak(numbers, (beyond + 1) / (_PERMUTATIONS + 1), int(asked.sum()))


def _mean(hits: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(hits.mean(0)) if len(hits) else np.zeros(2)


def _askable(labels: NDArray[np.intp], group: NDArray[np.intp]) -> NDArray[np.bool_]:
    same_class, same_group = labels[:, None] == labels[None], group[:, None] == group[None]
    within = (same_class & same_group).sum(1) > 1
    return np.asarray(within & (same_class & ~same_group).any(1))


def _correlations(responses: NDArray[np.float32]) -> NDArray[np.float32]:
    """(clip, clip), -inf of each with itself."""
    centered = (responses - responses.mean(0)) / np.maximum(responses.std(0), 1e-6)
    centered -= centered.mean(1, keepdims=True)
    unit = centered / np.maximum(np.linalg.norm(centered, axis=1, keepdims=True), 1e-12)
    near = unit @ unit.T
    np.fill_diagonal(near, -np.inf)
    return np.asarray(near, np.float32)
