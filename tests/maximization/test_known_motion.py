"""The shipped defaults show the motion that drives units which see RGB alone, and say where there is none."""

import math
from dataclasses import replace
from types import ModuleType

import pytest

from marey.maximization.recipe import Recipe
from marey.maximization.run import maximize

pytestmark = pytest.mark.slow

SHIPPED = replace(Recipe(), precision="fp32", slowness=(0.0, 10.0))


def test_a_trained_network_is_shown_the_motion_of_its_classes_at_every_slowness(known_rgb: ModuleType) -> None:
    network = known_rgb.trained(0)
    right, maxima = known_rgb.held_out(network)
    assert right > 0.95
    for result in maximize(network, list(known_rgb.DIRECTIONS), recipe=SHIPPED, maxima=maxima):
        u, v = known_rgb.DIRECTIONS[result.label]
        for velocity, notes in zip(result.velocities, result.notes, strict=True):
            found = velocity.mean((1, 2, 3)).tolist()
            assert 1.0 <= found[0] * u + found[1] * v <= 3.0, f"{result.label} moves by {found}"
            assert notes == ()


def test_motion_energy_set_by_hand_is_found_with_its_direction_and_speed(known_rgb: ModuleType) -> None:
    asked = [(1.0, 60), (1.0, 180), (2.0, 0), (2.0, 240), (3.0, 120), (3.0, 300)]
    wanted = [(px * math.cos(math.radians(angle)), px * math.sin(math.radians(angle))) for px, angle in asked]
    network = known_rgb.energy_network(wanted)
    recipe = replace(SHIPPED, slowness=(1.0, 10.0))
    units = [f"energy:{k}" for k in range(len(wanted))]
    maxima = known_rgb.wave_maxima(network, wanted)
    for velocity, result in zip(wanted, maximize(network, units, recipe=recipe, maxima=maxima), strict=True):
        speed = math.hypot(*velocity)
        for shown, notes in zip(result.velocities, result.notes, strict=True):
            u, v = shown.mean((1, 2, 3)).tolist()
            cosine = (u * velocity[0] + v * velocity[1]) / (speed * math.hypot(u, v))
            assert cosine >= math.cos(math.radians(15)), (velocity, u, v)
            assert abs(math.hypot(u, v) - speed) <= 0.25 * speed, (velocity, u, v)
            assert notes == ()


def test_a_network_of_single_frames_is_said_to_have_no_motion_preference(known_rgb: ModuleType) -> None:
    for result in maximize(known_rgb.still_network(0), list("abcd"), recipe=SHIPPED):
        assert all("no motion preference" in notes for notes in result.notes), result.controls
