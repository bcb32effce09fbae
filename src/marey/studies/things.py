"""The things that a figure handles: balls, dumbbell, bar, fiddle, drum, brush, razor."""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from marey.studies.actor import Stage
from marey.studies.appearance import lit, mixed, rounded
from marey.studies.factors import Color, What
from marey.studies.parts import Part, along, capsule, ellipse, tile_grid, upright

Array = NDArray[np.float64]
Joints = dict[str, Array]

_BOW: Color = (0.30, 0.18, 0.10)
_STICK: Color = (0.72, 0.53, 0.33)
_FAR = -1e4  # pixels: where nothing is seen
RELEASE = 0.55  # phase of a throw at which the ball leaves the hand


def _sphere(outline: Array, color: Color, second: Color | None, *, place: int) -> NDArray[np.uint8]:
    x, y = tile_grid(outline)
    radius = np.abs(outline).max()
    x, y = x / radius, y / radius
    share = np.zeros_like(x) if second is None else np.clip(0.5 + 3 * np.sin(2 * np.pi * (0.9 * y + 0.35 * x)), 0, 1)
    light = 1.08 - 0.5 * np.clip(np.hypot(x + 0.3, y + 0.35) - 0.2, 0, 1.2) ** 2
    shine = np.exp(-((x + 0.38) ** 2 + (y + 0.42) ** 2) / 0.03)[..., None]
    colors = mixed(color, color if second is None else second, share)
    return lit(colors + 0.5 * shine * (1 - colors), light, place=place)


def _ball(
    name: str, center: Array, depth: Array, stage: Stage, *, radius: float, color: Color, second: Color | None = None
) -> Part:
    outline = ellipse(radius, radius)
    return Part(name, outline, upright(center, stage.px), depth, _sphere(outline, color, second, place=31))


def _shaft(half: float, weight: float, thick: float, wide: float) -> Array:
    """A bar of length 2 * half along x with a weight at both ends."""
    end = np.array(
        [
            (half - wide, thick),
            (half - wide, weight),
            (half, weight),
            (half, -weight),
            (half - wide, -weight),
            (half - wide, -thick),
        ]
    )
    return np.asarray(np.concatenate([end, -end]) + np.array([half, 0]))


def _metal(outline: Array, weights: Color, *, wide: float, place: int) -> NDArray[np.uint8]:
    x, y = tile_grid(outline)
    low, high = outline[:, 0].min(), outline[:, 0].max()
    at_end = (np.minimum(x - low, high - x) < wide * 1.05).astype(float)
    light = rounded(
        y / np.where(at_end > 0, np.abs(outline[:, 1]).max(), 0.25 * np.abs(outline[:, 1]).max()), depth=0.35
    )
    return lit(mixed((0.72, 0.73, 0.76), weights, at_end), np.clip(light, 0.45, 1.1), place=place)


def _bounced(joints: Joints, phase: Array, stage: Stage, radius: float) -> tuple[Array, Array]:
    """Pixels and depth of a thing between the ground and the hand above it."""
    hand = joints["hand_r"]
    turn = (phase / (2 * np.pi)) % 1.0
    top = float(hand[:, 2].mean()) + 0.02 - radius
    height = radius + (top - radius) * (1 - (2 * turn - 1) ** 2)
    place = np.stack([np.full_like(height, hand[:, 0].mean()), np.full_like(height, hand[:, 1].mean()), height], -1)
    return stage.pixels(place), stage.near(place) + 0.03


def red_ball(joints: Joints, phase: Array, stage: Stage, what: What) -> list[Part]:
    """A ball of one color that bounces under the hand."""
    center, depth = _bounced(joints, phase, stage, 0.062)
    return [_ball("ball", center, depth, stage, radius=0.062, color=_color(what))]


def striped_ball(joints: Joints, phase: Array, stage: Stage, what: What) -> list[Part]:
    """The same ball with stripes."""
    center, depth = _bounced(joints, phase, stage, 0.062)
    return [_ball("ball", center, depth, stage, radius=0.062, color=_color(what), second=(0.95, 0.94, 0.90))]


