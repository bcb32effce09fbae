"""The skeleton under all programs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marey.studies.figure import Body, joints
from marey.studies.programs import PROGRAMS

BODY = Body()
BONES = {
    ("hip", "knee"): BODY.thigh,
    ("knee", "ankle"): BODY.shin,
    ("shoulder", "elbow"): BODY.upper_arm,
    ("elbow", "wrist"): BODY.forearm,
    ("wrist", "hand"): BODY.hand,
}


@pytest.mark.parametrize("name", PROGRAMS)
@given(start=st.floats(0, 2 * np.pi), amplitude=st.floats(0.85, 1.15))
@settings(max_examples=8, deadline=None)
def test_bones_keep_their_length_and_nothing_jumps(name: str, start: float, amplitude: float) -> None:
    phase = start + np.arange(25) * 0.26
    found = joints(BODY, PROGRAMS[name].angles(phase, amplitude), len(phase))
    for (first, second), length in BONES.items():
        for side in "rl":
            bone = np.linalg.norm(found[f"{second}_{side}"] - found[f"{first}_{side}"], axis=-1)
            assert bone == pytest.approx(length, abs=1e-6)
    for place in found.values():
        assert np.isfinite(place).all()
        assert np.abs(np.diff(place, axis=0)).max() < 0.3  # statures in a 24th of a cycle


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_lowest_foot_stands_on_the_ground_unless_the_figure_is_lifted(name: str) -> None:
    phase = np.linspace(0, 2 * np.pi, 40)
    angles = PROGRAMS[name].angles(phase, 1.0)
    found = joints(BODY, angles, len(phase))
    lowest = np.min([found[f"{part}_{side}"][:, 2] for part in ("ankle", "toe") for side in "rl"], axis=0)
    lift = np.broadcast_to(angles.get("lift", 0.0), phase.shape)
    assert lowest - lift == pytest.approx(0.026, abs=0.007)


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_motion_repeats_after_a_cycle_but_for_the_way_it_goes(name: str) -> None:
    first, second = (
        joints(BODY, {**PROGRAMS[name].angles(phase, 1.0), "travel": np.zeros(9)}, 9)
        for phase in (np.linspace(0, 5, 9), np.linspace(0, 5, 9) + 2 * np.pi)
    )
    for joint in first:
        assert first[joint] == pytest.approx(second[joint], abs=1e-9)


def test_walking_backward_is_walking_in_reversed_time() -> None:
    phase = np.linspace(0.3, 4, 12)
    there = joints(BODY, PROGRAMS["walk"].angles(phase, 1.0), 12)
    back = joints(BODY, PROGRAMS["walk_backward"].angles(-phase, 1.0), 12)
    assert all(there[joint] == pytest.approx(back[joint]) for joint in there)
    assert np.diff(there["pelvis"][:, 0]).min() > 0
