"""The look of surfaces: skin, hair and cloth, shaded as on round limbs, in the tiles of parts."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from marey.studies.factors import CLOTHS, Cloth, Color, Who
from marey.studies.parts import TILE, tile_grid
from marey.video.raster import blurred

Array = NDArray[np.float64]

_SKINS = ((0.96, 0.80, 0.69), (0.90, 0.69, 0.55), (0.78, 0.57, 0.42), (0.60, 0.41, 0.29), (0.42, 0.28, 0.20))
_HAIRS = ((0.10, 0.08, 0.07), (0.27, 0.17, 0.10), (0.48, 0.30, 0.15), (0.80, 0.64, 0.36), (0.62, 0.60, 0.58))
_CLOTHES = (
    (0.80, 0.22, 0.20), (0.93, 0.58, 0.18), (0.95, 0.83, 0.36), (0.30, 0.58, 0.34), (0.17, 0.46, 0.52),
    (0.20, 0.36, 0.66), (0.44, 0.30, 0.58), (0.84, 0.48, 0.56), (0.92, 0.91, 0.87), (0.28, 0.29, 0.33),
)  # fmt: skip
_TROUSERS = ((0.18, 0.22, 0.34), (0.30, 0.37, 0.50), (0.24, 0.23, 0.23), (0.52, 0.44, 0.33), (0.36, 0.30, 0.26))
_SHOES = ((0.14, 0.13, 0.13), (0.88, 0.87, 0.84), (0.60, 0.18, 0.17), (0.36, 0.24, 0.15))


def picked(colors: Sequence[Color], generator: np.random.Generator, *, spread: float = 0.03) -> Color:
    """Pick one of the colors and change it a little."""
    red, green, blue = np.clip(
        np.array(colors[int(generator.integers(len(colors)))]) + generator.normal(0, spread, 3), 0, 1
    )
    return float(red), float(green), float(blue)


def drawn_who(generator: np.random.Generator) -> Who:
    """Draw a random person."""
    styles = ("short", "long", "bun", "cap")
    return Who(
        height=float(generator.uniform(0.62, 0.76)),
        girth=float(generator.uniform(0.85, 1.25)),
        limbs=float(generator.uniform(0.94, 1.06)),
        skin=picked(_SKINS, generator, spread=0.02),
        hair=picked(_HAIRS, generator, spread=0.02),
        hair_style=styles[generator.integers(4)],  # type: ignore[arg-type]
        shirt=picked(_CLOTHES, generator),
        shirt_second=picked(_CLOTHES, generator),
        cloth=CLOTHS[generator.integers(len(CLOTHS))],
        long_sleeves=bool(generator.random() < 0.5),
        trousers=picked(_TROUSERS, generator),
        shorts=bool(generator.random() < 0.25),
        shoes=picked(_SHOES, generator),
    )


@lru_cache(maxsize=1)
def grain() -> Array:
    """Make a fixed sheet (256 256) of smooth noise, mean 0 and deviation 1, that tiles without a seam."""
    noise = np.random.default_rng(5).normal(size=(256, 256))
    fy, fx = np.fft.fftfreq(256)[:, None], np.fft.rfftfreq(256)[None]
    sheet = np.fft.irfft2(np.fft.rfft2(noise) / (np.hypot(fy, fx) + 0.03), s=(256, 256))
    return np.asarray((sheet - sheet.mean()) / sheet.std())


def pattern(cloth: Cloth, x: Array, y: Array, *, pitch: float = 0.07) -> Array:
    """Return the share (0..1) of a cloth's second color at x, y in statures, with soft borders."""
    if cloth == "plain":
        return np.zeros_like(x)
    across, along = np.sin(2 * np.pi * y / pitch), np.sin(2 * np.pi * x / pitch)
    wave = {"stripes": across, "bands": along, "check": across * along * 1.6, "dots": across + along - 1.0}[cloth]
    return np.asarray(np.clip(0.5 + 2.5 * wave, 0, 1))


def rounded(across: Array, *, depth: float = 0.42) -> Array:
    """Return the light on a round limb at -1..1 across it, from a lamp a little to one side."""
    return np.asarray(1.06 - depth * np.clip(np.abs(across + 0.22), 0, 1.25) ** 2.2)


