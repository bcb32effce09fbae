"""An error that was planted is found and traced to the unit that makes it, and nothing is found where nothing is."""

from pathlib import Path

import numpy as np
import pytest
import torch

from marey.errors import MareyError, NetworkError
from marey.findings.class_closeness import closeness_of_clips
from marey.findings.confused_pairs import class_accuracy, confused_pairs, counts_of, told_apart
from marey.findings.failures import failures
from marey.findings.finding import Finding
from marey.network.network import Network
from marey.network.stream import rgb_frames
from tests.findings.colors import BLUE, CULPRIT, FAILING, GREEN, RED, Colors, network, recorded_colors

PLANTED = {"red": [RED, FAILING, FAILING], "green": [GREEN, GREEN], "blue": [BLUE, BLUE]}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Finding:
    return failures(recorded_colors(tmp_path_factory.mktemp("planted"), PLANTED), network(), units=1)


def test_the_planted_error_is_found_and_traced_to_its_unit(found: Finding) -> None:
    (pair,) = found.tables["pairs"].to_pylist()
    assert (pair["class"], pair["taken_for"], pair["clips"], pair["of"]) == ("red", "green", 12, 18)
    assert pair["p"] < 0.05
    (unit,) = found.tables["units"].to_pylist()
    assert (unit["layer"], unit["unit"]) == ("maps", CULPRIT)


def test_holding_the_unit_puts_the_clips_right_and_loses_none(found: Finding) -> None:
    (row,) = found.tables["traced"].to_pylist()
    assert row["put_right"] == 1 and row["lost"] == 0 and row["lost_other"] == 0
    assert row["held_out"] and row["q"] <= 0.05
    assert row["before"] == pytest.approx(1.2, abs=0.1)  # green 0.1 + 4 * 0.5, red 0.9
    assert row["after"] < 0 < row["random_after"]
    assert row["random_put_right"] < 0.2


def test_with_one_confused_pair_nothing_is_said_of_nearness(found: Finding) -> None:
    assert not any("nearness" in one.name for one in found.measures)
    assert "Near" not in found.sentence and np.isnan(found.tables["pairs"]["nearness"][0].as_py())


def test_the_sentence_says_what_is_confused_and_how_often(found: Finding) -> None:
    assert found.sentence.startswith("30 of 42 clips are right (71 % [")
    assert "it takes red as green (12 of 18, AUC of the scores 0.33)" in found.sentence
    assert f"maps:{CULPRIT}" in [one.unit for one in found.evidence]
    assert all("clip" in clip for one in found.evidence for clip in one.clips)


def test_units_that_hold_the_other_class_as_well_are_said_to_be_its_own(found: Finding, tmp_path: Path) -> None:
    assert "This error is carried by 1 unit of a layer" in found.sentence
    assert "not of the error" not in found.sentence
    green = (0.9, 0.1, 0.85)  # known by the culprit alone
    colors = {"red": [RED] * 3 + [FAILING] * 2, "green": [green], "blue": [BLUE] * 4}
    other = failures(recorded_colors(tmp_path, colors), network(), units=1)
    assert "100 % of the right clips of the other class are lost: these are the units of the other" in other.sentence


def test_a_network_without_errors_says_so(tmp_path: Path) -> None:
    colors = {"red": [RED], "green": [GREEN], "blue": [BLUE]}
    found = failures(recorded_colors(tmp_path, colors), network())
    assert found.sentence.startswith("All 18 clips are right (100 %")
    assert found.sentence.endswith("there is no failure to explain.")
    assert found.chart.series[0].y == (1.0, 1.0, 1.0)
    assert str(Finding.open(found.save(tmp_path / "found"))) == str(found)


def test_a_pair_that_chance_may_have_made_is_in_the_tables_and_not_in_the_figure(tmp_path: Path) -> None:
    colors = {"red": [RED, RED, FAILING], "green": [GREEN, GREEN, GREEN], "blue": [BLUE, BLUE, BLUE]}
    found = failures(recorded_colors(tmp_path, colors, groups=2), network(), units=1, draws=9)
    assert found.tables["pairs"]["clips"].to_pylist() == [2]
    assert "no class is taken for another more often than evenly spread errors would be" in found.sentence
    assert found.chart.series[0].x == ("blue", "green", "red")


