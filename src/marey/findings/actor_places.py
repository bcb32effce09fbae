"""Where the actor is in recorded clips, on a grid over the frame that takes little memory."""

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from marey.findings.actor_masks import actor_masks
from marey.findings.asking import Shown
from marey.network.stream import Stream
from marey.video.flow.cache import FlowCache
from marey.video.flow.methods import Method
from marey.video.read.ahead import windows_ahead
from marey.video.read.clips import Clip

_GRID = 56
"""Rows and columns."""


@dataclass(frozen=True, eq=False)
class ActorPlaces:
    """Of each clip that could be read: where the actor is at any time of the middle window, and where that starts.

    grids
        {place of the clip: {stream: (row column)}}.
    starts
        {place of the clip: frame}.
    """

    grids: dict[int, dict[str, NDArray[np.bool_]]] = field(default_factory=dict)
    starts: dict[int, int] = field(default_factory=dict)


def actor_places(
    clips: Sequence[Clip],
    streams: Sequence[Stream],
    *,
    flow: Method = "tvl1-fast",
    report: Callable[[int], None] | None = None,
) -> ActorPlaces:
    """Where the actor is in each of `clips`, by `actor_masks`."""
    found = ActorPlaces()
    ahead = windows_ahead(clips, streams, count=1, flow=flow, cache=FlowCache())
    with closing(ahead):
        for number, (clip, made) in enumerate(ahead):
            if not isinstance(made, str):
                shown = Shown(number, clip, made.inputs(streams), torch.Generator(), made.start_frames, made.rate)
                masks = actor_masks(shown, streams)
                found.grids[number] = {name: _grid(mask) for name, mask in masks.of.items()}
                found.starts[number] = made.start_frames[0]
            if report is not None:
                report(1)
    return found


def _grid(mask: Tensor) -> NDArray[np.bool_]:
    anywhere = mask.flatten(0, 2).any(0)[None, None].float()
    return functional.adaptive_max_pool2d(anywhere, _GRID)[0, 0].numpy() > 0
