"""Scenes: a clip put together from its factors, which are actor, thing, place, camera and obstacles."""

from dataclasses import replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from marey.studies.actor import Stage, body_of, figure_parts
from marey.studies.appearance import lit
from marey.studies.backgrounds import background, shadowed
from marey.studies.camera import camera_path
from marey.studies.casting import generator
from marey.studies.discs import floating
from marey.studies.factors import Color, Factors
from marey.studies.figure import joints
from marey.studies.parts import Part
from marey.studies.programs import PROGRAMS
from marey.studies.render import Rendered, render_parts
from marey.studies.things import RELEASE, THINGS
from marey.video.raster import moved

Array = NDArray[np.float64]

_ROOM = 0.66  # part of the frame that an actor may cross before the camera follows


def render_scene(factors: Factors, size: int, count: int, rate: float) -> tuple[Factors, Rendered, tuple[str, ...]]:
    """Render `count` frames; return the factors with the camera's `follow`, the frames and the names of the parts."""
    who, where, how = factors.who, factors.where, factors.how
    seed, index = factors.seed, factors.index
    px = who.height * size
    stage = Stage(where.x * size, where.y * size, px, where.view_degrees, where.elevation_degrees, where.mirrored)
    phase = np.asarray(2 * np.pi * (how.phase + how.tempo * np.arange(count) / rate), np.float64)
    travel, shadow = np.zeros(count), None
    if factors.what.program == "float":
        parts = floating(
            factors.what, how, count=count, rate=rate, size=size, generator=generator(seed, index, "thing")
        )
    else:
        body = body_of(who)
        program = PROGRAMS[factors.what.program]
        angles = dict(program.angles(phase, how.amplitude))
        way = np.asarray(angles.get("travel", np.zeros(count)), float)
        angles["travel"] = way - (way[0] + way[-1]) / 2
        travel = stage.sign * px * angles["travel"] * np.sin(np.radians(where.view_degrees))
        found = joints(body, angles, count)
        parts = figure_parts(body, who, found, stage)
        if factors.what.thing is not None:
            if factors.what.thing == "ball":
                release = np.floor((phase - RELEASE) / (2 * np.pi)) * 2 * np.pi + RELEASE
                found["hand_released"] = joints(body, program.angles(release, how.amplitude), count)["hand_r"]
            parts += THINGS[factors.what.thing](found, phase, stage, factors.what)
        ground = found["pelvis"] * np.array([1.0, 1.0, 0.0])
        lift = np.broadcast_to(np.asarray(angles.get("lift", 0.0), float), (count,))
        shadow = stage.pixels(ground), np.asarray(0.42 * np.clip(1 - 2.5 * lift, 0.2, 1))
        crossed = float(np.ptp(travel))
        where = replace(where, follow=max(0.0, 1 - _ROOM * size / crossed) if crossed > 0 else 0.0)
    camera = camera_path(where, travel, size, generator(seed, index, "camera"))
    backdrop = _backdrop(replace(factors, where=where), camera, size)
    if shadow is not None:
        shadowed(backdrop, _seen(camera, shadow[0]), px, shadow[1])
    parts = [replace(part, poses=_before(camera, part.poses)) for part in parts]
    if where.occluded_by is not None:
        parts.append(_obstacle(where.occluded_by, camera, size, generator(seed, index, "scenery")))
    if where.logo:
        parts.append(_logo(count, size))
    drawn = render_parts(parts, backdrop, camera)
    if where.noise > 0:
        _add_noise(drawn.frames, where.noise, generator(seed, index, "noise"))
    names = ("backdrop", *(part.name for part in parts))
    return replace(factors, where=where), drawn, names


def _before(camera: Array, poses: Array) -> Array:
    linear = camera[:, :, :2] @ poses
    linear[:, :, 2] += camera[:, :, 2]
    return np.asarray(linear)


def _seen(camera: Array, places: Array) -> Array:
    return np.asarray(np.einsum("tij,tj->ti", camera[:, :, :2], places) + camera[:, :, 2])


