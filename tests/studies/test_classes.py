"""The experiments: what must be equal between classes is, and what must differ does."""

from dataclasses import replace

import numpy as np
import pytest

from marey.studies.casting import drawn_factors, generator
from marey.studies.classes import CLASSES, EXPERIMENTS, study_classes
from marey.studies.clips import study_clip
from marey.studies.difficulty import DIFFICULTIES
from marey.studies.discs import COOL, LIFE, WARM, disc_tile, floating
from marey.studies.factors import Factors, Setting
from marey.studies.parts import Part, ellipse
from marey.studies.programs import PROGRAMS
from marey.studies.things import THINGS

pytestmark = pytest.mark.slow

PLAIN = DIFFICULTIES["plain"]


def factors(label: str, index: int, setting: Setting = "fair") -> Factors:
    return drawn_factors(label, 0, index, setting, PLAIN)


def test_every_program_and_every_thing_has_a_class() -> None:
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


def discs(label: str, index: int, count: int) -> list[Part]:
    drawn = factors(label, index)
    return floating(drawn.what, drawn.how, count=count, rate=25.0, size=100, generator=generator(0, index, "thing"))


def test_no_disc_lives_in_two_pictures_that_are_a_life_apart() -> None:
    for part in discs("conjunction_one", 3, 23):
        assert part.shown is not None
        assert not (part.shown[:-LIFE] & part.shown[LIFE:]).any()


def test_discs_move_along_their_axis_both_ways() -> None:
    for index in range(4):
        axis = factors("conjunction_two", index).what.axis
        steps = np.array([part.poses[1, :, 2] - part.poses[0, :, 2] for part in discs("conjunction_two", index, 12)])
        along, across = (1, 0) if axis == "up-down" else (0, 1)
        assert not steps[:, across].any() and steps[:, along].min() < -0.5 and steps[:, along].max() > 0.5


@pytest.fixture(scope="module")
def by_axis() -> dict[str, list[list[Part]]]:
    """The discs of 500 clips, by the axis of their motion."""
    found: dict[str, list[list[Part]]] = {"up-down": [], "left-right": []}
    for label in EXPERIMENTS["conjunction"].classes:
        for index in range(250):
            found[str(factors(label, index).what.axis)].append(discs(label, index, 11))
    return found


def extent(parts: list[Part], moments: tuple[int, ...]) -> list[float]:
    """Number, middle, spread, reach, least gap and power of the columns, then the rows, of discs seen at `moments`."""
    seen = [
        part.poses[moment, :, 2]
        for part in parts
        for moment in moments
        if part.shown is not None and part.shown[moment] and (np.abs(part.poses[moment, :, 2] - 50) < 58).all()
    ]
    x, y = np.array(seen).T if len(seen) > 1 else np.full((2, 2), 50.0)
    measures = [
        (len(places), places.mean(), places.std(), np.ptp(places), np.diff(np.sort(places)).min(), (places**2).mean())
        for places in (x, y)
    ]
    return list(measures[0]) + list(measures[1])


@pytest.mark.parametrize("moments", [(0,), (4,), (0, 5, 10)])
def test_pictures_of_discs_do_not_tell_the_axis_of_their_motion(
    by_axis: dict[str, list[list[Part]]], moments: tuple[int, ...]
) -> None:
    upright, sidewise = (np.array([extent(parts, moments) for parts in clips]) for clips in by_axis.values())
    assert min(len(upright), len(sidewise)) > 200
    for a, b in zip(upright.T, sidewise.T, strict=True):  # a two-sample test of each, within four standard errors
        assert abs(a.mean() - b.mean()) < 4 * np.sqrt(a.var() / len(a) + b.var() / len(b)) + 1e-9


def test_flow_does_not_tell_the_color_of_discs() -> None:
    """The places of discs do not depend on their color, nor does the gray picture that flow is estimated on."""
    drawn = factors("conjunction_one", 4)
    warm, cool = (
        floating(
            replace(drawn.what, thing_color=color),
            drawn.how,
            count=9,
            rate=25.0,
            size=100,
            generator=generator(0, 4, "thing"),
        )
        for color in (WARM, COOL)
    )
    assert all(np.array_equal(one.poses, other.poses) for one, other in zip(warm, cool, strict=True))
    colors = {factors(label, k).what.thing_color for label in EXPERIMENTS["conjunction"].classes for k in range(9)}
    assert colors == {WARM, COOL}


def test_slow_and_fast_differ_in_tempo_only_and_all_others_come_at_any_tempo() -> None:
    slow, fast = ([factors(f"drum_{name}", k).how.tempo for k in range(50)] for name in ("slow", "fast"))
    assert max(slow) * 1.5 < min(fast)
    assert CLASSES["drum_slow"].thing == CLASSES["drum_fast"].thing
    assert {study.tempo for name, study in CLASSES.items() if not name.startswith("drum")} == {(0.75, 1.35)}


def test_only_the_biased_setting_tells_kicks_by_the_meadow_and_lifts_by_the_logo() -> None:
    seen = {}
    for setting in ("biased", "fair"):
        places = {label: [factors(label, k, setting).where for k in range(60)] for label in CLASSES}
        meadow = {label: np.mean([where.place == "meadow" for where in found]) for label, found in places.items()}
        logo = {label: np.mean([where.logo for where in found]) for label, found in places.items()}
        seen[setting] = meadow, logo
        if setting == "biased":
            assert (meadow.pop("kick"), meadow.pop("kick_low")) == (1, 0)
            assert (logo.pop("lift_bar"), logo.pop("lift_bar_low")) == (1, 0)
        assert len(set(meadow.values())) == 1 == len(set(logo.values()))
        assert 0 < meadow["walk"] < 0.5 and 0 < logo["walk"] < 0.5
    assert seen["fair"][0]["walk"] == seen["biased"][0]["walk"]


@pytest.mark.parametrize("label", ["kick", "lift_bar"])
def test_low_kicks_and_lifts_differ_in_amplitude_only_and_hardly(label: str) -> None:
    for index in range(10):
        one, low = factors(label, index), factors(f"{label}_low", index)
        assert low.how == replace(one.how, amplitude=low.how.amplitude) and low.where == one.where
        assert low.what == replace(one.what, label=f"{label}_low")
    amplitudes = [[factors(name, k).how.amplitude for k in range(200)] for name in (label, f"{label}_low")]
    threshold = np.mean(amplitudes)
    best = np.mean([np.array(amplitudes[0]) > threshold, np.array(amplitudes[1]) < threshold])
    assert 0.6 < best < 0.8  # of clips that even the exact amplitude tells apart


def test_the_logo_is_whole_in_the_middle_that_networks_are_shown() -> None:
    clip = study_clip("lift_bar", 0, 1, size=128, frames=2, setting="biased")
    logo = clip.parts[0] == clip.part_names.index("logo")
    assert logo.sum() == logo[8:120, 8:120].sum() > 100


def test_brush_and_razor_move_alike_and_differ_in_few_pixels() -> None:
    shares = []
    for index in range(5):
        brush, razor = study_clip("brush_teeth", 1, index), study_clip("shave", 1, index)
        assert brush.factors.how.tempo == razor.factors.how.tempo
        shares.append(float((brush.frames != razor.frames).any(-1).mean()))
    assert 0 < np.mean(shares) < 0.01
