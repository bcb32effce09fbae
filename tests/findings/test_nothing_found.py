"""Where there is nothing, findings name something in at most 5 % of seeds, and their sentences say so."""

from collections.abc import Callable

import numpy as np
import pytest

from marey.findings.class_effects import kept_alone, lost_without
from marey.findings.labeled_clips import LabeledClips
from marey.findings.losses import losses
from marey.findings.measure import Measure, beyond
from marey.findings.nearness import likeness, nearness
from marey.findings.permutations import dealt_labels
from marey.findings.specificity import specificity
from marey.recording import Recording
from marey.video.read.clip import Clip

CLASSES, PEOPLE, SEEDS = 8, 6, 20
LABELS = np.tile(np.arange(CLASSES), PEOPLE)
GROUPS = [f"person{person}" for person in range(PEOPLE) for _ in range(CLASSES)]

MOST = 3
"""Of 20 seeds at a rate of 5 %, more come once in 60 times."""


def dealt(count: int, seed: int) -> list[np.ndarray]:
    return list(dealt_labels(LABELS, GROUPS, count, seed=seed))


def test_clips_that_lose_and_keep_at_random_name_no_class_and_cue() -> None:
    wrong = 0
    for seed in range(SEEDS):
        random = np.random.default_rng(seed)
        of_person = np.repeat(random.random((PEOPLE, 1)), CLASSES, 0)  # people differ, classes do not
        lost = (random.random((len(LABELS), 6)) < of_person).astype(float)
        answers = random.integers(CLASSES, size=(len(LABELS), 6))
        deals = dealt(199, seed)
        wrong += lost_without(lost, LABELS, GROUPS, deals, CLASSES).at(0.05).any()
        wrong += kept_alone(answers, LABELS, GROUPS, deals, CLASSES).at(0.05).any()
    assert wrong <= 2 * MOST


def test_units_that_lose_at_random_need_nothing() -> None:
    clips = LabeledClips(
        tuple(Clip(f"{k}.mp4") for k in range(len(LABELS))),  # type: ignore[arg-type]
        np.arange(len(LABELS)),
        tuple("abcdefgh"),
        LABELS,
        tuple(GROUPS),
    )
    wrong = 0
    for seed in range(SEEDS):
        random = np.random.default_rng(seed)
        before = random.normal(size=(len(LABELS), 30)).astype(np.float32)
        changes = before - random.exponential(size=(2, *before.shape)).astype(np.float32)
        counted = np.ones(30, bool)
        found = losses(
            before, changes, clips, needs=[[0], [1]], layers=[30], counted=counted, permutations=199, seed=seed
        )
        wrong += bool(found.needed.any())
    assert wrong <= MOST


def test_inputs_of_no_class_are_near_no_class() -> None:
    wrong = 0
    for seed in range(SEEDS):
        random = np.random.default_rng(seed)
        like = likeness(random.normal(size=(8, 20)).astype(np.float32), random.normal(size=(48, 20)).astype(np.float32))
        wrong += nearness(like, np.arange(8), LABELS, GROUPS, dealt(39, seed)).p <= 0.05
    assert wrong <= MOST


def test_a_difference_counts_both_intervals() -> None:
    own, null = Measure("a", "it", 0.5, 0.47, 0.54, 9, "units"), Measure("a", "a copy", 0.2, 0.17, 0.24, 9, "units")
    found = beyond(own, null)
    assert (found.of, found.value) == ("beyond a copy", pytest.approx(0.3))
    assert (found.low, found.high) == (pytest.approx(0.25), pytest.approx(0.35))


def test_specificity_says_that_noise_serves_no_class(recorded: Callable[..., Recording]) -> None:
    noise = np.random.default_rng(0).normal(size=(len(LABELS), 12)).astype(np.float32)
    names = ["abcdefgh"[label] for label in LABELS]
    found = specificity(recorded({"fc": noise}, names, GROUPS), permutations=99)
    assert found.sentence == "None of 12 units of 1 layers serves a class (shuffled labels: 0 % serve any)."
