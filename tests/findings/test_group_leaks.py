"""Clips that are known by their group are found to be, and the chance of few hits is exact."""

from itertools import product

import numpy as np
import pytest

from marey.findings.group_leaks import group_leak
from marey.findings.outside_units import at_most

LABELS = np.repeat(np.arange(3), 12)
GROUPS = [f"video{clip // 3}" for clip in range(36)]  # four of each class, three clips of each


def test_clips_that_only_their_group_resembles_leak() -> None:
    random = np.random.default_rng(0)
    of_group = random.normal(size=(12, 20))
    responses = of_group[np.arange(36) // 3] + 0.1 * random.normal(size=(36, 20))
    found = group_leak(responses.astype(np.float32), LABELS, GROUPS)
    assert found is not None
    assert found.right.value[0] == 1
    assert found.right.value[1] < 0.7
    assert found.p <= 0.01
    assert found.words.startswith("Groups leak: the nearest other clip is of the same class for 100 % of 36 clips")
    assert found.clips == 36


def test_clips_that_their_class_resembles_do_not() -> None:
    random = np.random.default_rng(1)
    responses = 3 * random.normal(size=(3, 20))[LABELS] + random.normal(size=(36, 20))
    found = group_leak(responses.astype(np.float32), LABELS, GROUPS)
    assert found is not None
    assert found.right.value[1] > 0.9
    assert found.p > 0.05
    assert found.words == ""


def test_shares_of_few_clips_that_leak_have_intervals_of_shares() -> None:
    responses = np.random.default_rng(2).normal(size=(36, 20)).astype(np.float32)
    groups = ["pair0", "pair0", *(f"video{clip}" for clip in range(2, 12)), "pair1", "pair1"]
    groups += [f"video{clip}" for clip in range(14, 36)]
    responses[1] = responses[0] + 0.1  # of the other pair, no clip resembles its own
    found = group_leak(responses, LABELS, groups)
    assert found is not None
    assert (found.right.low >= [0, 0, -1]).all() and (found.right.high <= 1).all()
    assert found.right.low[0] < found.right.value[0]


def test_groups_with_one_clip_of_each_class_cannot_be_asked() -> None:
    assert group_leak(np.ones((6, 4), np.float32), np.arange(6) % 3, ["a"] * 3 + ["b"] * 3) is None


def test_the_chance_of_few_hits_is_that_of_all_outcomes() -> None:
    rates = np.array([0.2, 0.5, 0.9, 0.7])
    for hits in range(5):
        chance = sum(
            float(np.prod(np.where(outcome, rates, 1 - rates)))
            for outcome in product((False, True), repeat=4)
            if sum(outcome) <= hits
        )
        assert at_most(hits, rates) == pytest.approx(chance)
