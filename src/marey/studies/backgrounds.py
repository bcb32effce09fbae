"""Places that clips are set in, from a plain studio to a cluttered room, a street or a meadow."""

import numpy as np
from numpy.typing import NDArray

from marey.studies.appearance import as_bytes, grain, soft
from marey.studies.factors import Color, Place
from marey.video.raster import fill, sixteenths

Array = NDArray[np.float64]

_WALLS = ((0.86, 0.83, 0.76), (0.74, 0.79, 0.80), (0.80, 0.72, 0.66), (0.66, 0.72, 0.66), (0.70, 0.68, 0.76))
_FLOORS = ((0.55, 0.43, 0.32), (0.45, 0.42, 0.40), (0.62, 0.56, 0.48), (0.38, 0.33, 0.30))
_SHAPES = (
    (0.75, 0.35, 0.28), (0.32, 0.45, 0.62), (0.85, 0.72, 0.42), (0.36, 0.50, 0.38), (0.55, 0.42, 0.55),
    (0.88, 0.87, 0.84), (0.25, 0.25, 0.28), (0.65, 0.55, 0.44),
)  # fmt: skip


def background(
    place: Place, *, clutter: int, ground: float, size: int, margin: tuple[int, int], generator: np.random.Generator
) -> NDArray[np.uint8]:
    """Paint a picture of a place, `margin` (rows, columns) wider than the frame of `size` on every side.

    `ground` is the row of the frame on which the actor stands.
    """
    height, width = size + 2 * margin[0], size + 2 * margin[1]
    horizon = margin[0] + ground - generator.uniform(0.07, 0.2) * size
    rows = np.arange(height)[:, None]
    below = np.clip(rows - horizon + 0.5, 0, 1)
    near = np.clip((rows - horizon) / (height - horizon), 0, 1)
    above = np.clip(rows / horizon, 0, 1)
    rough = _grain(height, width, generator)
    if place == "meadow":
        upper = _ramp((0.56, 0.74, 0.90), (0.86, 0.92, 0.94), above) + 0.015 * rough
        blades = _grain(height, width, generator, stretch=3)
        grass = _ramp((0.42, 0.58, 0.28), (0.25, 0.46, 0.16), near)
        lower = grass * (1 + (0.10 + 0.12 * near[..., None]) * blades)
    else:
        wall = np.array(_WALLS[generator.integers(len(_WALLS))]) + generator.normal(0, 0.04, 3)
        floor = np.array(_FLOORS[generator.integers(len(_FLOORS))]) + generator.normal(0, 0.04, 3)
        if place == "street":
            wall, floor = np.array([0.80, 0.84, 0.87]), np.array([0.44, 0.44, 0.45]) + generator.normal(0, 0.02)
        if place == "studio":
            floor, below = 0.93 * wall, np.clip((rows - horizon) / (0.12 * size), 0, 1)
        tilt = (np.arange(width) / width - 0.5) * generator.uniform(-0.12, 0.12)
        light = 1.06 - 0.14 * above + tilt
        upper = wall * light[..., None] + 0.014 * rough
        lower = floor * (0.92 + 0.16 * near)[..., None] * (1 + 0.045 * _grain(height, width, generator, stretch=-4))
    picture = as_bytes(upper + below[..., None] * (lower - upper))
    for shapes, colors, blur in _scenery(place, clutter, horizon, size=size, width=width, generator=generator):
        picture = _painted(picture, shapes, colors, blur)
    return picture


def _ramp(first: Color, last: Color, share: Array) -> Array:
    return np.asarray(np.array(first) + share[..., None] * (np.array(last) - np.array(first)))


def _grain(height: int, width: int, generator: np.random.Generator, *, stretch: int = 1) -> Array:
    """Cut noise (height width 1) from the fixed sheet; `stretch` above 1 makes it taller, below -1 wider."""
    row, column = generator.integers(256, size=2)
    rows, columns = np.arange(height), np.arange(width)
    if stretch > 1:
        rows = rows // stretch
    elif stretch < -1:
        columns = columns // -stretch
    return np.asarray(grain().take((rows + row) % 256, 0).take((columns + column) % 256, 1)[..., None])


Layer = tuple[list[Array], list[Array], float]