def dumbbell(joints: Joints, phase: Array, stage: Stage, what: What) -> list[Part]:
    """A dumbbell that moves as the ball does."""
    center, depth = _bounced(joints, phase, stage, 0.062)
    outline = _shaft(0.088, 0.058, 0.016, 0.05) - np.array([0.088, 0])
    return [
        Part("dumbbell", outline, upright(center, stage.px), depth, _metal(outline, _color(what), wide=0.05, place=32))
    ]


def bar(joints: Joints, phase: Array, stage: Stage, what: What) -> list[Part]:
    """A bar with plates, in both hands."""
    middle = (joints["hand_r"] + joints["hand_l"]) / 2
    aside = joints["hand_l"] - joints["hand_r"]
    aside = aside / np.linalg.norm(aside, axis=-1, keepdims=True) * 0.36
    outline = _shaft(0.36, 0.085, 0.011, 0.045)
    poses = along(stage.pixels(middle - aside), stage.pixels(middle + aside), 0.72, stage.px)
    return [Part("bar", outline, poses, stage.near(middle) + 0.02, _metal(outline, _color(what), wide=0.045, place=33))]


def fiddle(joints: Joints, phase: Array, stage: Stage, what: What) -> list[Part]:
    """A fiddle between neck and left hand, and its bow in the right one."""
    start = joints["shoulder_l"] + 0.25 * (joints["neck"] - joints["shoulder_l"]) + np.array([0.06, 0, 0.04])
    way = joints["hand_l"] - start
    end = start + way / np.linalg.norm(way, axis=-1, keepdims=True) * 0.30
    upper = np.array(
        [
            (0, 0.03),
            (0.02, 0.062),
            (0.06, 0.066),
            (0.085, 0.042),
            (0.11, 0.054),
            (0.145, 0.046),
            (0.165, 0.012),
            (0.30, 0.011),
        ]
    )
    outline = np.concatenate([upper, upper[::-1] * np.array([1, -1])])
    x, y = tile_grid(outline)
    hole = np.exp(-(((x - 0.09) / 0.02) ** 2) - ((np.abs(y) - 0.022) / 0.008) ** 2)
    colors = mixed(_color(what), (0.13, 0.08, 0.06), np.maximum(hole, (x > 0.165).astype(float)))
    tile = lit(colors, rounded(y / 0.07, depth=0.3), place=34)
    found = [
        Part(
            "fiddle",
            outline,
            along(stage.pixels(start), stage.pixels(end), 0.30, stage.px),
            stage.near(start) + 0.05,
            tile,
        )
    ]
    direction = np.array([0.3, 0.9, 0.75]) / np.linalg.norm([0.3, 0.9, 0.75])
    low = joints["hand_r"] - 0.03 * direction
    return [*found, _stick("bow", low, low + 0.36 * direction, stage, length=0.36, radius=0.009, color=_BOW, bias=0.12)]


def drum(joints: Joints, phase: Array, stage: Stage, what: What) -> list[Part]:
    """A drum before the waist, with two sticks."""
    center = joints["pelvis"] + np.array([0.17, 0.0, 0.0])
    half, high = 0.115, 0.13
    turn = np.linspace(0, np.pi, 9)
    lower = np.stack([half * np.cos(turn), high + 0.03 * np.sin(turn)], -1)
    outline = np.concatenate([lower, [(-half, 0.0), (half, 0.0)]])
    x, y = tile_grid(outline)
    rim = ((y < 0.022) | (y > high - 0.012)).astype(float)
    lace = np.clip(1.4 - 9 * np.abs(np.abs(((x / half * 2.0) % 1.0) - 0.5) - 0.5 * y / high), 0, 1)
    colors = mixed(_color(what), (0.93, 0.89, 0.78), np.maximum(rim, 0.85 * lace))
    body = Part(
        "drum",
        outline,
        upright(stage.pixels(center), stage.px),
        stage.near(center),
        lit(colors, rounded(x / half), place=35),
    )
    skin = ellipse(half, 0.032)
    sx, _ = tile_grid(skin)
    top = Part(
        "drum_skin",
        skin,
        upright(stage.pixels(center), stage.px),
        stage.near(center) + 0.001,
        lit((0.95, 0.92, 0.84), 1.0 - 0.15 * np.abs(sx / half), place=36),
    )
    sticks = [
        _stick(
            f"stick_{side}",
            joints[f"hand_{side}"],
            joints[f"hand_{side}"] + np.array([0.10, -sign * 0.07, -0.03]),
            stage,
            length=0.13,
            radius=0.011,
            color=_STICK,
            bias=0.2,
        )
        for side, sign in (("r", -1.0), ("l", 1.0))
    ]
    return [body, top, *sticks]


