"""Intervals over groups hold the truth as often as they say."""

import numpy as np
import pytest
from numpy.typing import NDArray

from marey.errors import MareyError
from marey.findings.intervals import group_intervals, groups_of_classes


def coverage(values: NDArray[np.float64], groups: int, truth: float, *, bounded: bool = False) -> float:
    """How often the interval of the mean of `values` (clip, trial) holds the truth; groups have as many clips each."""
    names = [str(one) for one in np.repeat(np.arange(groups), len(values) // groups)]
    bounds = {"least": 0, "most": 1} if bounded else {}
    found = group_intervals(lambda clips: values[clips].mean(0), names, **bounds)
    return float(((found.low <= truth) & (truth <= found.high)).mean())


def shares(truth: float, groups: int, *, clips: int, trials: int, alike: float = 0.2) -> NDArray[np.float64]:
    """0 and 1 (clip, trial); clips of a group are correlated by `alike`."""
    random = np.random.default_rng(0)
    strength = (1 - alike) / alike
    of_group = random.beta(truth * strength, (1 - truth) * strength, (groups, trials))
    return (random.random((groups * clips, trials)) < np.repeat(of_group, clips, 0)).astype(float)


@pytest.mark.parametrize(
    ("groups", "share"),
    [(4, False), (6, False), (9, False), (25, False), (60, False), (9, True), (25, True), (60, True)],
)
def test_95_percent_intervals_hold_the_truth_in_90_to_98_percent(groups: int, share: bool) -> None:
    random = np.random.default_rng(0)
    values = np.repeat(random.normal(size=(groups, 200)), 4, 0) + random.normal(size=(4 * groups, 200))
    truth = 0.3618 if share else 0.0  # P(N(0, 2) > 0.5)
    assert 0.90 <= coverage((values > 0.5).astype(float) if share else values, groups, truth) <= 0.98


@pytest.mark.parametrize("groups", [9, 10, 25])
@pytest.mark.parametrize("truth", [0.03, 0.2, 0.5, 0.9, 0.97])
def test_intervals_of_shares_hold_the_truth_in_90_to_98_and_a_half_percent_near_their_bounds(
    truth: float, groups: int
) -> None:
    assert 0.90 <= coverage(shares(truth, groups, clips=5, trials=2000), groups, truth, bounded=True) <= 0.985


@pytest.mark.parametrize("groups", [4, 5, 6, 7, 8])
@pytest.mark.parametrize("truth", [0.03, 0.5, 0.9])
@pytest.mark.parametrize("clips", [1, 5])
def test_intervals_of_shares_of_few_groups_hold_the_truth_in_90_percent_and_more(
    truth: float, groups: int, clips: int
) -> None:
    least = 0.88 if (groups, truth, clips) == (4, 0.5, 1) else 0.90  # 2 of 16 outcomes are all alike
    assert coverage(shares(truth, groups, clips=clips, trials=2000), groups, truth, bounded=True) >= least


def test_a_share_of_which_no_group_differs_is_as_sure_as_so_many_groups() -> None:
    groups = [str(one) for one in np.repeat(np.arange(10), 5)]
    all_right = group_intervals(lambda clips: clips[clips].mean(), groups, least=0, most=1)
    assert (all_right.value, all_right.high) == (1, 1)
    assert all_right.low == pytest.approx(10 / (10 + 1.96**2), abs=1e-3)  # Wilson's, of 10 of 10
    of_units = group_intervals(lambda clips: 0.27, groups, least=0, most=1, counted=1000)
    assert (of_units.low, of_units.high) == pytest.approx((0.243, 0.298), abs=2e-3)  # of 270 of 1000


def test_numbers_without_bounds_beside_shares_keep_theirs() -> None:
    values = np.stack([np.arange(8) % 2, np.arange(8.0)], 1)
    both = group_intervals(lambda clips: values[clips].mean(0), list("abcdefgh"), least=[0, -np.inf], most=[1, np.inf])
    alone = group_intervals(lambda clips: values[clips, 1].mean(), list("abcdefgh"))
    assert (both.low[1], both.high[1]) == pytest.approx((alone.low, alone.high))
    assert 0 < both.low[0] < 0.5 < both.high[0] < 1


def test_groups_of_a_class_are_those_that_show_it() -> None:
    assert groups_of_classes(np.array([0, 0, 0, 2, 2]), list("aabab"), 3).tolist() == [2, 0, 2]


def test_clips_of_one_group_count_as_one_observation() -> None:
    values = np.array([0.0, 1.0, 2.0, 3.0])
    once = group_intervals(lambda clips: values[clips].mean(), list("abcd"))
    tenfold = np.repeat(values, 10)
    ten = group_intervals(lambda clips: tenfold[clips].mean(), np.repeat(list("abcd"), 10).tolist())
    assert (ten.low, ten.high) == pytest.approx((once.low, once.high))


def test_one_group_gives_no_interval() -> None:
    with pytest.raises(MareyError, match=r"all clips are of one group, 'a'.*--group"):
        group_intervals(lambda clips: clips.mean(), ["a", "a"])
