"""The stimulus of the conjunction experiment: discs that flit along one axis, and live too briefly to be followed."""

import numpy as np
from numpy.typing import NDArray

from marey.studies.appearance import lit
from marey.studies.factors import Color, How, What
from marey.studies.parts import Part, ellipse, tile_grid, upright

Array = NDArray[np.float64]

WARM: Color = (0.85, 0.38, 0.20)
COOL: Color = (0.19, 0.566, 0.97)
"""`WARM` and `COOL` are the same gray: a flow estimator cannot tell them apart."""

LIFE = 5
"""Lifetime of a disc in frames: two pictures that are `LIFE` or more frames apart share no disc."""

_DISCS = 9
_BEYOND = 0.2  # how far beyond the frame discs live, as a part of it: more than a radius and half a life's way
_REACH = 0.11  # half of the way to and fro at tempo 1, as a part of the frame


def floating(what: What, how: How, *, count: int, rate: float, size: int, generator: np.random.Generator) -> list[Part]:
    """Make discs of one color that move along one axis, either way; each lives for `LIFE` frames in one place.

    Neither one picture nor several that are `LIFE` or more frames apart tell the axis: whatever its velocity and age,
    the place of a disc is uniform over the frame and around it, and every life has a place of its own. There is no blur
    and no shadow.
    """
    speed = 4 * _REACH * how.amplitude * how.tempo / rate * size
    along = np.array([0.0, 1.0]) if what.axis == "up-down" else np.array([1.0, 0.0])
    radius = generator.uniform(0.07, 0.10) * size
    color = what.thing_color
    assert color is not None  # discs have one
    outline = ellipse(1.0, 1.0)
    tile = disc_tile(outline, color)
    time = np.arange(count)
    parts = []
    for disc in range(_DISCS):
        for birth in range(-int(generator.integers(LIFE)), count, LIFE):
            center = generator.uniform(-_BEYOND, 1 + _BEYOND, 2) * size
            age = time - birth - (LIFE - 1) / 2
            places = center + (speed * generator.choice([-1.0, 1.0]) * age)[:, None] * along
            poses = upright(places, radius, turn=generator.uniform(0, 2 * np.pi))
            shown = (time >= birth) & (time < birth + LIFE)
            parts.append(Part(f"disc_{disc}", outline, poses, np.full(count, float(disc)), tile, shown=shown))
    return parts


def disc_tile(outline: Array, color: Color) -> NDArray[np.uint8]:
    """Make the tile of a disc with rings and spokes in two tones of a color; `WARM` and `COOL` are the same in gray."""
    x, y = tile_grid(outline)
    radius, angle = np.hypot(x, y), np.arctan2(y, x)
    rings = np.clip(0.5 + 2 * np.sin(9 * radius) * np.sign(np.sin(3 * angle)), 0, 1)
    return lit(color, 1.0 - 0.42 * rings - 0.18 * np.clip(radius, 0, 1) ** 4, place=38, rough=0.0)
