"""AUPRC, F1 and AUC agree with slow versions that follow their definitions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marey.findings.average_precision import class_auc, class_auprc, class_detection, descending_ranks, ranks_among


def slow_detection(responses: np.ndarray, of_class: np.ndarray) -> tuple[float, float]:
    """Average precision and best F1 over all thresholds, one after the other."""
    precision_sum = found_before = best_f1 = 0.0
    for threshold in sorted(set(responses.tolist()), reverse=True):
        passed = responses >= threshold
        found = float((passed & of_class).sum())
        precision_sum += (found - found_before) / of_class.sum() * found / passed.sum()
        found_before = found
        best_f1 = max(best_f1, 2 * found / (passed.sum() + of_class.sum()))
    return precision_sum, best_f1


def slow_auc(responses: np.ndarray, of_class: np.ndarray) -> float:
    pairs = [
        (inside > outside) + (inside == outside) / 2
        for inside in responses[of_class]
        for outside in responses[~of_class]
    ]
    return float(np.mean(pairs))


@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.integers(0, 2**32 - 1), st.integers(2, 5), st.integers(0, 3))
def test_they_agree_with_their_definitions_whatever_is_equal(seed: int, classes: int, decimals: int) -> None:
    random = np.random.default_rng(seed)
    labels = np.concatenate([np.arange(classes), random.integers(0, classes, random.integers(2, 30))])
    responses = np.round(random.normal(size=(len(labels), 4)), decimals).astype(np.float32)
    found = class_detection(descending_ranks(responses), labels, classes)
    auc = class_auc(responses, labels, classes)
    for unit in range(4):
        for label in range(classes):
            auprc, f1 = slow_detection(responses[:, unit], labels == label)
            assert found.auprc[unit, label] == pytest.approx(auprc, abs=1e-6)
            assert found.f1[unit, label] == pytest.approx(f1, abs=1e-6)
            assert auc[unit, label] == pytest.approx(slow_auc(responses[:, unit], labels == label), abs=1e-9)


def test_a_unit_that_responds_to_two_classes_alike_singles_out_neither() -> None:
    labels = np.repeat([0, 1, 2, 3], 10)
    responses = (labels < 2).astype(np.float32)[:, None]
    assert class_detection(descending_ranks(responses), labels, 4).f1[0].max() == pytest.approx(2 / 3)


def test_ranks_among_some_clips_are_those_of_their_responses_alone() -> None:
    random = np.random.default_rng(0)
    responses = np.round(random.normal(size=(30, 6)), 1).astype(np.float32)
    chosen = random.random(30) < 0.7
    assert (ranks_among(descending_ranks(responses), chosen) == descending_ranks(responses[chosen])).all()
    assert (
        class_auprc(descending_ranks(responses), np.arange(30) % 3, 3)
        == class_detection(descending_ranks(responses), np.arange(30) % 3, 3).auprc
    ).all()
