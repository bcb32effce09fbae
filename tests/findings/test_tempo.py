import numpy as np
import pytest

from marey.errors import MareyError
from marey.findings.tempo import tempo_classes, tempo_reading

GROUPS = [f"person{k}" for k in range(10)] * 2
IS_FAST = np.repeat([False, True], 10)


def responses(random: np.random.Generator, gain: np.ndarray) -> dict[float, np.ndarray]:
    """Units that add `gain` for every octave of tempo to what a person makes of them."""
    person = np.tile(random.normal(size=(10, len(gain))), (2, 1))
    octaves = np.where(IS_FAST, 0.5, -0.5)[:, None]
    noise = {speed: 0.3 * random.normal(size=person.shape) for speed in (0.5, 1.0, 2.0)}
    return {speed: person + (octaves + np.log2(speed)) * gain + noise[speed] for speed in noise}


def test_units_that_read_the_tempo_are_found_with_their_sign():
    gain = np.r_[np.full(10, 2.0), np.full(10, -2.0), np.zeros(80)]
    found = tempo_reading(responses(np.random.default_rng(0), gain), IS_FAST, GROUPS)
    assert found.reads[:20].all()
    assert found.reads[20:].sum() <= 3
    assert np.sign(found.made[:20]).tolist() == [1] * 10 + [-1] * 10
    assert float(found.agreement.value) > 0.4
    assert float(found.share.low) <= float(found.share.value) <= float(found.share.high)


def test_of_units_that_do_not_read_it_none_is_found():
    wrong = 0
    for seed in range(20):
        found = tempo_reading(responses(np.random.default_rng(seed), np.zeros(50)), IS_FAST, GROUPS, permutations=499)
        wrong += int(found.reads.sum())
    assert wrong <= 0.05 * 20 * 50


def test_clips_that_are_made_faster_without_replay_effect_are_not_read():
    made = responses(np.random.default_rng(0), np.zeros(20))
    for values in made.values():
        values[IS_FAST] += 3
    assert not tempo_reading(made, IS_FAST, GROUPS).reads.any()


def test_few_groups_are_refused():
    made = {speed: np.random.default_rng(0).random((8, 3)) for speed in (0.5, 1.0, 2.0)}
    with pytest.raises(MareyError, match="4 groups have slow and fast clips; what reads the tempo takes 5"):
        tempo_reading(made, np.repeat([False, True], 4), [*"abcd"] * 2)


def test_only_both_classes_make_the_experiment():
    assert tempo_classes(["drum_fast", "drum_slow", "walk"]) == ("drum_slow", "drum_fast")
    assert tempo_classes(["drum_fast", "walk"]) is None
