"""Intervals over groups hold the truth as often as they say."""

import numpy as np
import pytest

from marey.errors import MareyError
from marey.findings.intervals import group_intervals


def coverage(groups: int, *, share: bool, trials: int = 200) -> float:
    """How often the interval of a mean, or of a share above a threshold, holds the truth."""
    random = np.random.default_rng(0)
    held = 0
    for _ in range(trials):
        of_group = random.normal(size=groups)
        group = np.repeat(np.arange(groups), 4)
        values = of_group[group] + random.normal(size=len(group))
        if share:
            values = (values > 0.5).astype(float)
        truth = 0.3618 if share else 0.0  # P(N(0, 2) > 0.5)
        found = group_intervals(lambda clips, values=values: values[clips].mean(), [str(one) for one in group])
        held += bool(found.low <= truth <= found.high)
    return held / trials


@pytest.mark.parametrize("groups", [9, 25, 60])
@pytest.mark.parametrize("share", [False, True])
def test_95_percent_intervals_hold_the_truth_in_90_to_98_percent(groups: int, share: bool) -> None:
    assert 0.90 <= coverage(groups, share=share) <= 0.98


def test_clips_of_one_group_count_as_one_observation() -> None:
    values = np.array([0.0, 1.0, 2.0, 3.0])
    once = group_intervals(lambda clips: values[clips].mean(), list("abcd"))
    tenfold = np.repeat(values, 10)
    ten = group_intervals(lambda clips: tenfold[clips].mean(), np.repeat(list("abcd"), 10).tolist())
    assert (ten.low, ten.high) == pytest.approx((once.low, once.high))


def test_one_group_gives_no_interval() -> None:
    with pytest.raises(MareyError, match=r"all clips are of one group, 'a'.*--group"):
        group_intervals(lambda clips: clips.mean(), ["a", "a"])
