"""What to maximize: an immutable sum of weighted terms, written as one would write it on paper."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol, overload

import torch
from torch import Tensor

from marey.errors import NetworkError
from marey.network.network import Network
from marey.network.unit import Unit


class Term(Protocol):
    """One measurement on the activations or the input; equal terms add up to one."""

    @property
    def layers(self) -> frozenset[str]:
        """The layers whose activations the term reads."""
        ...

    def value(self, activations: Mapping[str, Tensor], inputs: Mapping[str, Tensor]) -> Tensor:
        """A scalar for one clip: activations (channel time height width) by layer, inputs alike by stream."""
        ...

    def checked(self, network: Network) -> "Term":
        """The same term with every address checked against a network; NetworkError when one does not exist."""
        ...

    def moved(self, position: tuple[int, int, int]) -> "Term":
        """The same term at another position (t, y, x) of its layer."""
        ...


@dataclass(frozen=True)
class Activation:
    """The activation <a, e_c> of a unit: at its position, or without one the mean over all positions (equation 1)."""

    unit: Unit

    @property
    def layers(self) -> frozenset[str]:
        return frozenset({self.unit.layer})

    def value(self, activations: Mapping[str, Tensor], inputs: Mapping[str, Tensor]) -> Tensor:
        channel = activations[self.unit.layer][self.unit.channel]
        return channel.mean() if self.unit.position is None else channel[self.unit.position]

    def checked(self, network: Network) -> "Activation":
        return Activation(network.unit(self.unit))

    def moved(self, position: tuple[int, int, int]) -> "Activation":
        return Activation(replace(self.unit, position=position))

    def __str__(self) -> str:
        return str(self.unit)


@dataclass(frozen=True)
class Projection:
    """The activation along a direction in a layer's channel space (length 1), as `Activation` is along an axis."""

    layer: str
    vector: tuple[float, ...]
    position: tuple[int, int, int] | None = None

    @property
    def layers(self) -> frozenset[str]:
        return frozenset({self.layer})

    def value(self, activations: Mapping[str, Tensor], inputs: Mapping[str, Tensor]) -> Tensor:
        volume = activations[self.layer]
        along = (volume.new_tensor(self.vector).view(-1, 1, 1, 1) * volume).sum(0)
        return along.mean() if self.position is None else along[self.position]

    def checked(self, network: Network) -> "Projection":
        unit = network.unit(Unit(self.layer, 0, self.position))
        units = network.layer(self.layer).units
        if len(self.vector) != units:
            raise NetworkError(
                f"a direction of {len(self.vector)} numbers was given; layer '{self.layer}' has {units} units."
            )
        return Projection(self.layer, self.vector, unit.position)

    def moved(self, position: tuple[int, int, int]) -> "Projection":
        return replace(self, position=position)

    def __str__(self) -> str:
        place = "" if self.position is None else "@" + ",".join(map(str, self.position))
        return f"direction({self.layer}{place})"


