"""Where the loop ended, before anything is said of it."""

from dataclasses import dataclass

from torch import Tensor

from marey.maximization.priors import Prior


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