def lit(color: Color | Array, light: Array, *, place: int = 0, rough: float = 0.035) -> NDArray[np.uint8]:
    """Make a tile (32 32 3) from a color and a light, each constant or (32 32), with the grain of the material."""
    row, column = (37 * place) % (256 - TILE), (91 * place) % (256 - TILE)
    roughness = 1 + rough * grain()[row : row + TILE, column : column + TILE]
    return as_bytes(np.asarray(color) * (light * roughness)[..., None])


def mixed(first: Color, second: Color, share: Array) -> Array:
    """Mix colors (... 3), from `first` at share 0 to `second` at share 1."""
    return np.asarray(np.array(first) + share[..., None] * (np.array(second) - np.array(first)))


def as_bytes(values: Array) -> NDArray[np.uint8]:
    """Convert values in 0..1 to bytes in 0..255."""
    return (np.clip(values, 0, 1) * 255 + 0.5).astype(np.uint8)


def limb_tile(
    outline: Array, color: Color, *, place: int, shade: float = 1.0, second: Color | None = None, cloth: Cloth = "plain"
) -> NDArray[np.uint8]:
    """Make the tile of a limb along x, round across y, of one color or of a cloth of two colors."""
    x, y = tile_grid(outline)
    light = shade * rounded(y / np.abs(outline[:, 1]).max())
    colors = np.asarray(color) if second is None else mixed(color, second, pattern(cloth, x, y))
    return lit(colors, light, place=place)


def head_tile(outline: Array, who: Who, view_degrees: float) -> NDArray[np.uint8]:
    """Make the tile of a face with hair, which looks `view_degrees` to the right of the camera; y is up."""
    x, y = tile_grid(outline)
    wide, high = np.abs(outline).max(0)
    x, y = x / wide, y / high
    turn = np.sin(np.radians(view_degrees))
    ahead = 0.92 * turn  # where the middle of the face is
    colors = np.broadcast_to(np.array(who.skin), (TILE, TILE, 3)).copy()
    cheek = np.exp(-(((x - ahead * 0.6 - 0.35) / 0.3) ** 2) - ((y + 0.25) / 0.25) ** 2)
    colors *= 1 - 0.10 * cheek[..., None] * np.array([0.0, 1.0, 1.0])
    line = (
        0.34 - 0.55 * np.abs(turn) * np.clip((ahead * 0.55 - x) * 1.1, 0, 1.6) + 0.10 * np.abs(x - ahead) * (1 - turn)
    )
    hair = np.clip((y - line) * 9 + 0.5, 0, 1)
    if who.hair_style == "long":
        hair = np.maximum(hair, np.clip((np.abs(x - 0.6 * ahead) - 0.72 + 0.2 * turn) * 7, 0, 1) * (x < ahead + 0.2))
    cover = who.shirt if who.hair_style == "cap" else who.hair
    colors += hair[..., None] * (np.array(cover) - colors)
    for eye in (-0.32, 0.32):
        place = np.sin(np.arcsin(np.clip(eye, -1, 1)) + np.radians(view_degrees) * 0.85)
        if np.abs(np.arcsin(eye) + np.radians(view_degrees) * 0.85) < 1.45:
            spot = np.exp(-(((x - place) / 0.10) ** 2) - ((y - 0.02) / 0.12) ** 2)
            colors *= 1 - 0.85 * spot[..., None]
    mouth = np.exp(-(((x - ahead * 0.85) / 0.24) ** 2) - ((y + 0.50) / 0.06) ** 2)
    colors += 0.55 * mouth[..., None] * (np.array([0.62, 0.22, 0.22]) - colors)
    light = 1.06 - 0.30 * np.clip(np.hypot(x + 0.25, y - 0.3), 0, 1.3) ** 2
    return lit(colors, light, place=3, rough=0.02)


def soft(picture: NDArray[np.uint8], sigma_px: float) -> NDArray[np.uint8]:
    """Blur a picture as if out of focus."""
    return blurred(picture, sigma_px) if sigma_px > 0 else picture
