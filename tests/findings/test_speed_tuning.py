import numpy as np
import pytest
from scipy.stats import spearmanr

from marey.findings.clip_span import effective_number, random_span, top_clips
from marey.findings.depth import depth_steps, depths, rank_correlation, trend
from marey.findings.speed_tuning import SPEEDS, speed_tuning
from marey.network.layer import Layer
from marey.network.receptive_field import Field, ReceptiveField

OCTAVES = np.log2(SPEEDS)


def planted(curves: np.ndarray, clips: int = 40) -> np.ndarray:
    """Responses (speed, clip, unit): the first clips drive all units, by their curves (speed, unit), others do not."""
    responses = np.zeros((len(SPEEDS), clips, curves.shape[1]), np.float32)
    responses[:, :5] = curves[:, None]
    return responses


def test_preferred_speed_and_bandwidth_are_those_that_were_planted():
    tents = np.stack([1 - 0.4 * abs(OCTAVES - best) for best in (0, 1, -2)], 1)
    flat = np.ones((5, 1))
    found = speed_tuning(planted(np.concatenate([tents, flat, 0 * flat], 1)))
    assert found.bandwidth[:4] == pytest.approx([2.5, 2.25, 1.25, 4])
    assert found.preferred[:3] == pytest.approx([0, 1, -2], abs=0.01)
    assert found.alive.tolist() == [True, True, True, True, False]


def slow_bandwidth(curve: np.ndarray) -> float:
    """Walk from the peak in steps of a thousandth of an octave until the straight line is below half."""
    fine = np.arange(-2, 2.0005, 0.001)
    line = np.interp(fine, OCTAVES, curve)
    peak = int(np.argmin(abs(fine - OCTAVES[curve.argmax()])))
    above = line >= 0.5 - 1e-9
    left = peak - int((~above[: peak + 1])[::-1].argmax()) if not above[: peak + 1].all() else 0
    right = peak + int((~above[peak:]).argmax()) if not above[peak:].all() else len(fine) - 1
    return float(fine[right] - fine[left])


def test_bandwidth_is_what_a_slow_walk_down_the_curve_gives():
    random = np.random.default_rng(3)
    curves = random.random((5, 60))
    curves /= curves.max(0)
    found = speed_tuning(planted(curves))
    slow = [slow_bandwidth(curve) for curve in curves.T]
    assert found.bandwidth == pytest.approx(slow, abs=0.003)


def test_no_speed_is_preferred_where_responses_are_noise():
    random = np.random.default_rng(0)
    responses = random.random((5, 100, 400)).astype(np.float32)
    best = speed_tuning(responses).curve.argmax(0)
    assert np.bincount(best, minlength=5) == pytest.approx(80, abs=30)


def test_a_trend_with_depth_is_found_and_chance_is_not():
    random = np.random.default_rng(1)
    groups = [str(k % 8) for k in range(40)]
    counts = [10] * 12

    def of(rise: float):
        values = random.normal(size=120) + rise * np.repeat(np.arange(12), 10)
        noise = 0.01 * random.normal(size=(40, 120))
        return trend(
            lambda clips: (values + noise[clips].mean(0), np.ones(120, bool)), counts, range(12), groups, seed=0
        )

    rising = of(1.0)
    assert float(rising.correlation.value) > 0.95
    assert rising.p < 0.01
    assert float(rising.first.value) < 3 < 8 < float(rising.last.value)
    assert float(rising.first.low) < float(rising.first.value) < float(rising.first.high)
    ps = np.array([of(0.0).p for _ in range(100)])
    assert (ps <= 0.05).mean() <= 0.12
    assert ps.mean() == pytest.approx(0.5, abs=0.1)


def layer(name: str, kind: str, *streams: str) -> Layer:
    field = Field(0, 1, 8)
    return Layer(name, kind, (4, 1, 1, 1), ReceptiveField(dict.fromkeys(streams or ("rgb",), (field, field, field))))


def test_each_tower_starts_anew_and_what_joins_them_comes_after_both():
    towers = [layer(f"{k}", "Conv2d", name) for k, name in enumerate(["rgb"] * 3 + ["flow"] * 2)]
    joined = [layer("fusion", "Conv3d", "rgb", "flow"), layer("scores", "Linear", "rgb", "flow")]
    assert depths([*towers, *joined]) == [1, 2, 3, 1, 2, 4, 5]


def test_layers_between_those_with_weights_are_one_step():
    kinds = ["Conv2d", "BatchNorm2d", "ReLU", "Conv3d", "Linear", "ReLU"]
    assert depth_steps([layer(f"{k}", kind) for k, kind in enumerate(kinds)]) == ["2", "3", "5"]
    assert rank_correlation(np.array([1.0, 1, 1]), range(3)) == 0
    values = np.random.default_rng(0).random(15).round(1)
    assert rank_correlation(values, range(15)) == pytest.approx(spearmanr(np.arange(15), values).statistic)
    assert rank_correlation(np.array([1.0, np.nan, 2, 3]), [1, 2, 3, 4]) == pytest.approx(1)


def test_the_effective_number_counts_what_is_even():
    labels = np.array([[0, 0, 0], [0, 1, 0], [0, 2, 1], [0, 3, 1]])
    assert effective_number(labels, 4) == pytest.approx([1, 4, 2])
    assert random_span(np.arange(50), 50, count=10, seed=0) == pytest.approx(10)


def test_equal_responses_span_what_random_clips_span():
    labels = np.repeat(np.arange(10), 10)
    top = top_clips(np.zeros((100, 6)), seed=0)
    assert effective_number(labels[top], 10).mean() == pytest.approx(
        random_span(labels, 10, count=20, seed=1), rel=0.15
    )
