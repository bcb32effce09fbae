"""Makes training windows harder by small changes, so that networks lean on what such changes cannot hide."""

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

    The preferred inputs of a network that is trained so look like the classes, to people and to other networks; units
    of other networks respond to patterns of their own (Engstrom et al., 2019; Santurkar et al., NeurIPS 2019). Training
    costs accuracy where clips are few, and a forward pass and a backward pass to the input for each of `steps`.

    rgb, flow
        largest size of the change, relative to the window: the root mean square of its distances from the mean color,
        or of its flow. 0: the stream is not changed.
    steps
        gradient steps that find the change.
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
        """The size of a stream's change, relative to the window, when the stage is at `progress`, 0..1."""
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

    `shares` (clip), in 0..1, scale the size for each clip, because batch normalization that never sees a clean clip
    measures statistics that clean clips do not have. Normalized gradient ascent: all steps together go a quarter
    further than the size, and each step is cut to the size.
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
    """The values minus the mean color of each window, or minus no motion."""
    return values - values.mean((2, 3, 4), keepdim=True) if stream.kind == "rgb" else values


def _rms(values: Tensor) -> Tensor:
    return values.flatten(1).square().mean(1).sqrt().view(-1, *[1] * (values.dim() - 1))
