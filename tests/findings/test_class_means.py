"""Bands of chance: a class that a unit tells lies beyond its own, and groups are dealt as they lie."""

import numpy as np
import pytest

from marey.findings import class_means
from marey.findings.class_means import ChanceMeans
from marey.findings.permutations import dealt_labels


def _means(labels: list[int], groups: list[str], draws: int = 499) -> ChanceMeans:
    values = np.array(labels, np.intp)
    dealt = np.array(list(dealt_labels(values, groups, draws, seed=0)), np.int32)
    classes = tuple(str(one) for one in range(max(labels) + 1))
    return ChanceMeans(np.arange(len(labels)), classes, values, dealt)


def test_a_class_that_a_unit_tells_lies_beyond_its_band_and_others_within() -> None:
    random = np.random.default_rng(0)
    labels = [clip % 4 for clip in range(80)]
    values = random.normal(size=(80, 50)).astype(np.float32)
    values[np.array(labels) == 2, 0] += 3
    low, high = _means(labels, [str(clip) for clip in range(80)]).bands(values)
    means = np.stack([values[np.array(labels) == label].mean(0) for label in range(4)])
    within = (low <= means) & (means <= high)
    assert not within[2, 0] and means[2, 0] > high[2, 0]
    assert 0.9 < within[:, 1:].mean() < 0.99


def test_the_band_is_the_middle_of_the_means_of_dealt_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(1).normal(size=(12, 7)).astype(np.float32)
    chance = _means([0, 1, 2] * 4, [str(clip // 3) for clip in range(12)], draws=99)
    slow = np.array([[values[dealt == label].mean(0) for label in range(3)] for dealt in chance.dealt])
    expected = np.percentile(slow, (2.5, 97.5), axis=0)
    assert np.array(chance.bands(values)) == pytest.approx(expected)
    monkeypatch.setattr(class_means, "_AT_ONCE", 99 * 3 * 2)  # two units at once
    assert np.array(chance.bands(values)) == pytest.approx(expected)


def test_clips_of_a_group_with_one_class_stay_together() -> None:
    chance = _means([0, 0, 0, 1, 1, 1], ["a"] * 3 + ["b"] * 3)
    low, high = chance.bands(np.array([[0], [1], [2], [9], [10], [11]], np.float32))
    assert low.ravel().tolist() == [1, 1] and high.ravel().tolist() == [10, 10]


def test_where_nothing_can_be_dealt_nothing_is_known() -> None:
    assert not _means([0, 0], ["a", "b"]).known
    assert _means([0, 1], ["a", "b"]).known