@dataclass(frozen=True)
class Objective:
    """A weighted sum of terms; `+`, `-`, negation and scaling give new objectives and obey the laws of a vector space.

    >>> a, b = unit("scores:0"), unit("scores:1")
    >>> a - b == -(b - a) and a + b == b + a and 2 * a - a == a
    True
    >>> print(a - 0.5 * b)
    scores:0 - 0.5 * scores:1
    """

    terms: tuple[tuple[Term, float], ...]

    @classmethod
    def of(cls, weights: Sequence[tuple[Term, float]]) -> "Objective":
        """The sum of `weights`, equal terms merged, zero ones dropped, in an order of its own."""
        merged: dict[Term, float] = {}
        for term, weight in weights:
            merged[term] = merged.get(term, 0.0) + float(weight)
        kept = [(term, weight) for term, weight in merged.items() if weight != 0.0]
        return cls(tuple(sorted(kept, key=lambda pair: repr(pair[0]))))

    @property
    def layers(self) -> frozenset[str]:
        """All layers that the terms read."""
        return frozenset().union(*(term.layers for term, _ in self.terms))

    @property
    def units(self) -> tuple[Unit, ...]:
        """The units among the terms."""
        return tuple(term.unit for term, _ in self.terms if isinstance(term, Activation))

    def checked(self, network: Network) -> "Objective":
        """The same objective with every address checked against `network`; NetworkError when one does not exist."""
        return Objective.of([(term.checked(network), weight) for term, weight in self.terms])

    @cached_property
    def scored(self) -> "Objective":
        """The terms that read activations."""
        return Objective.of([(term, weight) for term, weight in self.terms if term.layers])

    @cached_property
    def priors(self) -> "Objective":
        """The terms that read the input alone."""
        return Objective.of([(term, weight) for term, weight in self.terms if not term.layers])

    def moved(self, position: tuple[int, int, int]) -> "Objective":
        """The same objective at another position (t, y, x) of its layers."""
        return Objective.of([(term.moved(position), weight) for term, weight in self.terms])

    def value(self, activations: Mapping[str, Tensor], inputs: Mapping[str, Tensor]) -> Tensor:
        """The weighted sum for one clip: a scalar."""
        return self.parts(activations, inputs).sum()

    def parts(self, activations: Mapping[str, Tensor], inputs: Mapping[str, Tensor]) -> Tensor:
        """What every term adds to the sum for one clip, in their order."""
        values = [weight * term.value(activations, inputs) for term, weight in self.terms]
        return torch.stack(values) if values else next(iter(inputs.values())).new_zeros(0)

    def __add__(self, other: "Objective") -> "Objective":
        if not isinstance(other, Objective):
            return NotImplemented
        return Objective.of([*self.terms, *other.terms])

    def __neg__(self) -> "Objective":
        return -1.0 * self

    def __sub__(self, other: "Objective") -> "Objective":
        if not isinstance(other, Objective):
            return NotImplemented
        return self + -other

    def __mul__(self, factor: float) -> "Objective":
        if not isinstance(factor, int | float):
            return NotImplemented
        return Objective.of([(term, weight * factor) for term, weight in self.terms])

    __rmul__ = __mul__

    def __truediv__(self, divisor: float) -> "Objective":
        return self * (1.0 / divisor)

    def __str__(self) -> str:
        text = ""
        for term, weight in self.terms:
            sign = (" + " if text else "") if weight > 0 else (" - " if text else "-")
            text += sign + (str(term) if abs(weight) == 1 else f"{abs(weight):g} * {term}")
        return text or "0"


@dataclass(frozen=True)
class Neurons:
    """One weighted neuron of the same layer for every clip: index (clip, 5) into its output, weights (clip)."""

    layer: str
    index: Tensor
    weights: Tensor


def neurons(objectives: Sequence[Objective]) -> Neurons | None:
    """The neurons that the objectives are; None where one is anything else."""
    terms = [objective.terms[0] for objective in objectives if len(objective.terms) == 1]
    units = [term.unit for term, _ in terms if isinstance(term, Activation) and term.unit.position is not None]
    if len(units) != len(objectives) or len({unit.layer for unit in units}) != 1:
        return None
    places = [(clip, unit.channel, *(unit.position or ())) for clip, unit in enumerate(units)]
    return Neurons(units[0].layer, torch.tensor(places), torch.tensor([weight for _, weight in terms]))


def values_of(
    objectives: Sequence[Objective],
    volumes: Mapping[str, Tensor],
    inputs: Mapping[str, Tensor],
    *,
    single: "Neurons | None" = None,
) -> Tensor:
    """The value of every objective on its own clip of `volumes` and `inputs` (clip channel time height width).

    `neurons` of one layer, the common case, are read by a single index; anything else clip by clip. Who reads often
    finds them once and gives them as `single`.
    """
    found = neurons(objectives) if single is None else single
    if found is not None:
        volume = volumes[found.layer]
        return volume[found.index.to(volume.device).unbind(1)].float() * found.weights.to(volume.device)
    values = [
        objectives[clip].value(
            {layer: volume[clip].float() for layer, volume in volumes.items()},
            {name: window[clip] for name, window in inputs.items()},
        )
        for clip in range(len(objectives))
    ]
    return torch.stack(values)


@overload
def unit(address: str) -> Objective: ...
@overload
def unit(address: Unit) -> Objective: ...
def unit(address: str | Unit) -> Objective:
    """The activation of one unit; without a position, its mean over all of them."""
    return Objective.of([(Activation(Unit.parse(address) if isinstance(address, str) else address), 1.0)])


def direction(layer: str, vector: Sequence[float], *, position: tuple[int, int, int] | None = None) -> Objective:
    """The activation along `vector`, one number per unit of `layer`; its length does not matter."""
    length = sum(float(value) ** 2 for value in vector) ** 0.5
    if not length > 0:
        raise NetworkError(f"the direction given for layer '{layer}' has length {length}; it needs a nonzero number.")
    return Objective.of([(Projection(layer, tuple(float(value) / length for value in vector), position), 1.0)])
