"""The articulated figure: a skeleton in three dimensions, and the places of its joints at given angles."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Angles = Mapping[str, Array]
"""Joint angles in degrees, each (time,), by name; a missing angle is 0.

`hip`, `spread`, `knee`, `ankle` of a leg and `swing`, `raise`, `elbow`, `twist` of an arm end in _r or _l. `lean`,
`roll` and `turn` move the trunk, `nod` the head. `lift` is the height above the ground and `travel` the way forward,
both in statures. `hand_r` and `hand_l` (time 3) are places of the wrists from the middle of the shoulders (forward,
left, up) in statures, which the arm then reaches for; `elbow_out_r` and `_l` (0..1) tell how far out the elbow points.
"""

SIDES = {"r": -1.0, "l": 1.0}


@dataclass(frozen=True)
class Body:
    """Lengths of bones and radii of limbs, in statures."""

    thigh: float = 0.245
    shin: float = 0.235
    foot: float = 0.085
    trunk: float = 0.295
    upper_arm: float = 0.165
    forearm: float = 0.145
    hand: float = 0.05
    shoulders: float = 0.115
    hips: float = 0.052
    head: float = 0.078
    girth: float = 1.0


def _about_left(vector: Array, degrees: Array) -> Array:
    """Rotate vectors (... time 3) about the left axis: hanging ones swing forward."""
    s, c = np.sin(np.radians(degrees)), np.cos(np.radians(degrees))
    f, left, u = vector[..., 0], vector[..., 1], vector[..., 2]
    return np.stack([c * f - s * u, left, s * f + c * u], -1)


def _about_forward(vector: Array, degrees: Array) -> Array:
    """Rotate vectors about the forward axis: hanging ones swing to the left."""
    s, c = np.sin(np.radians(degrees)), np.cos(np.radians(degrees))
    f, left, u = vector[..., 0], vector[..., 1], vector[..., 2]
    return np.stack([f, c * left - s * u, s * left + c * u], -1)


def _about_up(vector: Array, degrees: Array) -> Array:
    """Rotate vectors about the upward axis: forward ones turn to the left."""
    s, c = np.sin(np.radians(degrees)), np.cos(np.radians(degrees))
    f, left, u = vector[..., 0], vector[..., 1], vector[..., 2]
    return np.stack([c * f - s * left, s * f + c * left, u], -1)


def joints(body: Body, angles: Angles, count: int) -> dict[str, Array]:
    """Compute the places of all joints, (time 3) forward, left and up in statures.

    The lowest foot is on the ground, unless `lift` raises it; `travel` moves all joints. "across" and "spine" are the
    axes of the trunk.
    """

    def angle(name: str) -> Array:
        return np.asarray(angles.get(name, 0.0), float)  # (time) or ()

    def axes(*directions: tuple[float, float, float]) -> Array:
        return np.repeat(np.array(directions, float)[:, None], count, 1)  # direction time 3

    def of_trunk(vector: Array) -> Array:
        return _about_forward(_about_left(_about_up(vector, angle("turn")), -angle("lean")), -angle("roll"))

    found = {"pelvis": np.zeros((count, 3))}
    spine, across, ahead = of_trunk(axes((0, 0, 1), (0, 1, 0), (1, 0, 0)))
    found |= {"spine": spine, "across": across, "chest": spine * body.trunk}
    found["neck"] = found["chest"] + spine * 0.01
    found["head"] = found["neck"] + _about_left(spine, -angle("nod")) * (0.03 + body.head)
    for side, sign in SIDES.items():
        (hip,) = axes((0, sign * body.hips, 0))
        spread = sign * angle(f"spread_{side}")
        along, front = _about_forward(_about_left(axes((0, 0, -1), (1, 0, 0)), angle(f"hip_{side}")), spread)
        bend = np.radians(angle(f"knee_{side}"))[..., None]
        shin, shin_front = np.cos(bend) * along - np.sin(bend) * front, np.cos(bend) * front + np.sin(bend) * along
        tilt = np.radians(angle(f"ankle_{side}"))[..., None]
        knee = hip + along * body.thigh
        ankle = knee + shin * body.shin
        toe = np.cos(tilt) * shin_front + np.sin(tilt) * shin
        found |= {f"hip_{side}": hip, f"knee_{side}": knee, f"ankle_{side}": ankle}
        found[f"toe_{side}"] = ankle + toe * body.foot + shin * 0.012

        shoulder = found["chest"] + across * (sign * body.shoulders) - spine * 0.025
        found[f"shoulder_{side}"] = shoulder
        target = angles.get(f"hand_{side}")
        if target is not None:
            target, middle = np.broadcast_to(target, (count, 3)), found["chest"]
            wanted = middle + target[:, :1] * ahead + target[:, 1:2] * across + target[:, 2:] * spine
            out = angle(f"elbow_out_{side}")[..., None]
            hint = -(1 - out) * spine + (0.25 + out) * sign * across - 0.3 * ahead
            elbow, wrist = _reached(shoulder, wanted, hint, body.upper_arm, body.forearm)
        else:
            raised = sign * angle(f"raise_{side}")
            hanging = _about_left(axes((0, 0, -1), (1, 0, 0), (0, -sign, 0)), angle(f"swing_{side}"))
            along, front, inward = of_trunk(_about_forward(hanging, raised))
            twist, bend = np.radians(angle(f"twist_{side}"))[..., None], np.radians(angle(f"elbow_{side}"))[..., None]
            folded = np.cos(twist) * front + np.sin(twist) * inward
            elbow = shoulder + along * body.upper_arm
            wrist = elbow + (np.cos(bend) * along + np.sin(bend) * folded) * body.forearm
        found |= {f"elbow_{side}": elbow, f"wrist_{side}": wrist}
        reach = wrist - elbow
        found[f"hand_{side}"] = wrist + reach / np.linalg.norm(reach, axis=-1, keepdims=True) * body.hand
    feet = np.stack([found[f"{part}_{side}"][:, 2] for part in ("ankle", "toe") for side in SIDES])
    feet[:2] -= 0.012
    rise = angle("lift") - feet.min(0) + 0.02
    moved = np.zeros((count, 3))
    moved[:, 0], moved[:, 2] = angle("travel"), rise
    directions = ("spine", "across")
    return {name: place if name in directions else place + moved for name, place in found.items()}


def _reached(shoulder: Array, wanted: Array, hint: Array, upper: float, lower: float) -> tuple[Array, Array]:
    """Place elbow and wrist of an arm that reaches for `wanted`, its elbow pointing along `hint`."""
    way = wanted - shoulder
    distance = np.linalg.norm(way, axis=-1, keepdims=True)
    reach = np.clip(distance, abs(upper - lower) + 0.01, (upper + lower) * 0.995)
    along = way / np.maximum(distance, 1e-6)
    ahead = (upper**2 - lower**2 + reach**2) / (2 * reach)
    aside = np.sqrt(np.maximum(upper**2 - ahead**2, 0))
    bent = hint - (hint * along).sum(-1, keepdims=True) * along
    bent /= np.maximum(np.linalg.norm(bent, axis=-1, keepdims=True), 1e-6)
    return shoulder + ahead * along + aside * bent, shoulder + reach * along
