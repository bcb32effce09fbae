"""Training windows made as hard as a small change can make them, so that networks lean on what cannot be hidden."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from marey.errors import MareyError
from marey.streams import Stream

_RAMP = 0.3
"""Part of a stage over which the changes grow to their full size: a network that knows nothing yet learns nothing from
the largest ones."""


@dataclass(frozen=True)
class Adversary:
    """Adversarial training (Madry et al., ICLR 2018): each window is changed towards a larger loss, then learned.

    What excites a unit of a network trained so looks like what the unit is for, to people and to other networks, while
    others answer to patterns that are theirs alone (Engstrom et al., 2019; Santurkar et al., NeurIPS 2019). It costs
    accuracy on clean clips and two thirds of a step's time for each of `steps`.

    rgb, flow
        largest root mean square of the change over a window's values, in 0..1 for RGB and in pixels per frame for flow.
        0: the stream stays as it is.
    steps
        gradient steps by which the change is found.
    """

    rgb: float = 0.0
    flow: float = 0.0
    steps: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.rgb <= 1 or not self.flow >= 0 or self.steps < 1:
            raise MareyError(
                f"adversary of rgb {self.rgb:g}, flow {self.flow:g}, {self.steps} steps; "
                "expected rgb 0 to 1, flow at least 0 and at least 1 step."
            )

    def size(self, stream: Stream, progress: float) -> float:
        """Root mean square of the change of a stream when the stage is at `progress`, 0..1."""
        return (self.rgb if stream.kind == "rgb" else self.flow) * min(1.0, progress / _RAMP)

    def grows(self, progress: float) -> bool:
        """Whether the changes are not yet of their full size."""
        return max(self.rgb, self.flow) > 0 and progress < _RAMP


def hardened(
    inputs: Mapping[str, Tensor],
    streams: Sequence[Stream],
    loss: Callable[[Mapping[str, Tensor]], Tensor],
    adversary: Adversary,
    progress: float,
) -> dict[str, Tensor]:
    """The windows {stream: (clip channel time height width)} with the changes that raise `loss` within their size.

    Normalized gradient ascent: all steps together reach a quarter further than the size, which each step keeps to.
    """
    sizes = {stream.name: adversary.size(stream, progress) for stream in streams}
    moved = {name: value for name, value in inputs.items() if sizes[name] > 0}
    if not moved:
        return dict(inputs)
    changes = {name: torch.zeros_like(value) for name, value in moved.items()}
    rate = 1.0 if adversary.steps == 1 else 1.25 / adversary.steps
    for _ in range(adversary.steps):
        shown = {name: (value + changes[name]).requires_grad_() for name, value in moved.items()}
        gradients = torch.autograd.grad(loss({**inputs, **shown}), list(shown.values()))
        for (name, change), gradient in zip(changes.items(), gradients, strict=True):
            change += rate * sizes[name] * gradient.nan_to_num() / _rms(gradient.nan_to_num()).clamp_min(1e-20)
            change *= (sizes[name] / _rms(change).clamp_min(1e-20)).clamp_max(1.0)
    changed = {name: value + changes[name] for name, value in moved.items()}
    return {
        stream.name: changed[stream.name].clamp(stream.low, stream.high)
        if stream.name in changed
        else inputs[stream.name]
        for stream in streams
    }


def _rms(values: Tensor) -> Tensor:
    return values.flatten(1).square().mean(1).sqrt().view(-1, *[1] * (values.dim() - 1))
