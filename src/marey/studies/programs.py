"""Programs of a figure: joint angles as functions of the phase of a motion."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from marey.studies.figure import Angles

Array = NDArray[np.float64]
View = Literal["side", "front"]


@dataclass(frozen=True)
class Program:
    """A motion: joint angles from phases in radians (time) and an amplitude near 1, and the view of the camera.

    cycles
        cycles per second at tempo 1.
    view
        "side": 58 to 90 degrees from the front; "front": 4 to 34 degrees.
    """

    angles: Callable[[Array, float], Angles]
    view: View
    cycles: float = 1.0


def _up(phase: Array) -> Array:
    """0 at phase 0, 1 half a cycle later."""
    return (1 - np.cos(phase)) / 2


def _half(wave: Array) -> Array:
    return np.maximum(wave, 0)


def _place(f: Array | float, left: Array | float, u: Array | float) -> Array:
    return np.stack(np.broadcast_arrays(*(np.asarray(value, float) for value in (f, left, u))), -1)


def _both(**angles: Array | float) -> dict[str, Array]:
    return {f"{name}_{side}": np.asarray(value, float) for name, value in angles.items() for side in "rl"}


_STANCE = _both(hip=3, knee=5, spread=7)
_REST = _both(swing=4, elbow=14, **{"raise": 9})


def _standing(**angles: Array | float) -> Angles:
    return {**_STANCE, **_REST, **{name: np.asarray(value, float) for name, value in angles.items()}}


def _gait(
    phase: Array, *, hip: float, lead: float, knee: float, fold: float, arm: float, elbow: float, lean: float
) -> dict[str, Array]:
    """Legs that swing in turn, arms against them; the way forward is what the standing foot takes."""
    found: dict[str, Array] = {"lean": np.asarray(lean), "turn": 5 * np.sin(phase)}
    for side, late in (("r", 0.0), ("l", np.pi)):
        turn = phase + late
        found[f"hip_{side}"] = lead + hip * np.sin(turn)
        found[f"knee_{side}"] = knee + fold * _half(np.cos(turn - 0.25)) ** 1.3
        found[f"ankle_{side}"] = 12 * np.sin(turn + 2.6)
        found[f"swing_{side}"] = -arm * np.sin(turn)
        found[f"elbow_{side}"] = elbow - 0.35 * arm * np.sin(turn)
        found[f"raise_{side}"] = np.asarray(8.0)
    found["travel"] = phase / (2 * np.pi) * 4 * 0.5 * np.sin(np.radians(hip))
    return found


def walk(phase: Array, amplitude: float) -> Angles:
    """Forward, at ease."""
    return _gait(phase, hip=25 * amplitude, lead=3, knee=7, fold=48, arm=25 * amplitude, elbow=20, lean=3)


def walk_backward(phase: Array, amplitude: float) -> Angles:
    """Walking, time running backward: the figure looks where it came from."""
    return walk(-phase, amplitude)


def skip(phase: Array, amplitude: float) -> Angles:
    """A hop on every step, the free knee high, at a walk's pace."""
    found = _gait(phase, hip=25 * amplitude, lead=9, knee=12, fold=62, arm=48 * amplitude, elbow=42, lean=5)
    for side, late in (("r", 0.0), ("l", np.pi)):
        found[f"hip_{side}"] = found[f"hip_{side}"] + 34 * _half(np.sin(phase + late)) ** 2
        found[f"knee_{side}"] = found[f"knee_{side}"] + 45 * _half(np.sin(phase + late + 0.3)) ** 2
    found["lift"] = 0.085 * amplitude * _up(2 * phase - 0.9)
    return found


def run(phase: Array, amplitude: float) -> Angles:
    """Fast, elbows bent, both feet off the ground between steps."""
    found = _gait(phase, hip=40 * amplitude, lead=12, knee=18, fold=82, arm=46 * amplitude, elbow=85, lean=13)
    found["lift"] = 0.035 * _up(2 * phase - 0.6)
    found["travel"] = 1.15 * found["travel"]
    return found


