"""The figure in the picture: joints projected by the stage, and limbs as textured parts."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from marey.studies.appearance import head_tile, limb_tile, lit, mixed, pattern, rounded
from marey.studies.factors import Color, Who
from marey.studies.figure import Body
from marey.studies.parts import Part, along, capsule, ellipse, tile_grid, upright

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Stage:
    """An orthographic view: maps places (time 3), forward, left and up in statures, to pixels.

    x, y
        of the ground between the feet, in pixels.
    px
        pixels per stature.
    """

    x: float
    y: float
    px: float
    view_degrees: float
    elevation_degrees: float
    mirrored: bool

    @property
    def sign(self) -> float:
        """-1 in a mirrored picture."""
        return -1.0 if self.mirrored else 1.0

    def right(self, place: Array) -> Array:
        """Measure how far places lie to the right of an unmirrored picture, in statures."""
        angle = np.radians(self.view_degrees)
        return np.asarray(place[..., 0] * np.sin(angle) + place[..., 1] * np.cos(angle))

    def near(self, place: Array) -> Array:
        """Measure how near places are to the camera, in statures."""
        angle = np.radians(self.view_degrees)
        return np.asarray(place[..., 0] * np.cos(angle) - place[..., 1] * np.sin(angle))

    def pixels(self, place: Array) -> Array:
        """Project places to x, y (time 2) of the picture."""
        tilt = np.radians(self.elevation_degrees)
        up = place[..., 2] * np.cos(tilt) - self.near(place) * np.sin(tilt)
        return np.stack([self.x + self.sign * self.px * self.right(place), self.y - self.px * up], -1)


def body_of(who: Who) -> Body:
    """Make the skeleton of a person."""
    return Body(
        thigh=0.245 * who.limbs,
        shin=0.235 * who.limbs,
        upper_arm=0.165 * who.limbs,
        forearm=0.145 * who.limbs,
        trunk=0.295 * (2 - who.limbs),
        shoulders=0.108 * (0.6 + 0.4 * who.girth),
        girth=who.girth,
    )


def figure_parts(body: Body, who: Who, joints: dict[str, Array], stage: Stage) -> list[Part]:
    """Make all parts of the figure, textured for the view of the stage."""
    girth = 0.5 + 0.5 * body.girth
    shin = who.skin if who.shorts else who.trousers
    arm = who.shirt if who.long_sleeves else who.skin
    found = [_trunk(body, who, joints, stage), _head(body, who, joints, stage)]
    limbs: dict[str, tuple[float, float, float, Color, bool, float]] = {  # length, radii, color, of cloth, nearer by
        "neck": (0.06, 0.031, 0.03, who.skin, False, 0.004),
        "foot": (body.foot, 0.026, 0.02, who.shoes, False, 0.012),
        "shin": (body.shin, 0.040 * girth, 0.025 * girth, shin, False, 0.004),
        "thigh": (body.thigh, 0.059 * girth, 0.041 * girth, who.trousers, False, 0.006),
        "hand": (body.hand, 0.021, 0.024, who.skin, False, 0.016),
        "forearm": (body.forearm, 0.029 * girth, 0.021 * girth, arm, who.long_sleeves, 0.014),
        "upper_arm": (body.upper_arm, 0.038 * girth, 0.030 * girth, who.shirt, True, 0.012),
    }
    outlines = {limb: capsule(length, first, last) for limb, (length, first, last, *_) in limbs.items()}
    neck_end = joints["neck"] + 0.35 * (joints["head"] - joints["neck"])
    ends = {("neck", ""): (joints["chest"] - 0.03 * joints["spine"], neck_end)}
    for side in ("_r", "_l"):
        hip, knee, ankle, toe = (joints[name + side] for name in ("hip", "knee", "ankle", "toe"))
        shoulder, elbow, wrist, hand = (joints[name + side] for name in ("shoulder", "elbow", "wrist", "hand"))
        ends[("foot", side)] = ankle + 0.1 * (ankle - toe), toe
        ends |= {("shin", side): (knee, ankle), ("thigh", side): (hip, knee), ("hand", side): (wrist, hand)}
        ends |= {("forearm", side): (elbow, wrist), ("upper_arm", side): (shoulder, elbow)}
    start, end = np.stack(list(ends.values()), 1)  # limb time 3
    length, bias = (np.array([limbs[limb][at] for limb, _ in ends])[:, None] for at in (0, -1))
    poses = along(stage.pixels(start), stage.pixels(end), length[..., None], stage.px)
    depths = (stage.near(start) + stage.near(end)) / 2 + bias
    middle = float(np.mean(stage.near(joints["pelvis"])))
    for place, (limb, side) in enumerate(ends):
        color, is_cloth = limbs[limb][3:5]
        shade = float(np.clip(1 + 1.3 * min(0.0, float(depths[place].mean()) - middle), 0.74, 1.0))
        second = who.shirt_second if is_cloth else None
        tile = limb_tile(outlines[limb], color, place=place, shade=shade, second=second, cloth=who.cloth)
        found.append(Part(limb + side, outlines[limb], poses[place], depths[place], tile))
    return found


_TRUNK = np.array(
    [
        (-0.46, 1.03), (0.46, 1.03), (0.86, 0.99), (1.0, 0.9), (0.96, 0.74), (0.84, 0.5), (0.82, 0.32), (0.9, 0.12),
        (0.9, -0.05), (0.5, -0.17), (-0.5, -0.17), (-0.9, -0.05), (-0.9, 0.12), (-0.82, 0.32), (-0.84, 0.5),
        (-0.96, 0.74), (-1.0, 0.9), (-0.86, 0.99),
    ]
)  # fmt: skip


def _trunk(body: Body, who: Who, joints: dict[str, Array], stage: Stage) -> Part:
    low, high = stage.pixels(joints["pelvis"]), stage.pixels(joints["chest"])
    spine = high - low
    size = np.linalg.norm(spine, axis=-1, keepdims=True)
    shown = np.maximum(size, 0.45 * body.trunk * stage.px)
    unit = spine / np.maximum(size, 1e-6)
    facing = stage.right(joints["across"])  # 1 from the front, 0 from the side
    half = np.hypot(1.12 * body.shoulders * facing, 0.072 * body.girth * np.sqrt(np.maximum(1 - facing**2, 0)))
    aside = np.stack([-unit[:, 1], unit[:, 0]], -1) * (half * stage.px * stage.sign)[:, None]
    poses = np.stack([aside, unit * shown, low], -1)
    x, y = tile_grid(_TRUNK)
    share = pattern(who.cloth, y * body.trunk, x * float(half.mean()))
    colors = mixed(who.shirt, who.shirt_second, share)
    belt = np.clip((0.13 - y) * 14, 0, 1)[..., None]
    colors = colors + belt * (np.array(who.trousers) - colors)
    light = rounded(x * stage.sign, depth=0.34) * (0.93 + 0.09 * y)
    return Part(
        "trunk",
        _TRUNK,
        poses,
        stage.near(joints["chest"]) * 0.5 + stage.near(joints["pelvis"]) * 0.5,
        lit(colors, light, place=20),
    )


def _head(body: Body, who: Who, joints: dict[str, Array], stage: Stage) -> Part:
    outline = ellipse(body.head * 0.84, body.head)
    if who.hair_style in ("bun", "cap"):
        outline = _with_bump(outline, body.head, who.hair_style)
    top, neck = stage.pixels(joints["head"]), stage.pixels(joints["neck"])
    up = top - neck
    turn = np.arctan2(up[:, 0], -up[:, 1])
    poses = upright(top, stage.px, turn=turn, squeeze=stage.sign)
    poses[:, :, 1] *= -1  # y up, as the face is painted
    depth = stage.near(joints["head"]) + 0.012
    return Part("head", outline, poses, depth, head_tile(outline, who, stage.view_degrees))


def _with_bump(outline: Array, radius: float, style: str) -> Array:
    """Add a bun at the back of the head's top, or the peak of a cap at the front, to its outline."""
    turn = np.arctan2(outline[:, 1], outline[:, 0])
    at, out = (2.25, 0.34) if style == "bun" else (0.42, 0.30)
    grown = 1 + out * np.exp(-(((turn - at) / 0.26) ** 2))
    return outline * grown[:, None]
