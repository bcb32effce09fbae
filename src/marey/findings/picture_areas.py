"""Corners and the border of the picture, where logos and black bars are: filled by what is around them, or alone."""

from collections.abc import Sequence

import torch
from torch import Tensor

from marey.findings.asking import Inputs, Shown
from marey.findings.filled import filled
from marey.findings.interventions import Change
from marey.network.stream import Stream

_CORNER = 0.25
"""Of height and width."""

_BORDER = 0.125
"""Of height and width, on each side."""

_CORNERS = {"upper left corner": (0, 0), "upper right corner": (0, 1), "lower left corner": (1, 0)} | {
    "lower right corner": (1, 1)
}

AREAS = (*_CORNERS, "border")
"""The areas by name."""


def area_of(name: str, height: int, width: int) -> Tensor:
    """Where an area is (height width)."""
    found = torch.zeros(height, width, dtype=torch.bool)
    if name == "border":
        found[:] = True
        y, x = round(_BORDER * height), round(_BORDER * width)
        found[y : height - y, x : width - x] = False
        return found
    down, right = _CORNERS[name]
    y, x = max(1, round(_CORNER * height)), max(1, round(_CORNER * width))
    found[height - y if down else 0 :, width - x if right else 0 :][:y, :x] = True
    return found


def area_share(name: str) -> float:
    """What part of the picture an area is."""
    return 1 - (1 - 2 * _BORDER) ** 2 if name == "border" else _CORNER**2


def area_filled(streams: Sequence[Stream], name: str) -> Change:
    """All streams with an area filled by what is around it."""

    def change(shown: Shown) -> Inputs:
        made = {}
        for one in streams:
            values = shown.inputs[one.name]
            area = area_of(name, one.height, one.width).expand(len(values), 1, one.frames, -1, -1)
            made[one.name] = filled(values, area, rest=one.rest)
        return made

    return change


def area_only(streams: Sequence[Stream], name: str) -> Change:
    """All streams at rest outside an area."""

    def change(shown: Shown) -> Inputs:
        return {
            one.name: torch.where(area_of(name, one.height, one.width), shown.inputs[one.name], one.rest)
            for one in streams
        }

    return change
