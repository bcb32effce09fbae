"""Labels are dealt as the groups allow, and what is tested against them is uniform where there is nothing to find."""

import numpy as np
from scipy.stats import kstest

from marey.findings.average_precision import class_auprc
from marey.findings.detection_test import PERMUTATIONS_BESIDES, detection_nulls
from marey.findings.permutations import dealt_labels
from marey.findings.ranked_units import RankedUnits


def test_within_a_group_of_several_classes_labels_change_places() -> None:
    labels = np.array([0, 1, 2, 0, 1, 2])
    for dealt in dealt_labels(labels, list("aaabbb"), 20, seed=0):
        assert sorted(dealt[:3]) == sorted(dealt[3:]) == [0, 1, 2]


def test_clips_of_a_group_of_one_class_keep_a_common_label() -> None:
    labels = np.array([0, 0, 0, 1, 2, 2])
    seen = set()
    for dealt in dealt_labels(labels, list("aaabcc"), 40, seed=0):
        assert len(set(dealt[:3])) == 1 and dealt[4] == dealt[5]
        seen.add(tuple(dealt.tolist()))
    assert len(seen) == 6


def test_p_is_uniform_where_there_is_nothing_to_find() -> None:
    random = np.random.default_rng(1)
    labels = np.tile(np.arange(5), 8)
    groups = [str(number) for number in np.repeat(np.arange(8), 5)]
    of_person = random.normal(size=(8, 400))[np.repeat(np.arange(8), 5)]
    responses = (of_person + random.normal(size=(40, 400))).astype(np.float32)  # people differ, classes do not
    dealt = list(dealt_labels(labels, groups, PERMUTATIONS_BESIDES + 199, seed=2))
    ranked = RankedUnits.of_responses({"layer": responses})
    null = detection_nulls(ranked, dealt)["layer"]
    p = null.p((class_auprc(ranked.of("layer"), labels, 5) - null.mean) / null.deviation).min(1)
    assert kstest(p, "uniform").pvalue > 0.01
    assert (p <= 0.05).mean() < 0.085