def _backdrop(factors: Factors, camera: Array, size: int) -> NDArray[np.uint8]:
    """Paint the place (time height width 3) as the camera sees it."""
    where = factors.where

    def picture_of(margin: tuple[int, int]) -> NDArray[np.uint8]:
        draw = generator(factors.seed, factors.index, "scenery")
        ground = where.y * size
        return background(where.place, clutter=where.clutter, ground=ground, size=size, margin=margin, generator=draw)

    still = np.array([[1.0, 0, 0], [0, 1.0, 0]])
    if np.array_equal(camera, np.broadcast_to(still, camera.shape)):
        picture = picture_of((0, 0))
        return np.repeat(picture[None], len(camera), 0)
    corners = np.array([(0, 0), (size, 0), (0, size), (size, size)], float)
    reach = np.abs(np.einsum("tij,cj->tci", camera[:, :, :2], corners) + camera[:, None, :, 2] - corners).max((0, 1))
    margin = int(reach[1]) + 2, int(reach[0]) + 2
    picture = picture_of(margin)
    shift = np.array([[1.0, 0, -margin[1]], [0, 1.0, -margin[0]]])
    return np.stack(
        [moved(picture, pose, (size, size)) for pose in _before(camera, np.broadcast_to(shift, camera.shape))]
    )


def _obstacle(kind: str, camera: Array, size: int, draw: np.random.Generator) -> Part:
    """Make a thing nearer to the camera than the actor; it moves a third faster under the pan."""
    x = draw.uniform(0.15, 0.85) * size
    high, half = (1.3, 0.035) if kind == "post" else (draw.uniform(0.18, 0.3), draw.uniform(0.12, 0.22))
    low = 1.15 * size
    outline = np.array([(-half, 0.0), (half, 0.0), (half, -high - 0.2), (-half, -high - 0.2)])
    poses = np.tile(np.array([[size, 0, x], [0, size, low]], float), (len(camera), 1, 1))
    poses = _before(camera, poses)
    center = np.array([(size - 1) / 2, (size - 1) / 2])
    poses[:, :, 2] += 0.3 * (_seen(camera, np.tile(center, (len(camera), 1))) - center)
    color: Color = ((0.42, 0.30, 0.22), (0.35, 0.37, 0.40), (0.50, 0.46, 0.38))[int(draw.integers(3))]
    across = np.linspace(-1, 1, 32)[None, :].repeat(32, 0)
    tile = lit(color, 1.0 - 0.3 * across**2, place=50, rough=0.06)
    return Part(kind, outline, poses, np.full(len(camera), 1e3), tile, actor=False)


def _logo(count: int, size: int) -> Part:
    """Make a mark in the corner, like the logo of a broadcaster."""
    half = 0.055
    turn = np.linspace(0, 2 * np.pi, 20, endpoint=False)
    outline = half * np.stack([np.cos(turn), np.sin(turn)], -1)
    y, x = np.mgrid[-1:1:32j, -1:1:32j]
    ring = np.abs(np.hypot(x, y) - 0.55) < 0.2
    colors = np.where(
        (ring | (np.abs(x) < 0.12))[..., None], np.array([0.98, 0.98, 0.98]), np.array([0.75, 0.12, 0.30])
    )
    pose = np.array([[size, 0, 0.85 * size], [0, size, 0.15 * size]], float)
    tile = lit(colors, np.ones((32, 32)), rough=0.0)
    return Part("logo", outline, np.tile(pose, (count, 1, 1)), np.full(count, 2e3), tile, actor=False)


@lru_cache(maxsize=1)
def _noise_sheet(height: int, width: int) -> NDArray[np.float32]:
    """Noise of deviation 1 that repeats every 256 pixels: a piece (height width 3) may begin at any of those."""
    sheet = np.random.default_rng(11).normal(size=(256, 256, 3)).astype(np.float32)
    return np.pad(sheet, ((0, height), (0, width), (0, 0)), "wrap")


def _add_noise(frames: NDArray[np.uint8], deviation: float, draw: np.random.Generator) -> None:
    """Independent noise on every frame, in place: pieces of a fixed sheet."""
    height, width = frames.shape[1:3]
    sheet = _noise_sheet(height, width)
    for frame, (row, column) in zip(frames, draw.integers(256, size=(len(frames), 2)), strict=True):
        noisy = frame + sheet[row : row + height, column : column + width] * np.float32(255 * deviation)
        frame[:] = np.clip(noisy + 0.5, 0, 255)
