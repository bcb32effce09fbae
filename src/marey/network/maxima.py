"""How far the responses of units reach on clips: what makes scores readable, and one weight serve every layer."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from marey.errors import NetworkError

_LARGEST, _MEAN, _ORDINARY = "largest", "largest_mean", "ordinary"


@dataclass(frozen=True, eq=False)
class Maxima:
    """What units respond to the clips of one source; nothing in it changes.

    largest
        {layer: (unit)}, the largest response at any position of any clip: a_max of equation (1).
    largest_mean
        {layer: (unit)}, the largest mean over all positions of a clip; empty where it is not known.
    ordinary
        {layer: (unit)}, the response to an ordinary clip: the median over clips of the mean over positions, or 0 for a
        layer with a natural zero, as a ReLU makes it; empty where it is not known, which counts as 0. A layer has a
        natural zero where no mean is below 0, and the smallest is at most half of the largest.
    bounds
        {stream: largest size of a value}, B of equation (1) in physical units (px/frame for flow).
    source
        which clips these are, in words: "260 real clips", "8 generated clips".

    A relative score is 0 at the ordinary response and 1 at the largest one. Class scores and all that comes before a
    ReLU have no zero of their own: relative to the largest response alone their scores would be arbitrary.
    """

    largest: Mapping[str, Tensor] = field(default_factory=dict)
    largest_mean: Mapping[str, Tensor] = field(default_factory=dict)
    ordinary: Mapping[str, Tensor] = field(default_factory=dict)
    bounds: Mapping[str, float] = field(default_factory=dict)
    source: str = "unknown clips"

    def __post_init__(self) -> None:
        for name, units in self.largest.items():
            if units.ndim != 1:
                raise NetworkError(
                    f"maxima of layer '{name}' have shape {tuple(units.shape)}; expected one value for each unit."
                )
        for values in (self.largest_mean, self.ordinary):
            for name, units in values.items():
                if name not in self.largest or units.shape != self.largest[name].shape:
                    raise NetworkError(f"maxima of layer '{name}' do not fit each other; measure them again.")

    def __repr__(self) -> str:
        names = ", ".join(self.layers[:4]) + (", ..." if len(self.layers) > 4 else "")
        count = "1 layer" if len(self.layers) == 1 else f"{len(self.layers)} layers"
        return f"Maxima({count} ({names}) on {self.source})"

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers whose units were measured."""
        return tuple(self.largest)

    def __contains__(self, layer: object) -> bool:
        return layer in self.largest

    def zeros(self, layer: str) -> Tensor:
        """The ordinary responses (unit) of a layer, from which relative scores count."""
        return self.ordinary.get(layer, torch.zeros_like(self.largest[layer]))

    def reach(self, layer: str, *, everywhere: bool = False) -> Tensor:
        """How far above the ordinary response the largest one is (unit), or the largest mean over all positions.

        A unit that hardly responds to the clips counts as one with a tenth of the layer's median, so that a small
        response does not become a large score. Always above 0.
        """
        top = self.largest_mean.get(layer, self.largest[layer]) if everywhere else self.largest[layer]
        reach = (top - self.zeros(layer)).clamp_min(0)
        alive = reach[reach > 1e-6]
        typical = float(alive.median()) if len(alive) else 1.0
        return reach.clamp_min(0.1 * typical)

    def only(self, layers: Iterable[str]) -> "Maxima":
        """The same for some layers."""
        kept = set(layers)

        def some(units: Mapping[str, Tensor]) -> dict[str, Tensor]:
            return {name: values for name, values in units.items() if name in kept}

        return Maxima(some(self.largest), some(self.largest_mean), some(self.ordinary), self.bounds, self.source)

    @classmethod
    def merged(cls, *parts: "Maxima") -> "Maxima":
        """The maxima of several sources, of which the first that knows a layer, or the bound of a stream, counts."""
        kinds: list[dict[str, Tensor]] = [{}, {}, {}]
        bounds: dict[str, float] = {}
        sources: list[str] = []
        for part in parts:
            new = [layer for layer in part.layers if layer not in kinds[0]]
            for kept, found in zip(kinds, (part.largest, part.largest_mean, part.ordinary), strict=True):
                kept.update({layer: found[layer] for layer in new if layer in found})
            bounds = {**part.bounds, **bounds}
            sources += [part.source] if new and part.source not in sources else []
        largest, mean, ordinary = kinds
        return cls(largest, mean, ordinary, bounds, " and ".join(sources) or cls.source)

    def tensors(self) -> dict[str, Tensor]:
        """All tensors by name, to be kept in a file; `from_tensors` reads them."""
        kinds = {_LARGEST: self.largest, _MEAN: self.largest_mean, _ORDINARY: self.ordinary}
        return {
            f"{kind}/{name}": units.contiguous() for kind, units_of in kinds.items() for name, units in units_of.items()
        }

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor], *, bounds: Mapping[str, float], source: str) -> "Maxima":
        """What `tensors` gave, with the bounds and the source; NetworkError for other names or shapes."""
        kinds: dict[str, dict[str, Tensor]] = {_LARGEST: {}, _MEAN: {}, _ORDINARY: {}}
        for name, units in tensors.items():
            kind, _, layer = name.partition("/")
            if kind not in kinds or not layer:
                raise NetworkError(f"'{name}' is no maximum of a layer; measure the maxima again.")
            kinds[kind][layer] = units
        return cls(kinds[_LARGEST], kinds[_MEAN], kinds[_ORDINARY], dict(bounds), source)

    @classmethod
    def of_clips(
        cls,
        largest: Mapping[str, Tensor],
        means: Mapping[str, Tensor],
        *,
        bounds: Mapping[str, float] | None = None,
        source: str,
    ) -> "Maxima":
        """The maxima behind the responses to single clips.

        `largest` and `means` are {layer: (clip, unit)}, the maximum and the mean over the positions of every clip.
        """
        ordinary = {
            name: torch.zeros_like(values[0])
            if has_natural_zero(float(values.min()), float(values.max()))
            else values.median(0).values
            for name, values in means.items()
        }
        tops = {name: values.amax(0) for name, values in largest.items()}
        return cls(tops, {name: values.amax(0) for name, values in means.items()}, ordinary, bounds or {}, source)


def has_natural_zero(least: float, most: float) -> bool:
    """Whether a layer has a natural zero whose means over positions lie from `least` to `most`, see `Maxima`."""
    return 0 <= least <= most / 2
