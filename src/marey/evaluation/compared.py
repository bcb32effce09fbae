"""The answers of a network to the same clips under several declarations, and which is right more often."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import comb

import torch
from torch import Tensor

from marey.accelerate.passes import quick_passes
from marey.datasets.skipped_clip import SkippedClip
from marey.errors import NetworkError, VideoError
from marey.evaluation.declarations import Declaration
from marey.evaluation.norm_statistics import NormStatistics, first_norms
from marey.network.network import Network
from marey.network.stream import Stream
from marey.video.flow.cache import FlowCache
from marey.video.flow.methods import Method
from marey.video.read.clips import Clip, LoadedClip, load_clip, starts, stream_inputs

_RAISED = (RuntimeError, ValueError, TypeError, IndexError, AssertionError, NetworkError)
"""What modules raise for tensors that they were not made for."""

_SEEN = ("name", "kind", "times", "height", "width", "bound", "short_side", "rate", "fit", "short_clips", "sampling")
"""Fields that change physical inputs; the others change what the network gets of them."""


@dataclass(frozen=True, eq=False)
class Answers:
    """What a network answered under one declaration.

    scores
        (clip, class).
    distances
        {stream: how far its first batch norm is from the statistics of training}, see `NormStatistics`.
    same_inputs
        whether the declaration shows the clips as the first one does.
    """

    declaration: Declaration
    scores: Tensor
    distances: Mapping[str, float]
    same_inputs: bool


@dataclass(frozen=True)
class Compared:
    """How often two declarations are right on the same clips.

    right, gained, lost
        clips that the other one is right on; those on which it alone is; those on which the first alone is.
    """

    right: int
    gained: int
    lost: int

    @property
    def p(self) -> float:
        """How likely at least so many of the clips that differ would be gained by chance (sign test)."""
        differ = self.gained + self.lost
        return float(sum(comb(differ, count) for count in range(self.gained, differ + 1)) / 2**differ)


def compared(first: Tensor, other: Tensor) -> Compared:
    """Compare which clips (clip, bool) are right under the first declaration and under another.

    >>> compared(torch.tensor([True, False, False]), torch.tensor([True, True, True]))
    Compared(right=3, gained=2, lost=0)
    """
    return Compared(int(other.sum()), int((other & ~first).sum()), int((first & ~other).sum()))


class Answering:
    """A network under several declarations; those under which it does not run are left out."""

    def __init__(
        self, network: Network, declarations: Sequence[Declaration], *, flow: Method, cache: FlowCache
    ) -> None:
        """The first declaration is the one that the others are compared with, and must run."""
        self._network, self._flow, self._cache = network, flow, cache
        self._layer = network.scores if network.classes else network.output
        norms = first_norms(network)
        self._ways: list[tuple[Declaration, Network, NormStatistics]] = []
        for declaration in declarations:
            shown = _shown(network, declaration.streams, self._layer)
            if shown is not None:
                self._ways.append((declaration, shown, NormStatistics(network, norms)))

    def answers(
        self, clips: Sequence[Clip], *, report: Callable[[int, int], None] | None = None
    ) -> tuple[list[Answers], list[Clip], list[SkippedClip]]:
        """The answers to the middle window of each clip, the clips that were read, and those that were skipped."""
        scores: list[list[Tensor]] = [[] for _ in self._ways]
        same = [True for _ in self._ways]
        used: list[Clip] = []
        skipped: list[SkippedClip] = []
        with torch.no_grad(), quick_passes(self._network):
            for number, clip in enumerate(clips):
                try:
                    windows = self._windows(clip)
                except VideoError as error:
                    skipped.append(SkippedClip.of(clip, error))
                    continue
                used.append(clip)
                for place, (window, (_, shown, norms)) in enumerate(zip(windows, self._ways, strict=True)):
                    same[place] &= window is windows[0] or _equal(window, windows[0])
                    with norms.gathering():
                        volume = shown.activations(window, [self._layer])[self._layer]
                    scores[place].append(volume.float().mean((2, 3, 4))[0].cpu())
                if report is not None:
                    report(number + 1, len(clips))
        if not used:
            raise VideoError(f"none of {len(clips)} clips can be used; the first error: {skipped[0].reason}")
        found = [
            Answers(way, torch.stack(rows), norms.distances(), alike and way.about in ("frames", "fit", "short clips"))
            for (way, _, norms), rows, alike in zip(self._ways, scores, same, strict=True)
        ]
        return found, used, skipped

    def _windows(self, clip: Clip) -> list[dict[str, Tensor]]:
        """The middle window of a clip under every declaration; where nothing differs, the same object."""
        loaded: dict[str, LoadedClip] = {}
        made: dict[str, dict[str, Tensor]] = {}
        found = []
        for declaration, _, _ in self._ways:
            streams = declaration.streams
            key = _key(streams, _SEEN)
            if key not in made:
                sizes = _key(streams, ("kind", "height", "width", "short_side", "rate", "fit"))
                if any(stream.kind == "flow" for stream in streams):  # of the window alone, as flow takes long
                    window = stream_inputs(clip, streams, flow=self._flow, cache=self._cache)
                else:
                    if sizes not in loaded:
                        loaded[sizes] = load_clip(clip, streams, flow=self._flow, cache=self._cache)
                    window = loaded[sizes].window(streams, starts(loaded[sizes], streams, 1)[0])
                made[key] = {name: values[None].to(self._network.device) for name, values in window.items()}
            found.append(made[key])
        return found


def _shown(network: Network, streams: Sequence[Stream], layer: str) -> Network | None:
    """The network with other streams, or None where it does not run with them."""
    same = all(one.shape == other.shape for one, other in zip(streams, network.streams, strict=True))
    try:
        if same:
            shown = network.shown(streams)
        else:
            shown = Network(network.module, streams, classes=network.classes, scores=layer, call=network.call)
        with torch.no_grad(), quick_passes(network):
            shown.activations(shown.rest(), [layer])
    except _RAISED:
        return None
    return shown


def _equal(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    return all(values.shape == other[name].shape and torch.equal(values, other[name]) for name, values in one.items())


def _key(streams: Sequence[Stream], names: Sequence[str]) -> str:
    return json.dumps([[getattr(stream, name) for name in names] for stream in streams])
