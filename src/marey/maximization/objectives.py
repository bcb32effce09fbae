"""What to maximize: an immutable sum of weighted terms, written as one would write it on paper."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple, Self

import torch
from torch import Tensor

from marey.errors import NetworkError
from marey.network.maxima import Maxima
from marey.network.network import Network
from marey.network.unit import Unit

Position = tuple[int, int, int]

_SHARPNESS = 8.0
"""Of the soft maximum over other classes: with 25 alike it is above them by 0.4 (our choice)."""


class Scale(NamedTuple):
    """What a relative value of a term counts from, and what it counts in: (value - ordinary) / reach."""

    ordinary: float = 0.0
    reach: float = 1.0


class Term(ABC):
    """One measurement on the activations of a clip. Write your own: give `layers` and `value`, all else has a default.

    Terms that are equal add up to one, so a term should be a frozen dataclass.
    """

    @property
    @abstractmethod
    def layers(self) -> frozenset[str]:
        """The layers whose activations the term reads; at least one."""

    @abstractmethod
    def value(self, activations: Mapping[str, Tensor]) -> Tensor:
        """The measurement, a scalar, from the activations {layer: (channel time height width)} of one clip."""

    @property
    def position(self) -> Position | None:
        """The one position (t, y, x) of its layer that the term reads; None where it reads several."""
        return None

    def at(self, position: Position) -> Self:
        """The same term at another position; itself where it has none. A term with a position must give this, too."""
        if self.position is not None:
            raise NetworkError(f"{type(self).__name__} has a position, but no method `at` that moves it; give both.")
        return self

    def checked(self, network: Network) -> Self:
        """The same term with every address checked against `network`; NetworkError when one does not exist."""
        for layer in self.layers:
            network.layer(layer)
        return self

    def scale(self, maxima: Maxima) -> Scale:
        """What makes the value relative to the responses in `maxima`; by default it counts as it is."""
        return Scale()


@dataclass(frozen=True)
class Activation(Term):
    """The activation <a, e_c> of a unit: at its position, or without one the mean over all positions (equation 1)."""

    unit: Unit

    @property
    def layers(self) -> frozenset[str]:
        return frozenset({self.unit.layer})

    @property
    def position(self) -> Position | None:
        return self.unit.position

    def value(self, activations: Mapping[str, Tensor]) -> Tensor:
        channel = activations[self.unit.layer][self.unit.channel]
        return channel.mean() if self.position is None else channel[self.position]

    def at(self, position: Position) -> "Activation":
        return Activation(replace(self.unit, position=position))

    def checked(self, network: Network) -> "Activation":
        return Activation(network.unit(self.unit))

    def scale(self, maxima: Maxima) -> Scale:
        layer, channel = self.unit.layer, self.unit.channel
        reach = maxima.reach(layer, everywhere=self.position is None)
        return Scale(float(maxima.zeros(layer)[channel]), float(reach[channel]))

    def __str__(self) -> str:
        return str(self.unit)


@dataclass(frozen=True)
class Margin(Term):
    """How far a class is above all others: its relative score less the soft maximum of theirs.

    s_c - log(sum over the others of exp(8 s)) / 8, where s = (a - ordinary) / reach and a is the mean over positions.
    Ranges make it independent of the size of the network's scores.
    """

    unit: Unit
    ordinary: tuple[float, ...]
    reach: tuple[float, ...]

    @property
    def layers(self) -> frozenset[str]:
        return frozenset({self.unit.layer})

    def value(self, activations: Mapping[str, Tensor]) -> Tensor:
        scores = activations[self.unit.layer].flatten(1).mean(1)
        ordinary, reach = (_tensor(row, scores.dtype, scores.device) for row in (self.ordinary, self.reach))
        relative, number = (scores - ordinary) / reach, self.unit.channel
        others = torch.cat([relative[:number], relative[number + 1 :]])
        return relative[number] - (_SHARPNESS * others).logsumexp(0) / _SHARPNESS


@dataclass(frozen=True)
class Projection(Term):
    """The activation along a direction in a layer's channel space (length 1), as `Activation` is along an axis."""

    layer: str
    vector: tuple[float, ...]
    place: Position | None = None

    @property
    def layers(self) -> frozenset[str]:
        return frozenset({self.layer})

    @property
    def position(self) -> Position | None:
        return self.place

    def value(self, activations: Mapping[str, Tensor]) -> Tensor:
        volume = activations[self.layer]
        along = torch.einsum("c,cthw->thw", _tensor(self.vector, volume.dtype, volume.device), volume)
        return along.mean() if self.place is None else along[self.place]

    def at(self, position: Position) -> "Projection":
        return replace(self, place=position)

    def checked(self, network: Network) -> "Projection":
        unit = network.unit(Unit(self.layer, 0, self.place))
        units = network.layer(self.layer).units
        if len(self.vector) != units:
            raise NetworkError(
                f"a direction of {len(self.vector)} numbers was given; layer '{self.layer}' has {units} units."
            )
        return replace(self, layer=unit.layer, place=unit.position)

    def scale(self, maxima: Maxima) -> Scale:
        vector = torch.tensor(self.vector)
        reach = vector * maxima.reach(self.layer, everywhere=self.place is None)
        return Scale(float(vector @ maxima.zeros(self.layer)), max(1e-6, float(reach.norm())))

    def __str__(self) -> str:
        place = "" if self.place is None else "@" + ",".join(map(str, self.place))
        return f"direction({self.layer}{place})"


