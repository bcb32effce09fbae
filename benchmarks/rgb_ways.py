"""Ways to make preferred inputs of a network that sees RGB alone.

"moved" is the default, "score, fourier" what was the default before there were moved clips. Each "trial" is one change
from moved clips of larger detail and smaller shifts; each "smooth" is several.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate, softplus

import marey
from marey.maximization.transforms import View


@dataclass(frozen=True)
class Held(marey.Term):
    """A class score that hardly counts above a target, relative to what real clips reach."""

    layer: str
    number: int
    ordinary: float
    reach: float
    target: float

    @property
    def layers(self) -> frozenset[str]:
        return frozenset({self.layer})

    def value(self, activations: Mapping[str, Tensor]) -> Tensor:
        score = (activations[self.layer][self.number].mean() - self.ordinary) / self.reach
        return score - softplus(score - self.target, beta=4)


@dataclass(frozen=True)
class Zoom(marey.Transform):
    """Shown up to so much larger, by the middle of the frame."""

    most: float

    def draw(self, generator: torch.Generator) -> View:
        factor = 1 + self.most * float(torch.rand((), generator=generator))

        def view(frames: Tensor, stream: marey.Stream) -> Tensor:
            height, width = frames.shape[-2:]
            kept = [round(side / factor) for side in (height, width)]
            down, right = (height - kept[0]) // 2, (width - kept[1]) // 2
            part = frames[..., down : down + kept[0], right : right + kept[1]]
            larger = interpolate(part.flatten(1, 2), (height, width), mode="bilinear", align_corners=False)
            return larger.view_as(frames)

        return view


@dataclass(frozen=True)
class Light(marey.Transform):
    """Contrast, brightness and tint changed at random, by up to so much."""

    most: float

    def draw(self, generator: torch.Generator) -> View:
        spread, brighter, *tint = (self.most * (2 * torch.rand(5, generator=generator) - 1)).tolist()

        def view(frames: Tensor, stream: marey.Stream) -> Tensor:
            return (frames * (1 + spread) + brighter) * (1 + frames.new_tensor(tint).view(3, 1, 1, 1) / 2)

        return view


@dataclass(frozen=True)
class Grain(marey.Transform):
    """Noise of this deviation, relative to the bound, that differs from pixel to pixel and frame to frame."""

    deviation: float

    def draw(self, generator: torch.Generator) -> View:
        seed = int(torch.randint(2**31, (), generator=generator))

        def view(frames: Tensor, stream: marey.Stream) -> Tensor:
            noise = torch.randn(frames.shape[1:], generator=torch.Generator().manual_seed(seed))
            return frames + self.deviation * noise.to(frames)

        return view


@dataclass(frozen=True)
class Alone(marey.Moved):
    """Without the free clip beside it, which takes time."""

    @property
    def compared(self) -> None:
        return None


@dataclass(frozen=True)
class Natural(marey.Fourier):
    """Free phases; the magnitudes are those of noise of this root mean square, relative to the bound.

    Motion studies have a mean deviation of 0.17 and a slope of 1.28.
    """

    size: float = 0.27

    def frames(self, free: Tensor, kind: Any, shape: Any) -> Tensor:
        lengths = free.square().sum(-1, keepdim=True).add(1e-12).sqrt()
        return super().frames(self.size * free / lengths, kind, shape)


@dataclass(frozen=True)
class LogProbability(marey.Term):
    """The logarithm of a class's probability, by the network's own scores."""

    layer: str
    number: int

    @property
    def layers(self) -> frozenset[str]:
        return frozenset({self.layer})

    def value(self, activations: Mapping[str, Tensor]) -> Tensor:
        return activations[self.layer].flatten(1).mean(1).log_softmax(0)[self.number]


def _class_unit(network: marey.Network, label: str) -> Any:
    return label


def _held(network: marey.Network, label: str) -> Any:
    number, maxima = network.classes.index(label), network.maxima
    assert maxima is not None
    ordinary, reach = maxima.zeros(network.scores)[number], maxima.reach(network.scores)[number]
    return marey.Objective.of(Held(network.scores, number, float(ordinary), float(reach), 1.5))


def _log_probability(network: marey.Network, label: str) -> Any:
    return marey.Objective.of(LogProbability(network.scores, network.classes.index(label)))


@dataclass(frozen=True)
class Way:
    """Options of `maximize`, settings of its recipe, and what is maximized for a class."""

    parts: Mapping[str, Any] = field(default_factory=dict)
    recipe: Mapping[str, Any] = field(default_factory=dict)
    objective: Callable[[marey.Network, str], Any] = _class_unit


_BEFORE: Mapping[str, Any] = {
    "priors": [marey.Energy(), marey.Variation()],
    "transforms": [marey.Shift(4)],
}
"""What was shipped before the trials."""


def _trial(
    held: marey.Parametrization | None = None,
    *,
    priors: Sequence[marey.Prior] = (marey.Energy(), marey.Variation()),
    transforms: Sequence[marey.Transform] | None = None,
    weight: float | None = None,
    objective: Callable[[marey.Network, str], Any] = _class_unit,
    of_class: str | None = None,
) -> Way:
    """One slowness, to save time."""
    given = _BEFORE["transforms"] if transforms is None else transforms
    parts = {"parametrization": held or Alone(), "priors": list(priors), "transforms": given}
    return Way(parts, {"slowness": [5.0], "weight": weight, "of_class": of_class}, objective)


_SHIFT = marey.Shift(8)


def _smooth(
    kappa: float = 3.0,
    reach: float | None = 1 / 3,
    transforms: Sequence[marey.Transform] = (marey.Shift(16), Zoom(0.3), Light(0.2), Grain(0.1)),
    of_class: str | None = None,
) -> Way:
    """Several changes at once."""
    return _trial(
        Alone(picture=marey.Fourier(reach=reach)),
        priors=[marey.Energy(), marey.Variation(kappa=kappa)],
        transforms=list(transforms),
        of_class=of_class,
    )


WAYS = {
    "moved": Way({"parametrization": Alone(picture=marey.Fourier(reach=1 / 3))}),
    "fourier": Way({"parametrization": "fourier", **_BEFORE}),
    "score, fourier": Way({"parametrization": "fourier", **_BEFORE}, {"of_class": "score"}),
    "trial": _trial(),
    "trial, score": _trial(of_class="score"),
    "trial, log probability": _trial(objective=_log_probability, weight=8 / 3),
    "trial, score, pitch 4": _trial(Alone(pitch=4), of_class="score"),
    "trial, pitch 4": _trial(Alone(pitch=4)),
    "trial, pitch 8": _trial(Alone(pitch=8)),
    "trial, pitch 32": _trial(Alone(pitch=32)),
    "trial, pitch 64": _trial(Alone(pitch=64)),
    "trial, weight 2": _trial(weight=2.0),
    "trial, weight 4": _trial(weight=4.0),
    "trial, weight 24": _trial(weight=24.0),
    "trial, kappa 0.3": _trial(priors=[marey.Energy(), marey.Variation(kappa=0.3)]),
    "trial, kappa 3": _trial(priors=[marey.Energy(), marey.Variation(kappa=3.0)]),
    "trial, kappa 10": _trial(priors=[marey.Energy(), marey.Variation(kappa=10.0)]),
    "trial, decay 1.5": _trial(Alone(picture=marey.Fourier(decay=1.5))),
    "trial, waves of 6 px": _trial(Alone(picture=marey.Fourier(reach=1 / 3))),
    "trial, magnitudes": _trial(Alone(picture=Natural(decay=1.3))),
    "trial, shift 2": _trial(transforms=[marey.Shift(2)]),
    "trial, shift 16": _trial(transforms=[marey.Shift(16)]),
    "trial, zoom": _trial(transforms=[_SHIFT, Zoom(0.3)]),
    "trial, light": _trial(transforms=[_SHIFT, Light(0.2)]),
    "trial, grain": _trial(transforms=[_SHIFT, Grain(0.1)]),
    "trial, all transforms": _trial(transforms=[_SHIFT, Zoom(0.3), Light(0.2), Grain(0.1)]),
    "trial, score to 1.5": _trial(objective=_held),
    "trial, smooth": _smooth(),
    "trial, smooth, score": _smooth(of_class="score"),
    "trial, smooth, kappa 1": _smooth(kappa=1.0),
    "trial, smooth, kappa 10": _smooth(kappa=10.0),
    "trial, smooth, waves of 3 px": _smooth(reach=None),
    "trial, smooth, shift alone": _smooth(transforms=[marey.Shift(16)]),
    "trial, kappa 3, shift 16": _smooth(reach=None, transforms=[marey.Shift(16)]),
    "trial, smooth, shift 8": _smooth(transforms=[_SHIFT, Zoom(0.3), Light(0.2), Grain(0.1)]),
    "trial, smooth, no light": _smooth(transforms=[marey.Shift(16), Zoom(0.3), Grain(0.1)]),
    "smooth, fourier": Way(
        {
            "parametrization": marey.Fourier(reach=1 / 3),
            "priors": [marey.Energy(), marey.Variation(kappa=3.0)],
            "transforms": [marey.Shift(16), Zoom(0.3), Light(0.2), Grain(0.1)],
        }
    ),
}
