"""Statistics are functions of the set of values: no order and no split matters, bit for bit."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marey.recording.write.statistics import statistics, statistics_by_class


@given(st.integers(0, 1000), st.integers(0, 40), st.integers(1, 4))
def test_the_order_of_the_clips_does_not_matter(seed: int, clips: int, units: int) -> None:
    random = np.random.default_rng(seed)
    maxima = (random.standard_normal((units, clips)) * 10.0 ** random.integers(-20, 20, (units, clips))).astype(
        np.float32
    )
    means = maxima / 3
    order = random.permutation(clips)
    one, other = statistics(maxima, means), statistics(maxima[:, order], means[:, order])
    columns_first = statistics(np.asfortranarray(maxima), np.asfortranarray(means))
    assert all(np.array_equal(one[name], other[name], equal_nan=True) for name in one)
    assert all(np.array_equal(one[name], columns_first[name], equal_nan=True) for name in one)


def test_they_are_what_their_names_say() -> None:
    maxima = np.random.default_rng(0).standard_normal((3, 101)).astype(np.float32)
    found = statistics(maxima, maxima - 1)
    assert found["clips"].tolist() == [101] * 3
    np.testing.assert_allclose(found["mean"], maxima.mean(1, dtype=np.float64))
    np.testing.assert_allclose(found["variance"], maxima.astype(np.float64).var(1, ddof=1))
    np.testing.assert_array_equal(found["maximum"], maxima.max(1))
    np.testing.assert_allclose(found["q50"], np.median(maxima, 1))
    np.testing.assert_allclose(found["q95"], np.sort(maxima, 1)[:, 95])
    np.testing.assert_allclose(found["mean_of_means"], found["mean"] - 1)


@pytest.mark.parametrize("clips", [0, 1])
def test_of_too_few_clips_what_cannot_be_said_is_no_number(clips: int) -> None:
    found = statistics(np.ones((2, clips), np.float32), np.ones((2, clips), np.float32))
    assert np.isnan(found["variance"]).all()
    assert np.isnan(found["mean"]).all() == (clips == 0)


def test_classes_are_told_apart() -> None:
    maxima = np.array([[1.0, 2.0, 10.0]], np.float32)
    found = statistics_by_class(maxima, maxima, {"a": np.array([0, 1]), "b": np.array([2])})
    assert {label: float(one["mean"][0]) for label, one in found.items()} == {None: 13 / 3, "a": 1.5, "b": 10.0}