@pytest.mark.slow
def test_shuffled_labels_have_no_pair_in_19_of_20_seeds(tmp_path: Path) -> None:
    wrong = 0
    for seed in range(20):
        recording = recorded_colors(tmp_path / str(seed), PLANTED, shuffled=seed)
        found = failures(recording, network(), units=1, draws=9, permutations=199)
        wrong += found.measures[0].value < 1 and "it takes" in found.sentence
    assert wrong <= 3  # of 20 at a rate of 5 %, more than 3 come once in 60 times


def test_another_network_is_refused(tmp_path: Path) -> None:
    recording = recorded_colors(tmp_path, PLANTED, groups=2)
    module = Colors()
    with torch.no_grad():
        module.scores.weight += 1
    other = Network(module.eval(), [rgb_frames(1, size=8)], classes=("blue", "green", "red"), name="other")
    with pytest.raises(NetworkError, match="is of other weights than other"):
        failures(recording, other)


def test_clips_of_one_group_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MareyError, match="all clips are of one group, 'person0'"):
        failures(recorded_colors(tmp_path, PLANTED, groups=1), network())


def test_clips_of_classes_that_the_network_lacks_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MareyError, match="none of the 4 labeled clips is of a class of colors, such as 'blue'"):
        failures(recorded_colors(tmp_path, {"pink": [RED], "gray": [GREEN]}, groups=2), network())


def test_of_evenly_spread_errors_a_pair_stands_out_as_rarely_as_it_should() -> None:
    random = np.random.default_rng(0)
    groups = [f"g{clip // 10}" for clip in range(200)]
    labels = np.arange(200) % 10
    smallest = []
    for _ in range(60):
        wrong = random.random(200) < 0.3
        predicted = np.where(wrong, (labels + random.integers(1, 10, 200)) % 10, labels)
        pairs = confused_pairs(labels, predicted, groups, 10, permutations=99, seed=1)
        smallest.append(min((pair.p for pair in pairs), default=1.0))
    assert np.mean(np.array(smallest) <= 0.1) <= 0.19


def test_counts_and_accuracies_are_those_counted_by_hand() -> None:
    labels, predicted = np.array([0, 0, 1, 1, 1, 2]), np.array([0, 1, 1, 1, 0, 2])
    assert counts_of(labels, predicted, 3).tolist() == [[1, 1, 0], [1, 2, 0], [0, 0, 1]]
    found = class_accuracy(labels, predicted, list("ababab"), 3)
    assert found.value.tolist() == pytest.approx([4 / 6, 1 / 2, 2 / 3, 1])
    assert (found.low <= found.value).all() and (found.value <= found.high).all()


def test_scores_that_do_not_differ_tell_nothing_apart() -> None:
    labels, groups = np.arange(40) % 2, [f"g{clip % 8}" for clip in range(40)]
    margin = np.random.default_rng(0).normal(size=40)
    found = told_apart(margin, labels, [f"g{clip // 5}" for clip in range(40)], right=0, taken_for=1)
    slow = np.mean([[b > a for a in margin[labels == 0]] for b in margin[labels == 1]])
    assert float(found.value) == pytest.approx(slow)
    assert float(found.low) < 0.5 < float(found.high)
    assert float(told_apart(margin + 9 * labels, labels, groups, right=0, taken_for=1).value) == 1


@pytest.mark.parametrize("planted", [True, False])
def test_near_classes_that_are_confused_have_a_rank_correlation(planted: bool) -> None:
    random = np.random.default_rng(1)
    centers = random.normal(size=(8, 12))
    centers[1] = centers[0] + 0.1 * random.normal(size=12)
    centers[3] = centers[2] + 0.1 * random.normal(size=12)
    labels = np.tile(np.arange(8), 10)
    responses = (centers[labels] + 0.5 * random.normal(size=(80, 12))).astype(np.float32)
    groups = [f"g{clip // 8}" for clip in range(80)]
    pairs = [(0, 1), (3, 2)] if planted else [(0, 5), (6, 2)]

    def confusions(chosen: np.ndarray) -> np.ndarray:
        counts = np.zeros((8, 8), np.intp)
        for a, b in pairs:
            counts[a, b] = chosen.sum() // 10
        return counts

    found = closeness_of_clips(responses, labels, groups, confusions, classes=8, layer="fc", seed=0)
    assert (found.p <= 0.05) == planted
    assert found.low <= found.rank_correlation <= found.high
