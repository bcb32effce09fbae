"""The parts of equation (1) that are no numbers: priors, parametrization and transforms."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from marey.maximization.choice import parametrization_of, usual
from marey.maximization.parametrizations import Parametrization
from marey.maximization.priors import Energy, Prior, Variation
from marey.maximization.transforms import Transform
from marey.network.crop import Crop

PRIORS: tuple[Prior, ...] = (Energy(), Variation())
"""The priors where none are named."""


@dataclass(frozen=True)
class Parts:
    """The parts of equation (1) beside the score, and how it is climbed."""

    priors: tuple[Prior, ...]
    parametrization: Parametrization | None  # None: what is usual for the streams that a unit sees
    transforms: tuple[Transform, ...] | None

    @classmethod
    def of(
        cls,
        priors: Sequence[Prior] = PRIORS,
        parametrization: Parametrization | str | None = None,
        transforms: Sequence[Transform] | None = None,
    ) -> "Parts":
        """The parts as they are given to `maximize`."""
        given = None if transforms is None else tuple(transforms)
        held = None if parametrization is None else parametrization_of(parametrization)
        return cls(tuple(priors), held, given)

    def held(self, crop: Crop) -> Parametrization:
        """How the input of a unit is held."""
        return usual(crop.streams) if self.parametrization is None else self.parametrization

    def to_json(self, crop: Crop) -> dict[str, Any]:
        """The parts in words, as their `repr` says them, for a unit that sees this part of the input."""
        return {
            "priors": [repr(prior) for prior in self.priors],
            "parametrization": repr(self.held(crop)),
            "transforms": None if self.transforms is None else [repr(transform) for transform in self.transforms],
        }
