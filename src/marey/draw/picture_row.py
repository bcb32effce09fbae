"""Appearance and motion as pictures of a readable size, and the legend that says what the colors of motion mean."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor
from torch.nn import functional

from marey.draw.flow_colors import Component, color_wheel, one_component
from marey.draw.typeset import HAIRLINE, QUIET, Block, below, beside, placed, space, text_block
from marey.errors import MareyError
from marey.video.encode import Picture

Contrast = Literal["as is", "stretch"]
Enlarge = Literal["bicubic", "nearest"]


@dataclass(frozen=True, eq=False)
class PictureRow:
    r"""What is to be seen of one unit, for each of its chi (slowness) settings.

    title, subtitle
        the unit's address; its class or layer, as one line.
    appearance
        (chi, 3, time, height, width), RGB in 0..1; None when the network sees only flow.
    motion
        (chi, 2, time, height, width), u and v in px/frame; None when the network sees only RGB.
    chis
        the settings, in any order; they are shown from slow (large) to fast (0).
    captions
        one text for each chi, as in "1.12 of real maximum\nrecognized as run"; or none at all.
    """

    title: str
    subtitle: str = ""
    appearance: Tensor | None = None
    motion: Tensor | None = None
    chis: tuple[float, ...] = (0.0,)
    captions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.appearance is None and self.motion is None:
            raise MareyError(f"'{self.title}' has neither appearance nor motion to draw; give at least one of them.")
        for name, clips, channels in (("appearance", self.appearance, 3), ("motion", self.motion, 2)):
            if clips is None:
                continue
            if clips.ndim != 5 or clips.shape[1] != channels or 0 in clips.shape:
                raise MareyError(
                    f"{name} of '{self.title}' has shape {tuple(clips.shape)}; "
                    f"expected (chi, {channels}, time, height, width)."
                )
            if clips.shape[0] != len(self.chis):
                raise MareyError(
                    f"{name} of '{self.title}' holds {clips.shape[0]} clips for {len(self.chis)} chis; "
                    "give one for each."
                )
        if self.captions and len(self.captions) != len(self.chis):
            raise MareyError(
                f"'{self.title}' has {len(self.captions)} captions for {len(self.chis)} chis; "
                "give one for each, or none."
            )

    @property
    def still(self) -> bool:
        """Whether it is a single picture, of which no slowness need be said."""
        return self.motion is None and self.appearance is not None and self.appearance[:, 0, :, 0, 0].numel() == 1

    @property
    def slow_to_fast(self) -> list[int]:
        """The places of the chis, largest chi first."""
        return sorted(range(len(self.chis)), key=lambda place: -self.chis[place])


def cell_size(height: int, width: int, *, least: int = 112, most: int = 256) -> tuple[int, int]:
    """Height and width at which a clip of this size is shown: enlarged by a whole factor, or shrunk to `most` pixels.

    >>> cell_size(40, 40), cell_size(224, 224), cell_size(270, 480)
    ((120, 120), (224, 224), (144, 256))
    """
    side = max(height, width)
    factor = min(float(-(-least // side)), most / side) if side < least else min(1.0, most / side)
    return max(1, round(height * factor)), max(1, round(width * factor))


def resized(clips: Tensor, size: tuple[int, int], *, enlarge: Enlarge = "bicubic") -> Tensor:
    """The values (..., channel, height, width) at another height and width; the values themselves are not scaled.

    Flow is resized before it is colored, because between two colors of the wheel lies a third direction.
    """
    flat = clips.detach().to("cpu", torch.float32).reshape(-1, *clips.shape[-3:])
    shrinks = size[0] < flat.shape[-2] or size[1] < flat.shape[-1]
    if enlarge == "nearest" and not shrinks:
        flat = functional.interpolate(flat, size=size, mode="nearest-exact")
    elif size != tuple(flat.shape[-2:]):
        least, most = flat.aminmax()  # what the cubic adds beyond would be colored as faster motion
        flat = functional.interpolate(flat, size=size, mode="bicubic", align_corners=False, antialias=shrinks)
        flat = flat.clamp(least, most)
    return flat.reshape(*clips.shape[:-2], *size)


def stretched(clips: Tensor) -> Tensor:
    """RGB clips (clip, 3, time, height, width); of each, the 1st to the 99th percentile fills 0..1."""
    values = torch.nan_to_num(clips.detach().to("cpu", torch.float32))
    flat = values.flatten(1).numpy()
    low, high = (torch.from_numpy(np.quantile(flat, q, axis=1)).float().view(-1, 1, 1, 1, 1) for q in (0.01, 0.99))
    return ((values - low) / (high - low).clamp(min=1e-6)).clamp(0, 1)


def appearance_picture(frames: Tensor, size: tuple[int, int], *, enlarge: Enlarge = "bicubic") -> Picture:
    """RGB frames (..., 3, height, width) in 0..1 as pictures of `size`; values beyond are clipped."""
    values = resized(torch.nan_to_num(frames), size, enlarge=enlarge)
    picture: Picture = (values.clamp(0, 1) * 255).round().to(torch.uint8).movedim(-3, -1).numpy()
    return picture


def strongest_field(motion: Tensor) -> int:
    """The place in time of the field that moves most, in flow of (2, time, height, width)."""
    return int(torch.nan_to_num(motion.detach().float()).square().sum(0).sqrt().mean((-2, -1)).argmax())


def motion_picture(
    fields: Tensor,
    size: tuple[int, int],
    *,
    max_px: float,
    component: Component | None = None,
    enlarge: Enlarge = "bicubic",
) -> Picture:
    """Flow fields (..., 2, height, width) in px/frame as pictures of `size`: the color wheel, or one component."""
    values = resized(fields, size, enlarge=enlarge)
    if component is None:
        return color_wheel(values, max_px=max_px)
    return one_component(values, component, max_px=max_px)


def wheel_disc(diameter: int) -> Block:
    """The color wheel itself: what a pixel that moves from the center to this place would be colored."""
    side = torch.linspace(-1, 1, diameter * 2)
    v, u = torch.meshgrid(side, side, indexing="ij")
    disc = Image.fromarray(color_wheel(torch.stack([u, v]), max_px=1.0))
    radius = torch.hypot(u, v)
    inside = Image.fromarray((radius <= 0.985).to(torch.uint8).mul(255).numpy())
    rim = Image.fromarray((radius <= 1.0).to(torch.uint8).mul(255).numpy())
    page = Image.new("RGB", disc.size, (255, 255, 255))
    page.paste(Image.new("RGB", disc.size, HAIRLINE), (0, 0), rim)
    page.paste(disc, (0, 0), inside)
    return page.resize((diameter, diameter), Image.Resampling.LANCZOS)


def wheel_legend(max_px: float, *, diameter: int = 104, magnitude: bool = True) -> Block:
    """The color wheel with its directions and its scale in px/frame, and the gray scale of the magnitude."""
    words = {word: text_block(word, size=12, color=QUIET) for word in ("up", "down", "left", "right")}
    side = max(words["left"].width, words["right"].width)
    middle = beside(
        [
            placed(words["left"], width=side, height=1, across="end"),
            wheel_disc(diameter),
            placed(words["right"], width=side, height=1, across="start"),
        ],
        gap=6,
        align="center",
    )
    parts = [words["up"], middle, words["down"], space(1, 6), _speed_scale(max_px, diameter)]
    if magnitude:
        parts += [space(1, 8), _magnitude_scale(max_px, diameter)]
    return below(parts, gap=2, align="center")


def _ticks(max_px: float, width: int) -> Block:
    """The numbers 0, half and all of max_px at the start, middle and end of a scale of this width."""
    labels = [text_block(f"{value:g}", size=12, color=QUIET) for value in (0.0, max_px / 2, max_px)]
    over = max(label.width for label in labels) // 2 + 1
    page = space(width + 2 * over, labels[0].height + 5)
    draw = ImageDraw.Draw(page)
    for place, label in zip((0, (width - 1) // 2, width - 1), labels, strict=True):
        draw.line((over + place, 0, over + place, 3), fill=QUIET)
        page.paste(label, (over + place - label.width // 2, 5))
    return page


def _scale(title: str, values: Picture, max_px: float) -> Block:
    bar = Image.fromarray(values)
    ImageDraw.Draw(bar).rectangle((0, 0, bar.width - 1, bar.height - 1), outline=HAIRLINE)
    return below([text_block(title, size=12, color=QUIET), bar, _ticks(max_px, bar.width)], gap=2, align="center")


def _ramp(width: int) -> Tensor:
    u = torch.linspace(0, 1, width).expand(10, width)
    return torch.stack([u, torch.zeros_like(u)])


def _speed_scale(max_px: float, width: int) -> Block:
    return _scale("speed, px/frame", color_wheel(_ramp(width), max_px=1.0), max_px)


def _magnitude_scale(max_px: float, width: int) -> Block:
    return _scale("magnitude, px/frame", one_component(_ramp(width), "magnitude", max_px=1.0), max_px)
