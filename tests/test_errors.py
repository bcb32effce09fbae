"""Bad input is told apart from bugs, and near matches are suggested."""

import inspect

import pytest

from marey import errors
from marey.errors import MareyError, did_you_mean


def test_every_error_of_marey_is_a_marey_error() -> None:
    classes = [value for _, value in inspect.getmembers(errors, inspect.isclass) if value.__module__ == "marey.errors"]
    assert len(classes) >= 6
    assert all(issubclass(found, MareyError) for found in classes if not issubclass(found, Warning))


@pytest.mark.parametrize(
    ("given", "known", "text"),
    [
        ("fusion.conv6", ["fusion.conv5", "rgb.conv1_1"], " Did you mean 'fusion.conv5'?"),
        ("flwo", ["flow", "rgb"], " Did you mean 'flow'?"),
        ("zzz", ["flow", "rgb"], ""),
        ("zzz", [], ""),
    ],
)
def test_near_matches_are_suggested_and_far_ones_are_not(given: str, known: list[str], text: str) -> None:
    assert did_you_mean(given, known) == text


def test_at_most_three_near_matches_are_suggested() -> None:
    assert did_you_mean("conv", [f"conv{k}" for k in range(9)]).count("'") == 6
