"""Actors before the backgrounds of clips of other classes, so that what is around them tells nothing any more."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from marey.findings.actor_masks import ActorMasks
from marey.findings.asking import Inputs, Shown
from marey.findings.filled import filled
from marey.findings.interventions import Change
from marey.network.stream import Stream

KEPT = 12
"""Backgrounds of so many clips that were shown before are in memory. Show so many first whose answers do not count."""

_MARGIN_PX = 2
"""So far around an actor its border reaches."""


@dataclass(frozen=True, eq=False)
class _Background:
    number: int
    label: str | None
    inputs: Inputs


class Backgrounds:
    """The backgrounds of the last clips that were shown, the actors filled by what is around them.

    Clips must come in random order, or a clip's background is always that of the class before.
    """

    def __init__(self, streams: Sequence[Stream], masks: Callable[[Shown], ActorMasks]) -> None:
        self._streams, self._masks = streams, masks
        self._kept: deque[_Background] = deque(maxlen=KEPT)

    def change(self, place: int) -> Change:
        """The actor before the background of another class; different places give different ones.

        Motion of the background comes with it. Where no clip of another class was shown before, nothing changes.
        """

        def change(shown: Shown) -> Inputs:
            self._keep(shown)
            others = [one for one in self._kept if one.label != shown.clip.label]
            if not others:
                return shown.inputs
            order = torch.randperm(len(others), generator=shown.random).tolist()
            behind = others[order[place % len(order)]].inputs
            found = self._masks(shown)
            return {
                one.name: torch.where(found.of[one.name], shown.inputs[one.name], behind[one.name][:1])
                for one in self._streams
            }

        return change

    def _keep(self, shown: Shown) -> None:
        if self._kept and self._kept[-1].number == shown.number:
            return
        found = self._masks(shown)
        if not found.known:
            return  # its actor would be a part of the background
        self._kept.append(
            _Background(
                shown.number,
                shown.clip.label,
                {
                    one.name: filled(shown.inputs[one.name], found.widened(one.name, _MARGIN_PX), rest=one.rest)
                    for one in self._streams
                },
            )
        )
