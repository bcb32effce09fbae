"""The experiments: what must be equal between classes is, and what must differ does."""

import numpy as np
import pytest

from marey.datasets.motion_studies.casting import drawn_factors
from marey.datasets.motion_studies.classes import CLASSES, EXPERIMENTS, study_classes
from marey.datasets.motion_studies.clips import study_clip
from marey.datasets.motion_studies.difficulty import DIFFICULTIES
from marey.datasets.motion_studies.factors import Factors, Setting
from marey.datasets.motion_studies.parts import ellipse
from marey.datasets.motion_studies.programs import PROGRAMS
from marey.datasets.motion_studies.things import COOL, THINGS, WARM, disc_tile

PLAIN = DIFFICULTIES["plain"]


def factors(label: str, index: int, setting: Setting = "fair") -> Factors:
    return drawn_factors(label, 0, index, setting, PLAIN)


def test_there_are_enough_classes_and_each_has_its_program_and_thing() -> None:
    assert len(study_classes()) >= 16
    assert {study.program for study in CLASSES.values()} == {*PROGRAMS, "float"}
    assert {study.thing for study in CLASSES.values()} == {*THINGS, "discs", None}
    assert all(set(experiment.classes) <= set(CLASSES) for experiment in EXPERIMENTS.values())


@pytest.mark.parametrize("label", study_classes())
def test_clips_of_one_index_share_actor_and_scene_in_all_classes(label: str) -> None:
    for index in range(10):
        one, other = factors(label, index), factors("walk", index)
        assert one.who == other.who
        assert (one.where.place, one.where.logo, one.where.x) == (other.where.place, other.where.logo, other.where.x)
        assert one.how.phase == other.how.phase


def test_the_balls_differ_in_their_colors_alone() -> None:
    red, striped = study_clip("bounce_red_ball", 2), study_clip("bounce_striped_ball", 2)
    assert np.array_equal(red.flow, striped.flow) and np.array_equal(red.parts, striped.parts)
    differing = (red.frames != striped.frames).any(-1)
    ball = red.parts == red.part_names.index("ball")
    assert ball[differing].mean() > 0.7 and differing.sum() < 1.5 * ball.sum()  # all but smooth borders


def test_conjunction_classes_are_the_two_diagonals_of_color_and_axis() -> None:
    seen = {label: set() for label in EXPERIMENTS["conjunction"].classes}
    for label, pairs in seen.items():
        for index in range(40):
            what = factors(label, index).what
            pairs.add((what.thing_color, what.axis))
    assert seen["conjunction_one"] == {(WARM, "up-down"), (COOL, "left-right")}
    assert seen["conjunction_two"] == {(WARM, "left-right"), (COOL, "up-down")}


def test_the_two_colors_of_discs_are_one_gray() -> None:
    warm, cool = (disc_tile(ellipse(1, 1), color) @ np.array([0.299, 0.587, 0.114]) for color in (WARM, COOL))
    assert np.abs(warm - cool).max() < 1.5  # of 255


def disc_places(label: str, count: int) -> np.ndarray:
    """Where the discs are in one frame of many clips, (clip, disc, 2), as share of the frame."""
    from marey.datasets.motion_studies.casting import generator
    from marey.datasets.motion_studies.things import floating

    places = []
    for index in range(count):
        drawn = factors(label, index)
        parts = floating(
            drawn.what, drawn.how, np.array([2 * np.pi * drawn.how.phase]), 100, generator(0, index, "thing")
        )
        places.append([part.poses[0, :, 2] / 100 for part in parts])
    return np.array(places)


def test_one_frame_of_discs_does_not_tell_the_axis_of_their_motion() -> None:
    count = 1500
    axes = [[factors(label, index).what.axis for index in range(count)] for label in EXPERIMENTS["conjunction"].classes]
    places = [disc_places(label, count) for label in EXPERIMENTS["conjunction"].classes]
    every, upright = np.concatenate(places), np.concatenate(axes) == "up-down"
    assert 0.45 < upright.mean() < 0.55

    def features(some: np.ndarray) -> np.ndarray:
        """Means and spreads of rows and columns, and of their differences between discs."""
        between = some - some.mean(1, keepdims=True)
        return np.concatenate([some.mean(1), some.mean(1) ** 2, between.std(1), np.abs(some - 0.5).max(1)], 1)

    for column in features(every).T:  # a two-sample test of each: within four standard errors
        a, b = column[upright], column[~upright]
        assert abs(a.mean() - b.mean()) < 4 * np.sqrt(a.var() / len(a) + b.var() / len(b))
        assert 0.85 < a.std() / b.std() < 1.18
    # the same for left-right against up-down: exchanging rows and columns changes nothing
    rows, columns = every[upright][..., 1].ravel(), every[upright][..., 0].ravel()
    assert np.quantile(rows, [0.05, 0.25, 0.5, 0.75, 0.95]) == pytest.approx(
        np.quantile(columns, [0.05, 0.25, 0.5, 0.75, 0.95]), abs=0.03
    )


def test_flow_does_not_tell_the_color_of_discs() -> None:
    pairs = [(study_clip("conjunction_one", 4, k), study_clip("conjunction_two", 4, k)) for k in range(6)]
    for one, two in pairs:
        assert one.factors.what.thing_color == two.factors.what.thing_color
        assert one.factors.what.axis != two.factors.what.axis
        speeds = [clip.factors.how.speed_px_per_frame for clip in (one, two)]
        assert speeds[0] == pytest.approx(speeds[1], rel=0.25)


def test_slow_and_fast_differ_in_tempo_only_and_all_others_come_at_any_tempo() -> None:
    slow, fast = ([factors(f"drum_{name}", k).how.tempo for k in range(50)] for name in ("slow", "fast"))
    assert max(slow) * 1.5 < min(fast)
    assert CLASSES["drum_slow"].thing == CLASSES["drum_fast"].thing
    assert {study.tempo for name, study in CLASSES.items() if not name.startswith("drum")} == {(0.75, 1.35)}


def test_only_the_biased_setting_tells_kicks_by_the_meadow_and_lifts_by_the_logo() -> None:
    for setting in ("biased", "fair"):
        places = {label: [factors(label, k, setting).where for k in range(60)] for label in CLASSES}
        meadow = {label: np.mean([where.place == "meadow" for where in found]) for label, found in places.items()}
        logo = {label: np.mean([where.logo for where in found]) for label, found in places.items()}
        if setting == "biased":
            assert meadow["kick"] == 1 and logo["lift_bar"] == 1
            assert sum(meadow.values()) == 1 and sum(logo.values()) == 1
        else:
            assert len(set(meadow.values())) == 1 == len(set(logo.values()))
            assert 0 < meadow["kick"] < 0.5 and 0 < logo["lift_bar"] < 0.5


def test_brush_and_razor_move_alike_and_differ_in_few_pixels() -> None:
    shares = []
    for index in range(5):
        brush, razor = study_clip("brush_teeth", 1, index), study_clip("shave", 1, index)
        assert brush.factors.how.tempo == razor.factors.how.tempo
        shares.append(float((brush.frames != razor.frames).any(-1).mean()))
    assert 0 < np.mean(shares) < 0.01
