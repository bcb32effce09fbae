"""Clips of people on whom a network was trained are told."""

from collections.abc import Callable

import numpy as np
import pytest

from marey.findings.trained_groups import trained_groups
from marey.recording import Recording


@pytest.fixture
def made(recorded: Callable[..., Recording]) -> Recording:
    groups = ["ann", "ann", "bob", "bob", "cid", "cid"]
    return recorded({"fc": np.arange(6.0)[:, None]}, ["run", "walk"] * 3, groups)


def test_clips_of_people_that_were_trained_on_are_counted_and_named(made: Recording) -> None:
    (said,) = trained_groups(made, ("bob",))
    assert said.startswith(
        "4 of 6 recorded clips show people or source videos that the network was trained on (ann, cid)"
    )


@pytest.mark.parametrize("held_out", [(), ("ann", "bob", "cid"), ("ann", "bob", "cid", "dan")])
def test_nothing_is_said_where_nobody_was_or_nothing_is_known(made: Recording, held_out: tuple[str, ...]) -> None:
    assert trained_groups(made, held_out) == ()


def test_nothing_is_said_of_other_clips_than_those_of_the_training(made: Recording) -> None:
    assert trained_groups(made, ("person1",)) == ()
