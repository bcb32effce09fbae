"""What an input is held against: itself without motion, its frames in random order, and how much flow explains."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from marey.network.stream import Stream
from marey.video.flow.explained import explained_by_flow

STILL, SHUFFLED, FREE = "still picture", "random order", "free clip"
EXPLAINED, FREE_EXPLAINED = "explained by flow", "free clip explained by flow"

_STILLS = 8
"""Most frames that are tried as still pictures. Where all are tried, the best one is at least as good as the mean over
frames, so that a unit that sees each frame alone is known."""

Score = Callable[[Mapping[str, Tensor]], Tensor]
"""The scores (clip) of inputs {stream: (clip channel time height width)}."""


@dataclass(frozen=True)
class Controls:
    """Of every input (clip) its score without motion, and by name all that it is held against."""

    unmoved: Tensor
    named: tuple[dict[str, float], ...]


def controls(frames: Mapping[str, Tensor], streams: Mapping[str, Stream], score: Score) -> Controls:
    """What inputs that see motion are held against: without flow, or where RGB alone is seen, as still pictures."""
    count = len(next(iter(frames.values())))
    if any(stream.kind == "flow" for stream in streams.values()):
        rest = {
            name: video if streams[name].kind == "rgb" else torch.full_like(video, streams[name].rest)
            for name, video in frames.items()
        }
        return Controls(score(rest), ({},) * count)
    places = torch.linspace(0, 1, min(_STILLS, max(video.shape[2] for video in frames.values()))).tolist()
    stills = torch.stack([score(_still(frames, place)) for place in places]).nan_to_num(0.0, 0.0, 0.0)
    unmoved = stills.amax(0)
    shuffled = score({name: video[:, :, _order(video.shape[2])] for name, video in frames.items()})
    longest = max(frames.values(), key=lambda video: video.shape[2])
    named = []
    for place in range(count):
        found = {STILL: float(unmoved[place]), SHUFFLED: float(shuffled[place].nan_to_num(0.0, 0.0, 0.0))}
        flow = explained_by_flow(longest[place])
        named.append(found if flow is None else {**found, EXPLAINED: flow})
    return Controls(unmoved, tuple(named))


def as_free(found: Mapping[str, float], score: float) -> dict[str, float]:
    """What the controls and the score of a free clip are called beside an input that it is compared with."""
    flow = found.get(EXPLAINED)
    return {FREE: score} if flow is None else {FREE: score, FREE_EXPLAINED: flow}


def _still(frames: Mapping[str, Tensor], place: float) -> dict[str, Tensor]:
    """The frame at a place of the clip, 0 to 1, at all times."""
    still = {}
    for name, video in frames.items():
        time = round(place * (video.shape[2] - 1))
        still[name] = video[:, :, time : time + 1].expand_as(video)
    return still


def _order(frames: int) -> Tensor:
    """A random order of so many frames, always the same one, which is not their own."""
    generator = torch.Generator().manual_seed(0)
    order = torch.arange(frames)
    while frames > 1 and bool((order == torch.arange(frames)).all()):
        order = torch.randperm(frames, generator=generator)
    return order
