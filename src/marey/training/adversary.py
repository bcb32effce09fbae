"""Training windows made as hard as a small change can make them, so that networks lean on what cannot be hidden."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from marey.errors import MareyError
from marey.network.stream import Stream

_RAMP = 0.3
"""Part of a stage over which the changes grow to their full size: a network that knows nothing yet learns nothing from
the largest ones."""
_TINY = 1e-20


@dataclass(frozen=True)
class Adversary:
    """Adversarial training (Madry et al., ICLR 2018): each window is changed towards a larger loss, then learned.

    What excites a unit of a network trained so looks like what the unit is for, to people and to other networks, while
    others answer to patterns that are theirs alone (Engstrom et al., 2019; Santurkar et al., NeurIPS 2019). It costs
    accuracy where clips are few, and for each of `steps` a forward pass and a backward pass to the input.

    rgb, flow
        largest size of the change, as a part of the window's own: the root mean square of its distances from the mean
        color, or of its flow. 0: the stream stays as it is.
    steps
        gradient steps by which the change is found.
    """

    rgb: float = 0.0
    flow: float = 0.0
    steps: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.rgb <= 1 or not 0 <= self.flow <= 1 or self.steps < 1:
            raise MareyError(
                f"adversary of rgb {self.rgb:g}, flow {self.flow:g}, {self.steps} steps; "
                "expected rgb and flow 0 to 1 and at least 1 step."
            )

    def size(self, stream: Stream, progress: float) -> float:
        """The change of a stream when the stage is at `progress`, 0..1, as a part of the window's own size."""
        return (self.rgb if stream.kind == "rgb" else self.flow) * min(1.0, progress / _RAMP)

    @property
    def acts(self) -> bool:
        """Whether anything is changed at all."""
        return max(self.rgb, self.flow) > 0

    def grows(self, progress: float) -> bool:
        """Whether the changes are not yet of their full size."""
        return self.acts and progress < _RAMP


def hardened(
    inputs: Mapping[str, Tensor],
    streams: Sequence[Stream],
    loss: Callable[[Mapping[str, Tensor]], Tensor],
    adversary: Adversary,
    progress: float,
    *,
    shares: Tensor,
) -> dict[str, Tensor]:
    """The windows {stream: (clip channel time height width)} with the changes that raise `loss` within their size.

    Each clip is changed by its part, 0..1, of the size in `shares` (clip): training that never sees a clean clip gives
    batch normalization statistics that clean clips do not have. Normalized gradient ascent: all steps together reach a
    quarter further than the size, which each step keeps to.
    """
    sizes = {
        stream.name: part * shares.view(-1, 1, 1, 1, 1) * _rms(_distances(inputs[stream.name], stream))
        for stream in streams
        if (part := adversary.size(stream, progress)) > 0
    }
    changes = {name: torch.zeros_like(inputs[name]) for name in sizes}
    rate = 1.0 if adversary.steps == 1 else 1.25 / adversary.steps
    for _ in range(adversary.steps if sizes else 0):
        shown = {name: (inputs[name] + change).requires_grad_() for name, change in changes.items()}
        gradients = torch.autograd.grad(loss({**inputs, **shown}), list(shown.values()))
        for (name, change), gradient in zip(changes.items(), gradients, strict=True):
            uphill = gradient.nan_to_num()
            change += rate * sizes[name] * uphill / _rms(uphill).clamp_min(_TINY)
            change *= (sizes[name] / _rms(change).clamp_min(_TINY)).clamp_max(1.0)
    kept = {stream.name: (stream.low, stream.high) for stream in streams}
    return {**inputs, **{name: (inputs[name] + change).clamp(*kept[name]) for name, change in changes.items()}}


def _distances(values: Tensor, stream: Stream) -> Tensor:
    """From the mean color of each window, or from no motion."""
    return values - values.mean((2, 3, 4), keepdim=True) if stream.kind == "rgb" else values


def _rms(values: Tensor) -> Tensor:
    return values.flatten(1).square().mean(1).sqrt().view(-1, *[1] * (values.dim() - 1))
