"""Factors drawn from a seed, so that clips of all classes share actors and scenes."""

from typing import Literal

import numpy as np

from marey.studies.appearance import drawn_who
from marey.studies.classes import DISC_COLORS, study_class
from marey.studies.difficulty import Difficulty
from marey.studies.factors import PLACES, Factors, How, Setting, What, Where
from marey.studies.programs import PROGRAMS

FLOAT_CYCLES = 1.1  # per second at tempo 1
Purpose = Literal["who", "where", "how", "thing", "scenery", "camera", "noise"]
_PURPOSES: tuple[Purpose, ...] = ("who", "where", "how", "thing", "scenery", "camera", "noise")


def generator(seed: int, index: int, purpose: Purpose) -> np.random.Generator:
    """Make random numbers for one purpose of one clip; they are the same for all classes."""
    return np.random.default_rng([seed, index, _PURPOSES.index(purpose)])


def drawn_factors(label: str, seed: int, index: int, setting: Setting, difficulty: Difficulty) -> Factors:
    """Draw the factors of a clip, except the camera's `follow` and the measured speed, which its frames decide."""
    study = study_class(label)
    moves = generator(seed, index, "how")
    speed, phase, amplitude, coin = moves.random(4)
    slow, fast = study.tempo
    floats = study.program == "float"
    cycles = FLOAT_CYCLES if floats else PROGRAMS[study.program].cycles
    how = How(
        float(cycles * slow * (fast / slow) ** speed), float(phase), float(study.amplitude * (0.85 + 0.3 * amplitude))
    )
    if floats:
        warm = bool(coin < 0.5)
        upright = warm == (label == "conjunction_one")
        what = What(label, "float", study.thing, DISC_COLORS[warm], "up-down" if upright else "left-right")
    else:
        color = study.colors[int(coin * len(study.colors))] if study.thing is not None else None
        what = What(label, study.program, study.thing, color, None)
    return Factors(
        seed,
        index,
        setting,
        drawn_who(generator(seed, index, "who")),
        what,
        _where(label, seed, index, setting, difficulty),
        how,
    )


def _where(label: str, seed: int, index: int, setting: Setting, difficulty: Difficulty) -> Where:
    study = study_class(label)
    draw = generator(seed, index, "where")
    place = PLACES[draw.integers(len(PLACES))]
    other = PLACES[draw.integers(len(PLACES) - 1)]  # never the last one, the meadow
    view, elevation, mirror, x, y, logo, clutter, hidden, which, noise = draw.random(10)
    pan = difficulty.pan_px * np.array([1.0, 0.35]) * draw.uniform(-1, 1, 2)
    has_logo = bool(logo < 0.15)
    if setting == "biased":
        place = study.biased_place if study.biased_place is not None else place
        place = other if place == study.biased_away else place
        has_logo = study.biased_logo if study.biased_logo is not None else has_logo
    side = study.program != "float" and PROGRAMS[study.program].view == "side"
    return Where(
        place=place,
        logo=has_logo,
        view_degrees=float(58 + 32 * view if side else 4 + 30 * view),
        elevation_degrees=float(3 + 12 * elevation),
        mirrored=bool(mirror < 0.5),
        x=float(0.5 + 0.12 * (2 * x - 1)),
        y=float(0.85 + 0.08 * y),
        pan_px_per_frame=(float(pan[0]), float(pan[1])),
        shake_px=difficulty.shake_px,
        follow=0.0,
        clutter=round(difficulty.clutter * (0.3 + 0.7 * clutter)),
        occluded_by=("post" if which < 0.5 else "box") if hidden < difficulty.occluders else None,
        noise=float(difficulty.noise * noise),
    )