def _scenery(
    place: Place, clutter: int, horizon: float, *, size: int, width: int, generator: np.random.Generator
) -> list[Layer]:
    """Draw layers of shapes, first of the place, then of the clutter: (shapes, colors, blur in pixels)."""

    def color(spread: float = 0.05) -> Array:
        return np.asarray(
            np.clip(np.array(_SHAPES[generator.integers(len(_SHAPES))]) + generator.normal(0, spread, 3), 0, 1)
        )

    layers: list[Layer] = []
    if place == "meadow":
        bushes = [
            _blob(x, horizon, generator.uniform(0.10, 0.22) * size, generator)
            for x in np.arange(0, width + 1, 0.22 * size)
            + generator.normal(0, 0.06 * size, len(np.arange(0, width + 1, 0.22 * size)))
        ]
        layers.append(
            (bushes, [np.array([0.24, 0.40, 0.24]) * generator.uniform(0.8, 1.2) for _ in bushes], 0.02 * size)
        )
    elif place == "street":
        edges = np.arange(-0.1 * size, width, 0.24 * size)
        houses = [
            _box(x, horizon - generator.uniform(0.35, 0.8) * size, x + generator.uniform(0.2, 0.3) * size, horizon)
            for x in edges
        ]
        layers.append((houses, [np.clip(0.5 * color() + 0.28, 0, 1) for _ in houses], 0.012 * size))
    elif place == "room":
        x, y = generator.uniform(0.0, 0.75) * width, horizon - generator.uniform(0.5, 0.62) * size
        wide, high = generator.uniform(0.16, 0.3) * size, generator.uniform(0.2, 0.3) * size
        pane = 0.02 * size
        frame, glass = np.array([0.95, 0.94, 0.92]), np.array([0.62, 0.76, 0.86]) + generator.normal(0, 0.05, 3)
        window = [_box(x, y, x + wide, y + high), _box(x + pane, y + pane, x + wide / 2 - pane / 2, y + high - pane),
                  _box(x + wide / 2 + pane / 2, y + pane, x + wide - pane, y + high - pane)]  # fmt: skip
        layers.append(
            (
                [*window, _box(-9, horizon - 0.025 * size, width + 9, horizon)],
                [frame, glass, glass, frame],
                0.004 * size,
            )
        )
    if clutter > 0:
        shapes: list[Array] = []
        for _ in range(int(generator.integers(clutter // 2 + 1, clutter + 1))):
            x = generator.uniform(-0.05, 1.05) * width
            wide, high = generator.uniform(0.06, 0.26, 2) * size
            foot = horizon + generator.uniform(-0.02, 0.06) * size
            if generator.random() < 0.45:
                foot = generator.uniform(0.05, 0.9) * horizon
            shape = _box(x, foot - high, x + wide, foot)
            shapes.append(_blob(x, foot - high / 2, wide / 1.6, generator) if generator.random() < 0.4 else shape)
        layers.append((shapes, [color() for _ in shapes], generator.uniform(0.005, 0.022) * size))
    return layers


def _box(left: float, top: float, right: float, bottom: float) -> Array:
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)])


def _blob(x: float, y: float, radius: float, generator: np.random.Generator) -> Array:
    turn = np.linspace(0, 2 * np.pi, 14, endpoint=False)
    reach = radius * generator.uniform(0.75, 1.2, 14)
    return np.stack([x + reach * np.cos(turn), y + reach * np.sin(turn)], -1)


def _painted(picture: NDArray[np.uint8], shapes: list[Array], colors: list[Array], blur: float) -> NDArray[np.uint8]:
    painted, shown = picture.copy(), np.zeros(picture.shape[:2], np.uint8)
    outlines = [sixteenths(shape) for shape in shapes]
    fill(painted, zip(outlines, as_bytes(np.stack(colors)).tolist(), strict=True))
    fill(shown, ((outline, 255) for outline in outlines))
    cover = soft(shown, blur)[..., None].astype(np.float32) / 255
    return (picture * (1 - cover) + soft(painted, blur) * cover + 0.5).astype(np.uint8)


def shadowed(frames: NDArray[np.uint8], feet: Array, px: float, strength: Array) -> None:
    """Darken the ground under `feet` (time 2) in frames (time height width 3), softly, in place."""
    height, width = frames.shape[1:3]
    low = max(0, int(feet[:, 1].min() - 0.09 * px))
    high = min(height, int(feet[:, 1].max() + 0.09 * px) + 1)
    if high <= low:
        return
    across = np.exp(-(((np.arange(width) - feet[:, :1]) / (0.17 * px)) ** 2))
    down = np.exp(-(((np.arange(low, high) - feet[:, 1:]) / (0.035 * px)) ** 2))
    light = 1 - (strength[:, None] * down)[:, :, None] * across[:, None, :]
    frames[:, low:high] = (frames[:, low:high] * light[..., None].astype(np.float32)).astype(np.uint8)
