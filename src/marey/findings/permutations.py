"""Labels dealt anew to the clips as chance would, which is the null of every question about classes."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray


def dealt_labels(
    labels: NDArray[np.intp], groups: Sequence[str], count: int, *, seed: int
) -> Iterator[NDArray[np.intp]]:
    """Give `count` permutations of `labels` (clip) that the groups allow.

    Clips of a group (a person, a source video) resemble each other whatever they show, so that labels are exchanged
    only where a group does not tell them: within a group with clips of several classes, and between groups with clips
    of a single class, whose clips keep a common label.
    """
    random = np.random.default_rng(seed)
    members: dict[str, list[int]] = {}
    for clip, group in enumerate(groups):
        members.setdefault(group, []).append(clip)
    places = [np.array(clips) for clips in members.values()]
    mixed = [clips for clips in places if len(set(labels[clips].tolist())) > 1]
    pure = [clips for clips in places if len(set(labels[clips].tolist())) == 1]
    for _ in range(count):
        dealt = labels.copy()
        for clips in mixed:
            dealt[clips] = labels[random.permutation(clips)]
        for clips, other in zip(pure, random.permutation(len(pure)), strict=True):
            dealt[clips] = labels[pure[other][0]]
        yield dealt


def dealt_partners(
    labels: NDArray[np.intp], groups: Sequence[str], count: int, *, seed: int
) -> Iterator[NDArray[np.intp]]:
    """Give `count` times another clip for every clip (clip), as the groups allow; the null of what belongs together.

    Clips of a group with several classes get partners within the group. Clips of a group with a single class get those
    of another such group, in turn where that has fewer, so that the class is not told by the partner.
    """
    random = np.random.default_rng(seed)
    members: dict[str, list[int]] = {}
    for clip, group in enumerate(groups):
        members.setdefault(group, []).append(clip)
    places = [np.array(clips) for clips in members.values()]
    mixed = [clips for clips in places if len(set(labels[clips].tolist())) > 1]
    pure = [clips for clips in places if len(set(labels[clips].tolist())) == 1]
    for _ in range(count):
        partners = np.empty(len(labels), np.intp)
        for clips in mixed:
            partners[clips] = random.permutation(clips)
        for clips, other in zip(pure, random.permutation(len(pure)), strict=True):
            partners[clips] = np.resize(random.permutation(pure[other]), len(clips))
        yield partners