def brush(joints: Joints, phase: Array, stage: Stage, what: What) -> list[Part]:
    """A toothbrush: a handle, and bristles on one side of its end."""
    outline = np.array([(0, -0.009), (0.135, -0.009), (0.135, 0.026), (0.09, 0.026), (0.09, 0.009), (0, 0.009)])
    x, y = tile_grid(outline)
    colors = mixed(_color(what), (0.97, 0.97, 0.97), ((x > 0.085) & (y > 0.002)).astype(float))
    return [_tool("brush", outline, colors, joints, stage)]


def razor(joints: Joints, phase: Array, stage: Stage, what: What) -> list[Part]:
    """A razor: the same handle, and a small metal head across its end."""
    outline = np.array(
        [
            (0, -0.009),
            (0.115, -0.009),
            (0.115, -0.024),
            (0.135, -0.024),
            (0.135, 0.024),
            (0.115, 0.024),
            (0.115, 0.009),
            (0, 0.009),
        ]
    )
    x, _ = tile_grid(outline)
    colors = mixed(_color(what), (0.80, 0.82, 0.86), (x > 0.112).astype(float))
    return [_tool("razor", outline, colors, joints, stage)]


def _tool(name: str, outline: Array, colors: Array, joints: Joints, stage: Stage) -> Part:
    start = joints["hand_r"] - np.array([0.0, 0.02, 0.01])
    mouth = joints["head"] + np.array([0.085, 0.0, -0.04])
    way = mouth - start
    end = start + way / np.linalg.norm(way, axis=-1, keepdims=True) * 0.135
    poses = along(stage.pixels(start), stage.pixels(end), 0.135, stage.px, least=0.75)
    return Part(name, outline, poses, stage.near(start) + 0.15, lit(colors, np.ones(colors.shape[:2]), place=37))


def thrown_ball(joints: Joints, phase: Array, stage: Stage, what: What) -> list[Part]:
    """A ball that leaves the hand and the picture; the next throw has another."""
    radius = 0.042
    cycle = phase / (2 * np.pi)
    flown = (cycle - RELEASE / (2 * np.pi)) % 1.0  # cycles since the last release
    in_hand = flown > 0.55
    flight = joints["hand_released"] + np.stack([2.9 * flown, 0 * flown, 0.55 * flown - 1.6 * flown**2], -1)
    place = np.where(in_hand[:, None], joints["hand_r"] + np.array([0.02, 0.0, 0.02]), flight)
    center = stage.pixels(place)
    gone = ~in_hand & (flown > 0.5)
    center[gone] = _FAR
    return [_ball("ball", center, stage.near(place) + 0.05, stage, radius=radius, color=_color(what))]


THINGS: Mapping[str, Callable[[Joints, Array, Stage, What], list[Part]]] = {
    "red_ball": red_ball,
    "striped_ball": striped_ball,
    "dumbbell": dumbbell,
    "bar": bar,
    "fiddle": fiddle,
    "drum": drum,
    "brush": brush,
    "razor": razor,
    "ball": thrown_ball,
}
"""All things by name; each is a function that makes the parts of the thing."""


def _stick(
    name: str, start: Array, end: Array, stage: Stage, *, length: float, radius: float, color: Color, bias: float
) -> Part:
    outline = capsule(length, radius, radius, points=4)
    _, y = tile_grid(outline)
    poses = along(stage.pixels(start), stage.pixels(end), length, stage.px)
    return Part(name, outline, poses, stage.near(start) + bias, lit(color, rounded(y / radius, depth=0.3), place=39))


def _color(what: What) -> Color:
    assert what.thing_color is not None  # every thing has one
    return what.thing_color