def wave(phase: Array, amplitude: float) -> Angles:
    """One arm up, the forearm to and fro."""
    return _standing(
        raise_r=100 + 4 * np.sin(phase),
        elbow_r=68 + 40 * amplitude * np.sin(phase),
        twist_r=-88,
        roll=2 * np.sin(phase),
    )


def clap(phase: Array, amplitude: float) -> Angles:
    """Both hands before the chest, apart and together."""
    apart = 0.012 + 0.17 * amplitude * _up(phase)
    return _standing(
        hand_r=_place(0.23, -apart, -0.07), hand_l=_place(0.23, apart, -0.07), elbow_out_r=0.35, elbow_out_l=0.35
    )


def jumping_jack(phase: Array, amplitude: float) -> Angles:
    """Arms and legs apart and together, with a hop."""
    out = _up(phase)
    arms = _both(**{"raise": 14 + 145 * amplitude * out}, elbow=10, swing=0)
    legs = _both(spread=4 + 24 * amplitude * out, knee=4 + 14 * _up(2 * phase), hip=2 + 8 * _up(2 * phase))
    return {**arms, **legs, "lift": 0.045 * (1 - np.cos(2 * phase)) / 2}


def jump(phase: Array, amplitude: float) -> Angles:
    """Down into the knees, then up off the ground, arms overhead."""
    down, high = _half(-np.sin(phase)) ** 1.2, _half(np.sin(phase)) ** 0.8
    legs = _both(hip=6 + 55 * down, knee=9 + 90 * down + 14 * high, spread=5, ankle=30 * high)
    arms = _both(swing=-38 * down + 150 * high, elbow=18 + 12 * down, **{"raise": 10})
    return {**legs, **arms, "lean": 4 + 26 * down, "lift": 0.17 * amplitude * high}


def squat(phase: Array, amplitude: float) -> Angles:
    """Knees and hips bent deep and straight again, arms forward, feet on the ground."""
    down = amplitude * _up(phase)
    legs = _both(hip=4 + 82 * down, knee=7 + 100 * down, spread=9, ankle=-20 * down)
    return {**legs, **_both(swing=12 + 72 * down, elbow=8, **{"raise": 6}), "lean": 3 + 26 * down}


def punch(phase: Array, amplitude: float) -> Angles:
    """Fists forward in turn, from a guard."""
    found: dict[str, Array] = {}
    for side, sign in (("r", 1.0), ("l", -1.0)):
        out = _half(sign * np.sin(phase)) ** 0.8
        found[f"hand_{side}"] = _place(0.12 + 0.185 * amplitude * out, sign * (-0.07 + 0.04 * out), 0.0 + 0.005 * out)
        found[f"elbow_out_{side}"] = np.asarray(0.15)
    stance = {"hip_r": -14, "knee_r": 14, "hip_l": 22, "knee_l": 18, "spread_r": 8, "spread_l": 6}
    legs = {name: np.asarray(float(value)) for name, value in stance.items()}
    return {**legs, **found, "turn": 16 * np.sin(phase), "lean": 7 + 3 * np.sin(2 * phase)}


def kick(phase: Array, amplitude: float) -> Angles:
    """One leg back, then high to the front, the arms in balance."""
    swing = np.sin(phase)
    return {
        "hip_r": 24 + 56 * amplitude * swing,
        "knee_r": 12 + 72 * _half(np.cos(phase + 0.5)) ** 1.5,
        "ankle_r": 18 + 0 * phase,
        "hip_l": 4 - 6 * swing,
        "knee_l": 10 + 4 * swing,
        "lean": 4 - 13 * swing,
        "swing_r": -12 - 30 * swing,
        "swing_l": 18 + 34 * swing,
        **_both(elbow=28, **{"raise": 20}),
    }


def throw(phase: Array, amplitude: float) -> Angles:
    """One arm far back and over the shoulder to the front, a step into it."""
    go = np.sin(phase)
    return {
        "swing_r": 122 - 88 * amplitude * go,
        "elbow_r": 62 - 50 * go + 20 * np.cos(phase),
        "raise_r": 14 + 0 * phase,
        "swing_l": 28 + 40 * go * -1,
        "elbow_l": 30 + 0 * phase,
        "raise_l": 16 + 0 * phase,
        "hip_r": -12 - 6 * go,
        "knee_r": 16 - 6 * go,
        "hip_l": 18 + 9 * go,
        "knee_l": 14 + 8 * go,
        "lean": 4 + 14 * go,
        "turn": 18 * go,
    }


