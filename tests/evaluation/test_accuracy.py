"""Accuracies come with their interval, and tables with what is taken for what."""

from dataclasses import replace

import pytest
import torch

from marey.datasets.skipped_clip import SkippedClip
from marey.evaluation.accuracy import Evaluation, averaged, wilson


def _evaluation() -> Evaluation:
    probabilities = torch.tensor(
        [[0.8, 0.1, 0.1], [0.2, 0.7, 0.1], [0.1, 0.6, 0.3], [0.3, 0.3, 0.4], [0.9, 0.05, 0.05]], dtype=torch.float64
    )
    clips = tuple(f"{k}.avi" for k in range(5))
    return Evaluation(("a", "b", "c"), clips, torch.tensor([0, 0, 1, 2, 2]), probabilities)


@pytest.mark.parametrize(
    ("right", "count", "low", "high"),
    [
        (0, 10, 0.0, 0.2775),
        (1, 10, 0.0179, 0.4042),
        (5, 10, 0.2366, 0.7634),
        (10, 10, 0.7225, 1.0),
        (81, 263, 0.2553, 0.3662),
    ],
)
def test_the_interval_is_that_of_wilson(right: int, count: int, low: float, high: float) -> None:
    assert wilson(right, count) == pytest.approx((low, high), abs=1e-4)


def test_without_clips_the_interval_is_everything() -> None:
    assert wilson(0, 0) == (0.0, 1.0)


def test_accuracy_and_confusion_count_the_clips() -> None:
    found = _evaluation()
    assert found.right == 3 and found.accuracy == 0.6 and found.interval == wilson(3, 5)
    assert found.confusion.tolist() == [[1, 1, 0], [0, 1, 0], [1, 0, 1]]
    assert found.to_json() == {
        "accuracy": 0.6,
        "clips": 5,
        "interval": list(wilson(3, 5)),
        "total": 5,
        "accuracy_of_all": 0.6,
        "padded": 0,
    }


def test_skipped_clips_stay_in_the_count_of_clips_that_were_to_be_classified() -> None:
    found = replace(
        _evaluation(), skipped=(SkippedClip("x.avi", "a", "no video"), SkippedClip("y.avi", "b", "no video"))
    )
    assert found.accuracy == 0.6 and found.total == 7 and found.accuracy_of_all == 3 / 7
    assert [found.skipped_of(name) for name in found.classes] == [1, 1, 0]
    assert averaged([found, found]).skipped == found.skipped


def test_every_class_says_what_it_is_taken_for() -> None:
    assert _evaluation().per_class() == [("a", 2, 1, "b"), ("b", 1, 1, ""), ("c", 2, 1, "a")]


def test_late_fusion_is_the_mean_of_the_probabilities() -> None:
    one = _evaluation()
    other = Evaluation(one.classes, one.clips, one.labels, one.probabilities.roll(1, 1))
    mean = averaged([one, other])
    assert torch.allclose(mean.probabilities, (one.probabilities + other.probabilities) / 2)
    assert (mean.clips, mean.classes) == (one.clips, one.classes) and mean.labels.equal(one.labels)


def test_mistakes_are_listed_most_clips_first() -> None:
    labels = torch.tensor([0, 0, 0, 1, 2, 2, 2])
    taken = torch.tensor([0, 1, 1, 1, 0, 1, 2])
    found = Evaluation(("a", "b", "c"), ("clip",) * 7, labels, torch.nn.functional.one_hot(taken).double())
    assert found.mistakes() == [("a", "b", 2), ("c", "a", 1), ("c", "b", 1)]
    assert replace(found, labels=taken).mistakes() == []


def test_an_evaluation_is_written_in_one_short_line() -> None:
    assert repr(_evaluation()) == "Evaluation(3 of 5 clips right, 3 classes, 0 skipped)"
