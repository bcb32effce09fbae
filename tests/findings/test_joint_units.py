"""Units and scores whose parts are known are taken apart rightly, and nothing is joint where nothing is."""

import numpy as np
import pytest

from marey.findings.class_parts import ClassParts
from marey.findings.congruence import Congruence, TwoWay, own_classes
from marey.findings.joint_units import joint_units
from marey.findings.labeled_clips import LabeledClips
from marey.findings.pair_kinds import KINDS as PAIR_KINDS
from marey.findings.pair_kinds import PairKinds
from marey.findings.permutations import dealt_partners

CLASSES = ("one", "other", "third", "two")
PEOPLE = 10
LABELS = np.tile(np.arange(4), PEOPLE)
GROUPS = tuple(f"person{person}" for person in range(PEOPLE) for _ in CLASSES)
CLIPS = len(LABELS)


def labeled() -> LabeledClips:
    return LabeledClips((), np.arange(CLIPS), CLASSES, LABELS, GROUPS)


def draw(seed: int, units: int, *, noise: float = 0.3) -> np.ndarray:
    """Units that appearance and motion drive, each class by its own, with noise of each clip's, and of each pair."""
    random = np.random.default_rng(seed)
    appearance, motion = random.normal(size=(2, len(CLASSES), units))
    rows = appearance[LABELS] + noise * random.normal(size=(CLIPS, units))
    columns = motion[LABELS] + noise * random.normal(size=(CLIPS, units))
    return (rows[:, None] + columns + noise * random.normal(size=(CLIPS, CLIPS, units))).astype(np.float32)


def exclusive() -> np.ndarray:
    """Whether color and direction match, as in every clip of 'one' and in none of 'two'; either alone tells nothing."""
    color = np.random.default_rng(3).integers(0, 2, CLIPS)
    direction = np.where(CLASSES.index("one") == LABELS, color, 1 - color)
    here = np.isin(LABELS, [CLASSES.index("one"), CLASSES.index("two")]).astype(float)
    agree = np.where(color[:, None] == direction, 1.0, -1.0)
    return (agree * here[:, None] * here)[..., None]


def test_parts_add_up_to_the_responses() -> None:
    responses = draw(0, 3)
    two = TwoWay.of(responses)
    rebuilt = responses.mean((0, 1)) + two.by_appearance[:, None] + two.by_motion + two.residual
    np.testing.assert_allclose(rebuilt, responses, atol=1e-5)
    np.testing.assert_allclose(two.appearance + two.motion + two.joint, 1)
    np.testing.assert_allclose(two.deviation, responses.std((0, 1)), rtol=1e-4)


def test_a_sum_has_nothing_joint_but_rounding_which_does_not_count() -> None:
    random = np.random.default_rng(0)
    responses = (random.normal(size=(CLIPS, 1, 5)) + random.normal(size=(CLIPS, 5)) + 3).astype(np.float32)
    found = joint_units({"scores": responses}, labeled(), permutations=199, seed=0)
    assert found.numbers[""].value[2:].tolist() == [0, 0, 0]
    assert (found.layers["scores"].congruence.class_p == 1).all()


def test_units_that_need_both_are_joint_and_others_are_not() -> None:
    planted = draw(1, 30)
    planted[..., :10] += 4 * exclusive()
    planted[..., 10:20] *= 0.1
    planted[..., 10:20] += 2 * (LABELS == 0).astype(np.float32)[:, None, None]  # appearance alone
    dead = np.zeros((CLIPS, CLIPS, 1), np.float32)
    found = joint_units({"fc": np.concatenate([planted, dead], 2)}, labeled(), permutations=499, seed=0)
    one = found.layers["fc"]
    assert (one.kind[:10] == 0).mean() >= 0.9
    assert (one.kind[10:20] == 1).all()
    assert (one.kind[20:30] != 0).all()
    assert one.kind[30] == -1
    assert found.units == 30