BOUNCE_REACH = (0.2, -0.125)
"""Forward and left of the middle of the shoulders: where a bouncing thing goes up and down."""


def bounce(phase: Array, amplitude: float) -> Angles:
    """A hand that pushes a thing to the ground and meets it when it comes back."""
    top = 0.04 * amplitude * np.cos(phase + np.pi)
    hand = _place(BOUNCE_REACH[0] - 0.03, BOUNCE_REACH[1], -0.20 + top)
    return _standing(hand_r=hand, elbow_out_r=0.1, lean=9 + 2 * np.cos(phase), hip_r=10, hip_l=16, knee_r=18, knee_l=20)


def lift_bar(phase: Array, amplitude: float) -> Angles:
    """A bar from the shoulders to over the head."""
    high = -0.06 + 0.34 * amplitude * _up(phase)
    hands = {f"hand_{side}": _place(0.09, sign * 0.17, high) for side, sign in (("r", -1), ("l", 1))}
    return _standing(**hands, elbow_out_r=0.6, elbow_out_l=0.6, spread_r=11, spread_l=11, lean=-2)


def play_bow(phase: Array, amplitude: float) -> Angles:
    """A fiddle at the neck, the other hand's bow across it and back."""
    along = 0.10 * amplitude * np.sin(phase)
    bowing = _place(0.16 - 0.3 * along, -0.06 - 0.9 * along, -0.03 - 0.75 * along)
    return _standing(
        hand_l=_place(0.17, 0.19, 0.0), hand_r=bowing, elbow_out_r=0.7, elbow_out_l=0.1, roll=3 * np.sin(phase), nod=6
    )


def drum(phase: Array, amplitude: float) -> Angles:
    """Two hands that beat a drum at the waist in turn."""
    found: dict[str, Array | float] = {}
    for side, sign in (("r", -1.0), ("l", 1.0)):
        high = _up(phase + (0 if side == "r" else np.pi))
        found[f"hand_{side}"] = _place(0.17 + 0.01 * high, sign * 0.12, -0.245 + 0.15 * amplitude * high)
        found[f"elbow_out_{side}"] = 0.45
    return _standing(**found, lean=3)


def arm_circles(phase: Array, amplitude: float) -> Angles:
    """Both arms straight, round and round, forward over the head."""
    turn = -np.degrees(phase)
    found = _standing(swing_r=turn, swing_l=turn + 18, raise_r=14, raise_l=14, elbow_r=5, elbow_l=5)
    return {**found, "lean": 3 * amplitude * np.sin(phase)}


def groom(phase: Array, amplitude: float) -> Angles:
    """A small tool moved up and down at the mouth."""
    stroke = 0.032 * amplitude * np.sin(phase)
    return _standing(hand_r=_place(0.14, -0.10 + 0.3 * stroke, 0.055 + stroke), elbow_out_r=0.75, nod=3)


PROGRAMS: Mapping[str, Program] = {
    "walk": Program(walk, "side", 0.95),
    "walk_backward": Program(walk_backward, "side", 0.95),
    "skip": Program(skip, "side", 0.95),
    "run": Program(run, "side", 1.35),
    "wave": Program(wave, "front", 1.5),
    "clap": Program(clap, "front", 1.5),
    "jumping_jack": Program(jumping_jack, "front", 1.1),
    "jump": Program(jump, "side", 1.0),
    "squat": Program(squat, "side", 0.8),
    "punch": Program(punch, "side", 1.2),
    "kick": Program(kick, "side", 1.0),
    "throw": Program(throw, "side", 1.0),
    "bounce": Program(bounce, "side", 1.2),
    "lift_bar": Program(lift_bar, "front", 0.8),
    "play_bow": Program(play_bow, "front", 1.2),
    "drum": Program(drum, "front", 1.0),
    "arm_circles": Program(arm_circles, "side", 1.0),
    "groom": Program(groom, "front", 1.6),
}
"""All programs by name."""
