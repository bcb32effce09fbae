"""95 % intervals over groups of clips: a person or a source video is one observation, however many clips it has."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm
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


def groups_of_classes(labels: NDArray[np.intp], groups: Sequence[str], classes: int) -> NDArray[np.intp]:
    """How many groups show each class (class): what its shares are means of."""
    shown = {(int(label), group) for label, group in zip(labels, groups, strict=True)}
    return np.bincount([label for label, _ in shown], minlength=classes)


def group_intervals(
    estimate: Callable[[NDArray[np.bool_]], NDArray[np.float64] | float],
    groups: Sequence[str],
    *,
    least: ArrayLike = -np.inf,
    most: ArrayLike = np.inf,
    counted: ArrayLike | None = None,
) -> Estimate:
    """The numbers that `estimate` makes of all clips, with intervals by the jackknife over groups.

    estimate
        takes which clips count (clip), and gives numbers.
    groups
        (clip), see `Clip.group`.
    least, most
        what the numbers cannot pass, such as 0 and 1 of a share: numbers, or arrays of the shape of the estimate.
    counted
        how many independent things a bounded number is the mean of, where these are not all groups: the groups that
        show a class, the units that a share counts. It says how sure a number is that no group changes.

    Each group, or each of 20 blocks of groups, is left out once; the interval follows from how much the numbers change
    (Quenouille 1956, Tukey 1958), by Student's t for so many blocks. Between two bounds it is Wilson's (1927) for as
    many observations as give that change (Korn and Graubard 1998), so that it is longer toward the middle, and no
    point where all groups agree. A bootstrap draws some clips twice, and that raises every measure of ranks; with nine
    people its intervals are too short as well. Raises MareyError for fewer than two groups.
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
    low, high = np.clip(whole - reach, least, most), np.clip(whole + reach, least, most)
    bounds = np.broadcast_to(least, whole.shape), np.broadcast_to(most, whole.shape)
    bounded = np.isfinite(bounds).all(0)
    if bounded.any():
        count = np.broadcast_to(len(names) if counted is None else counted, whole.shape)
        within = (one[bounded] for one in (whole, reach, *bounds, count))
        low, high = np.array(low), np.array(high)
        low[bounded], high[bounded] = _between(*within)
    return Estimate(whole, low, high)


def _between(
    value: NDArray[np.float64],
    reach: NDArray[np.float64],
    least: NDArray[np.float64],
    most: NDArray[np.float64],
    counted: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Wilson's interval between bounds: of the variance that `reach` tells, or where that is 0, of `counted` things."""
    size = most - least
    share, reach = ((value - least) / size).clip(0, 1), reach / size
    rest = share * (1 - share)
    sure = float(norm.ppf(0.975)) ** 2 / np.maximum(counted, 1)  # z^2 / n
    weight = np.where((reach > _ROUNDING) & (rest > 0), reach**2 / np.where(rest > 0, rest, 1), sure)
    middle = (share + weight / 2) / (1 + weight)
    half = np.sqrt(weight * rest + weight**2 / 4) / (1 + weight)
    ends = (middle - half).clip(0, share), (middle + half).clip(share, 1)
    return least + size * ends[0], least + size * ends[1]


_ROUNDING = 1e-9