def test_congruence_agrees_with_loops() -> None:
    responses = draw(2, 4)
    two = TwoWay.of(responses)
    own = own_classes(responses[np.arange(CLIPS), np.arange(CLIPS)], LABELS, GROUPS)
    dealt = list(dealt_partners(LABELS, GROUPS, 19, seed=0))
    found = Congruence.of(two, own, LABELS, dealt)
    for unit in range(4):
        deviation = responses[..., unit].std()
        mine = [clip for clip in range(CLIPS) if own[clip, unit] == LABELS[clip]]
        residual = two.residual[..., unit]
        value = np.mean([residual[clip, clip] for clip in mine])
        chance = [np.mean([residual[clip, partners[clip]] for clip in mine]) for partners in dealt]
        same = [
            np.mean([residual[clip, k] for k in range(CLIPS) if k != clip and LABELS[k] == LABELS[clip]])
            for clip in mine
        ]
        assert found.at_class[unit] == pytest.approx(value / deviation, rel=1e-3, abs=1e-6)
        assert found.class_p[unit] == (1 + sum(one >= value for one in chance)) / 20
        assert found.same_class[unit] == pytest.approx(np.mean(same) / deviation, rel=1e-3, abs=1e-6)


def test_the_own_class_of_a_clip_is_found_from_other_groups() -> None:
    own = np.zeros((CLIPS, 1), np.float32)
    own[LABELS == 2] = 1
    first = np.array([group == "person0" for group in GROUPS])
    own[first] = 100 * (LABELS[first] == 1)[:, None]
    found = own_classes(own, LABELS, GROUPS)
    assert (found[first] == 2).all()
    assert (found[~first] == 1).all()


def test_p_is_uniform_where_nothing_belongs_together() -> None:
    found = joint_units({"fc": draw(5, 400)}, labeled(), permutations=199, seed=0)
    p = found.layers["fc"].congruence.class_p
    assert abs((p <= 0.05).mean() - 0.05) < 0.04
    assert abs((p <= 0.5).mean() - 0.5) < 0.1


@pytest.mark.slow
def test_noise_joins_nothing_in_19_of_20_seeds() -> None:
    wrong = 0
    for seed in range(20):
        found = joint_units({"fc": draw(seed, 40)}, labeled(), permutations=199, seed=seed)
        wrong += bool((found.layers["fc"].kind == 0).any())
    assert wrong <= 3  # of 20 at a rate of 5 %, more than 3 come once in 60 times


def test_a_score_that_needs_both_is_set_apart_by_both() -> None:
    scores = draw(4, 4, noise=0.05)
    scores[..., :] = 0.05 * scores
    both = exclusive()[..., 0]
    for label in (0, 3):
        here = (LABELS == 0) | (LABELS == 3)
        scores[..., label] += here[:, None] + here + (1 if label == 0 else -1) * both
    for label in (1, 2):
        scores[..., label] += 2 * (label == LABELS)[:, None]
    found = ClassParts.of(scores, labeled(), CLASSES, permutations=199, seed=0)
    first = list(found.classes).index("one")
    assert found.rivals[first] == "two"
    assert found.parts.value[first, 2] == pytest.approx(2, abs=0.3)
    assert np.abs(found.parts.value[first, :2]).max() < 0.5
    assert found.p[first] <= 0.01
    third = list(found.classes).index("third")
    assert found.parts.value[third, 0] == pytest.approx(2, abs=0.2)
    assert found.p[third] > 0.01


def test_units_are_called_by_what_stays_in_pairs() -> None:
    random = np.random.default_rng(0)
    sees, moves, noise = random.normal(size=(3, CLIPS))
    responses = np.stack([np.broadcast_to(sees[:, None], (CLIPS, CLIPS)), np.broadcast_to(moves, (CLIPS, CLIPS)),
                          random.normal(size=(CLIPS, CLIPS))], 2).astype(np.float32)  # fmt: skip
    other_order = np.stack([sees, noise, random.normal(size=CLIPS)], 1).astype(np.float32)
    found = PairKinds.of(responses, other_order, list(dealt_partners(LABELS, GROUPS, 10, seed=0)))
    assert [PAIR_KINDS[kind] for kind in found.kind] == ["static", "dynamic", "residual"]


def test_partners_come_from_the_group_or_from_another_group_of_one_class() -> None:
    for partners in dealt_partners(LABELS, GROUPS, 5, seed=0):
        assert [GROUPS[partner] for partner in partners] == list(GROUPS)
        assert sorted(partners) == list(range(CLIPS))
    labels, groups = np.array([0, 0, 0, 1, 1]), ["a", "a", "a", "b", "b"]
    seen = {tuple(labels[partners]) for partners in dealt_partners(labels, groups, 50, seed=0)}
    assert seen == {(0, 0, 0, 1, 1), (1, 1, 1, 0, 0)}
