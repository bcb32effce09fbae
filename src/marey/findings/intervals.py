"""95 % intervals over groups of clips: a person or a source video is one observation, however many clips it has."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from marey.errors import MareyError

BLOCKS = 20
"""At most so many estimates are made anew for an interval; of more groups, several are left out together."""


@dataclass(frozen=True, eq=False)
class Estimate:
    """Numbers with the ends of their 95 % intervals, arrays of one shape."""

    value: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


def check_groups(groups: Sequence[str]) -> None:
    """MareyError for fewer than two groups, of which no interval can be given."""
    if len(set(groups)) < 2:
        raise MareyError(
            f"all clips are of one group, '{groups[0]}', so that no interval can be given; record clips of several "
            "people or source videos, or say with --group how the file names tell them."
        )


def group_intervals(
    estimate: Callable[[NDArray[np.bool_]], NDArray[np.float64] | float],
    groups: Sequence[str],
    *,
    least: float = -np.inf,
    most: float = np.inf,
) -> Estimate:
    """The numbers that `estimate` makes of all clips, with intervals by the jackknife over groups.

    estimate
        takes which clips count (clip), and gives numbers.
    groups
        (clip), see `Clip.group`.
    least, most
        what the numbers cannot pass, such as 0 and 1 of a share.

    Each group, or each of 20 blocks of groups, is left out once; the interval follows from how much the numbers change
    (Quenouille 1956, Tukey 1958), by Student's t for so many blocks. A bootstrap draws some clips twice, and that
    raises every measure of ranks; with nine people its intervals are too short as well. Raises MareyError for fewer
    than two groups.
    """
    check_groups(groups)
    names = sorted(set(groups))
    blocks = min(BLOCKS, len(names))
    number = {name: place % blocks for place, name in enumerate(names)}
    block = np.array([number[group] for group in groups])
    whole = np.asarray(estimate(np.ones(len(block), bool)), np.float64)
    left = np.stack([np.asarray(estimate(block != one), np.float64) for one in range(blocks)])
    error = np.sqrt((blocks - 1) / blocks * ((left - left.mean(0)) ** 2).sum(0))
    reach = float(student.ppf(0.975, blocks - 1)) * error
    return Estimate(whole, np.clip(whole - reach, least, most), np.clip(whole + reach, least, most))
