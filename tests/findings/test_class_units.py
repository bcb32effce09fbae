"""Holding the units that serve a class costs that class, and random units cost nothing."""

from pathlib import Path

import numpy as np
import pyarrow
import pytest

from marey.findings.class_units import class_units, group_p, units_needed
from marey.findings.labeled_clips import labeled_clips
from marey.findings.specificity import specificity
from tests.findings.colors import BLUE, GREEN, RED, network, recorded_colors

COLORS = {"red": [RED, RED], "green": [GREEN, GREEN], "blue": [BLUE, BLUE]}


def test_holding_the_unit_of_a_color_costs_its_class_alone(tmp_path: Path) -> None:
    recording = recorded_colors(tmp_path, COLORS)
    units = specificity(recording, permutations=199).tables["units"]
    found = class_units(recording, network(), labeled_clips(recording), units, ["maps"], flow="dis", seed=0)
    rows = {row["class"]: row for row in found.tables["held"].to_pylist()}
    for row in rows.values():
        assert row["accuracy"] == 1 and row["random"] == 1 and row["others_at_means"] == 1
        assert row["at_zero"] == 0 and row["units_needed"] == 1
    assert "90 % of a class score needs 1 units" in found.sentence


def test_where_no_unit_serves_a_class_none_is_held(tmp_path: Path) -> None:
    recording = recorded_colors(tmp_path, COLORS)
    units = specificity(recording, permutations=199).tables["units"]
    place = units.column_names.index("serves")
    none = units.set_column(place, "serves", pyarrow.array([[]] * len(units), pyarrow.list_(pyarrow.string())))
    found = class_units(recording, network(), labeled_clips(recording), none, ["maps"], flow="dis", seed=0)
    assert found.sentence == "No unit of maps serves a class, so that none is held."
    assert found.measures == () and found.nulls == ()


def test_specificity_says_it_where_it_is_given_the_network(tmp_path: Path) -> None:
    done: list[tuple[int, int]] = []
    recording = recorded_colors(tmp_path, COLORS)
    found = specificity(
        recording, network=network(), permutations=99, report=lambda one, total: done.append((one, total))
    )
    assert "Held at their means, the units that serve a class take its accuracy from 100 %" in found.sentence
    assert "held" in found.tables
    assert done[-1][0] == done[-1][1]


def test_units_needed_are_counted_from_the_strongest() -> None:
    assert units_needed(np.array([1.0, 1, 1, 1, 1, 1, 1, 1, 1, 1])) == 9
    assert units_needed(np.array([100.0, -50, 1])) == 1
    assert units_needed(np.array([-1.0, -2])) == 0


@pytest.mark.parametrize(("shift", "small"), [(1.0, True), (0.0, False)])
def test_a_loss_in_every_group_is_no_chance(shift: float, small: bool) -> None:
    less = np.random.default_rng(0).normal(size=48) + shift
    assert (group_p(less, [f"g{clip // 4}" for clip in range(48)], seed=0) < 0.01) == small
