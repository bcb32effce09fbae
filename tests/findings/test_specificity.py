"""Units whose classes are known are found to serve these, and nothing is found where nothing is."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from marey.errors import MareyError, NetworkError
from marey.findings.finding import Finding
from marey.findings.labeled_clips import labeled_clips
from marey.findings.permutations import dealt_labels
from marey.findings.specificity import least_p, specificity
from marey.recording import Recording

CLASSES = ("clap", "jump", "run", "walk", "wave")
PEOPLE = 12
LABELS = [label for _ in range(PEOPLE) for label in CLASSES]
GROUPS = [f"person{number:02d}" for number in range(PEOPLE) for _ in CLASSES]


def planted() -> np.ndarray:
    """Ten units for 'jump', ten for 'run' and 'walk' alike, ten for nothing, one dead."""
    random = np.random.default_rng(0)
    is_class = {name: np.array([label == name for label in LABELS], float)[:, None] for name in CLASSES}
    noise = random.normal(size=(len(LABELS), 30))
    responses = noise * 0.2
    responses[:, :10] += 2 * is_class["jump"]
    responses[:, 10:20] += 2 * (is_class["run"] + is_class["walk"])
    return np.concatenate([responses, np.zeros((len(LABELS), 1))], axis=1).astype(np.float32)


@pytest.fixture
def found(recorded: Callable[..., Recording]) -> Finding:
    return specificity(recorded({"fc": planted()}, LABELS, GROUPS), permutations=199)


def test_units_serve_the_classes_that_were_planted(found: Finding) -> None:
    rows = found.tables["units"].to_pylist()
    assert [(row["kind"], row["serves"]) for row in rows[:10]] == [("specific", ["jump"])] * 10
    assert sum(row["serves"] == ["run", "walk"] for row in rows[10:20]) >= 8  # noise may put one class in front
    assert sum(row["kind"] == "unexplained" for row in rows[20:30]) >= 9
    assert rows[30]["kind"] == "dead"


def test_the_sentence_says_the_shares_with_intervals_and_the_null(found: Finding) -> None:
    assert (
        "Of 30 units of 1 layers" in found.sentence and "serve none (shuffled labels: 0 % serve any)" in found.sentence
    )
    assert "(shuffled labels: 0 % serve any)" in found.sentence
    assert found.unexplained == pytest.approx(1 / 3, abs=0.04)
    assert found.remarks == (
        "1 units respond to all clips alike, so that nothing can be asked of them; they do not count",
    )


def test_the_clearest_unit_of_each_class_is_there_to_look_at(found: Finding) -> None:
    assert found.evidence[0].what == "serves 'jump', AUPRC 1.00"
    assert found.evidence[0].unit is not None and found.evidence[0].unit.startswith("fc:")


def test_of_few_people_it_is_said_that_they_show_little(recorded: Callable[..., Recording]) -> None:
    few = 3 * len(CLASSES)
    made = recorded({"fc": planted()[:few]}, LABELS[:few], GROUPS[:few])
    found = specificity(made, permutations=199)
    assert any(one.startswith("so few clips and groups show little: a unit that tells") for one in found.remarks)


def test_the_least_p_is_how_often_chance_deals_a_class_one_label() -> None:
    labels = np.arange(3 * 4) % 4  # each of three people does each of four things once
    dealt = list(dealt_labels(labels, [f"person{clip // 4}" for clip in range(12)], 4000, seed=0))
    assert least_p(labels, dealt) == pytest.approx(4 * (1 / 4) ** 3, abs=0.01)


@pytest.mark.slow
def test_noise_serves_no_class_in_19_of_20_seeds(recorded: Callable[..., Recording]) -> None:
    wrong = 0
    for seed in range(20):
        noise = np.random.default_rng(seed).normal(size=(len(LABELS), 40)).astype(np.float32)
        recording = recorded({"fc": noise}, LABELS, GROUPS, name=f"noise{seed}")
        wrong += specificity(recording, permutations=99, seed=seed).measures[2].value < 1
    assert wrong <= 3  # of 20 at a rate of 5 %, more than 3 come once in 60 times


def test_a_finding_opens_as_it_was_saved(found: Finding, tmp_path: Path) -> None:
    found.save(tmp_path / "found")
    again = Finding.open(tmp_path / "found")
    assert str(again) == str(found)
    assert again.chart == found.chart
    assert again.tables["units"].equals(found.tables["units"])


def test_a_folder_without_a_finding_is_said_to_hold_none(tmp_path: Path) -> None:
    with pytest.raises(MareyError, match=r"holds no finding, for it has no finding.json; make one with `marey find`"):
        Finding.open(tmp_path)


def test_clips_of_one_class_are_refused(recorded: Callable[..., Recording]) -> None:
    with pytest.raises(MareyError, match="clips of one class only, 'walk'"):
        specificity(recorded({"fc": np.zeros((3, 2))}, ["walk"] * 3, list("abc")))


def test_a_class_of_a_single_group_is_refused_where_groups_have_one_class(recorded: Callable[..., Recording]) -> None:
    recording = recorded({"fc": np.zeros((4, 2))}, ["run", "run", "walk", "walk"], ["a", "a", "b", "c"])
    with pytest.raises(MareyError, match=r"of class 'run' .* has clips of one group only"):
        specificity(recording)


def test_a_class_of_a_single_group_is_left_out_beside_two_that_have_more(
    recorded: Callable[..., Recording],
) -> None:
    labels = ["dive", "dive", "run", "run", "walk", "walk"]
    labeled = labeled_clips(recorded({"fc": np.zeros((6, 2))}, labels, ["a", "a", "b", "c", "d", "e"]))
    assert labeled.classes == ("run", "walk")
    assert labeled.rows.tolist() == [2, 3, 4, 5]
    assert labeled.labels.tolist() == [0, 0, 1, 1]
    assert labeled.remarks[0].endswith("person or source video: dive")


def test_a_layer_that_was_not_recorded_is_named(recorded: Callable[..., Recording]) -> None:
    with pytest.raises(NetworkError, match=r"layer 'fd' is not in the recording.*It has fc"):
        specificity(recorded({"fc": planted()}, LABELS, GROUPS), ["fd"])
