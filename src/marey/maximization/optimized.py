"""Where the loop ended, before anything is said of it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from marey.maximization.packed import rounded
from marey.maximization.priors import Prior, Scene
from marey.network.stream import Stream


@dataclass(frozen=True)
class Optimized:
    """Where the loop ended.

    frames, parts
        {stream: (input channel time height width)}, physical; parts are what priors judged instead of the frames.
    history
        relative scores (step, input), NaN where an input had settled or the network gave no finite one.
    priors
        as they were at the end, with the weights that they adapted.
    unstable
        inputs some of whose steps had no finite gradient.
    led
        {input: the other one of its sweep in whose place it went on at half time, as it was lost}.
    interrupted
        whether Ctrl-C ended the loop.
    most
        inputs in one pass for which there was memory; None: all.
    """

    frames: dict[str, Tensor]
    parts: dict[str, Tensor]
    history: Tensor
    priors: tuple[Prior, ...]
    unstable: frozenset[int]
    led: dict[int, int]
    interrupted: bool
    most: int | None = None

    def rounded(self, streams: Sequence[Stream], scene: Scene) -> "Optimized":
        """The same with the frames of `streams`, and the parts, in whole steps, as files hold them."""
        seen = {stream.name: stream for stream in streams}
        return replace(
            self,
            frames={name: rounded(video, seen[name], scene.bounds[name]) for name, video in self.frames.items()},
            parts={name: rounded(part, scene.streams[name], scene.bounds[name]) for name, part in self.parts.items()},
        )
