"""The color of backgrounds and of areas of the picture, which names what a class is known by: a green background."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from marey.findings.actor_masks import ActorMasks
from marey.findings.asking import Inputs, Shown
from marey.findings.picture_areas import AREAS, area_of
from marey.network.stream import Stream

_SEEN = 0.04
"""Of the range of RGB: smaller differences have no word."""

_WORDS = {
    (True, False, False): "more red",
    (False, True, False): "more green",
    (False, False, True): "more blue",
    (True, True, False): "more yellow",
    (False, True, True): "more cyan",
    (True, False, True): "more magenta",
}


ABOVE, BELOW = "background above", "background below"
"""The halves of the background, as skies and grounds differ."""


class SeenColors:
    """A change that changes nothing, and keeps the mean color of every cue that is a part of the picture."""

    def __init__(self, streams: Sequence[Stream], masks: Callable[[Shown], ActorMasks] | None) -> None:
        self._stream = next((one for one in streams if one.kind == "rgb"), None)
        self._masks = masks
        self.of: dict[int, dict[str, NDArray[np.float64]]] = {}
        """{number of the clip: {cue: (red, green, blue)}}."""

    def __call__(self, shown: Shown) -> Inputs:
        one = self._stream
        if one is not None:
            still = shown.inputs[one.name].mean((0, 2))  # channel height width
            areas = {name: area_of(name, one.height, one.width) for name in AREAS}
            if self._masks is not None:
                background = ~self._masks(shown).of[one.name].flatten(0, 2).any(0)
                lower = torch.arange(one.height)[:, None] >= one.height // 2
                areas |= {ABOVE: background & ~lower, BELOW: background & lower}
            self.of[shown.number] = {
                name: still[:, area].mean(1).double().numpy() for name, area in areas.items() if bool(area.any())
            }
        return shown.inputs


def color_word(own: Sequence[NDArray[np.float64]], others: Sequence[NDArray[np.float64]]) -> str | None:
    """How the mean of some colors differs from that of others, in words; None where nobody would see it.

    >>> color_word([np.array([0.45, 0.6, 0.45])], [np.array([0.5, 0.5, 0.5])])
    'more green'
    """
    if not own or not others:
        return None
    difference = np.mean(own, axis=0) - np.mean(others, axis=0)
    brighter = float(difference.mean())
    tint = difference - brighter
    words = []
    if abs(brighter) >= _SEEN:
        words.append("brighter" if brighter > 0 else "darker")
    if np.abs(tint).max() >= _SEEN:
        red, green, blue = (bool(part > 0) for part in tint)
        words.append(_WORDS[(red, green, blue)])
    return " and ".join(words) or None
