"""The legend of the color wheel: which color is which direction and which speed."""

import torch
from PIL import Image, ImageDraw
from torch import Tensor

from marey.draw.color_wheel import color_wheel, one_component
from marey.draw.typeset import HAIRLINE, PAPER, QUIET, Block, below, beside, placed, space, text_block
from marey.video.encode import Picture


def wheel_disc(diameter: int) -> Block:
    """Draw the color wheel itself: each place has the color of a pixel that moves there from the center."""
    side = torch.linspace(-1, 1, diameter * 2)
    v, u = torch.meshgrid(side, side, indexing="ij")
    disc = Image.fromarray(color_wheel(torch.stack([u, v]), max_px=1.0))
    radius = torch.hypot(u, v)
    inside = Image.fromarray((radius <= 0.985).to(torch.uint8).mul(255).numpy())
    rim = Image.fromarray((radius <= 1.0).to(torch.uint8).mul(255).numpy())
    page = Image.new("RGB", disc.size, PAPER)
    page.paste(Image.new("RGB", disc.size, HAIRLINE), (0, 0), rim)
    page.paste(disc, (0, 0), inside)
    return page.resize((diameter, diameter), Image.Resampling.LANCZOS)


def wheel_legend(max_px: float, *, diameter: int = 104, magnitude: bool = True) -> Block:
    """Draw the color wheel with its directions and its scale in px/frame, and the gray scale of the magnitude."""
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