@lru_cache(maxsize=64)
def _tensor(vector: tuple[float, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """The vector where it is needed, copied once, as every copy makes an accelerator wait."""
    return torch.tensor(vector, dtype=dtype, device=device)


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
    def of(cls, *terms: Term | tuple[Term, float]) -> "Objective":
        """The sum of terms, each alone or with its weight: equal ones merged, zero ones dropped, in a fixed order."""
        merged: dict[Term, float] = {}
        for one in terms:
            term, weight = one if isinstance(one, tuple) else (one, 1.0)
            merged[term] = merged.get(term, 0.0) + float(weight)
        kept = [(term, weight) for term, weight in merged.items() if weight != 0.0]
        return cls(tuple(sorted(kept, key=lambda pair: repr(pair[0]))))

    @property
    def layers(self) -> frozenset[str]:
        """All layers that the terms read."""
        return frozenset().union(*(term.layers for term, _ in self.terms))

    @property
    def position(self) -> Position | None:
        """The position (t, y, x) that all terms share; None where they differ, or read several."""
        places = {term.position for term, _ in self.terms}
        return places.pop() if len(places) == 1 else None

    def checked(self, network: Network) -> "Objective":
        """The same objective with every address checked against `network`; NetworkError when one does not exist."""
        return Objective.of(*((term.checked(network), weight) for term, weight in self.terms))

    def at(self, position: Position) -> "Objective":
        """The same objective at another position (t, y, x) of its layers, its terms in the same order."""
        return Objective(tuple((term.at(position), weight) for term, weight in self.terms))

    def values(self, activations: Mapping[str, Tensor]) -> Tensor:
        """The value of every term (term) for one clip, without weights: activations (channel time height width)."""
        if not self.terms:
            return torch.zeros(0)
        return torch.stack([term.value(activations) for term, _ in self.terms])

    def value(self, activations: Mapping[str, Tensor]) -> Tensor:
        """The weighted sum for one clip: a scalar."""
        values = self.values(activations)
        return values @ values.new_tensor([weight for _, weight in self.terms])

    def __add__(self, other: "Objective") -> "Objective":
        if not isinstance(other, Objective):
            return NotImplemented
        return Objective.of(*self.terms, *other.terms)

    def __neg__(self) -> "Objective":
        return -1.0 * self

    def __sub__(self, other: "Objective") -> "Objective":
        if not isinstance(other, Objective):
            return NotImplemented
        return self + -other

    def __mul__(self, factor: float) -> "Objective":
        if not isinstance(factor, int | float):
            return NotImplemented
        return Objective.of(*((term, weight * factor) for term, weight in self.terms))

    __rmul__ = __mul__

    def __truediv__(self, divisor: float) -> "Objective":
        return self * (1.0 / divisor)

    def __str__(self) -> str:
        text = ""
        for term, weight in self.terms:
            sign = (" + " if text else "") if weight > 0 else (" - " if text else "-")
            text += sign + (str(term) if abs(weight) == 1 else f"{abs(weight):g} * {term}")
        return text or "0"


def unit(address: str | Unit) -> Objective:
    """The activation of one unit; without a position, its mean over all of them."""
    return Objective.of(Activation(Unit.parse(address) if isinstance(address, str) else address))


def direction(layer: str, vector: Sequence[float], *, position: Position | None = None) -> Objective:
    """The activation along `vector`, one number per unit of `layer`; its length does not matter."""
    length = sum(float(value) ** 2 for value in vector) ** 0.5
    if not length > 0:
        raise NetworkError(f"the direction given for layer '{layer}' has length {length}; it needs a nonzero number.")
    return Objective.of(Projection(layer, tuple(float(value) / length for value in vector), position))
