"""The parts of equation (1) that are no numbers: priors, parametrization and transforms."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from marey.maximization.choice import parametrization_of, usual_parametrization, usual_priors
from marey.maximization.parametrizations import Parametrization
from marey.maximization.priors import Prior
from marey.maximization.transforms import Transform
from marey.network.crop import Crop


@dataclass(frozen=True)
class Parts:
    """The parts of equation (1) beside the score, and how it is climbed; None: what is usual for a unit."""

    priors: tuple[Prior, ...] | None
    parametrization: Parametrization | None
    transforms: tuple[Transform, ...] | None

    @classmethod
    def of(
        cls,
        priors: Sequence[Prior] | None = None,
        parametrization: Parametrization | str | None = None,
        transforms: Sequence[Transform] | None = None,
    ) -> "Parts":
        """The parts as they are given to `maximize`."""
        held = None if parametrization is None else parametrization_of(parametrization)
        return cls(None if priors is None else tuple(priors), held, None if transforms is None else tuple(transforms))

    def held(self, crop: Crop) -> Parametrization:
        """How the input of a unit is held."""
        return usual_parametrization(crop) if self.parametrization is None else self.parametrization

    def weighed(self, crop: Crop) -> tuple[Prior, ...]:
        """What is subtracted from the score of a unit."""
        return usual_priors(crop) if self.priors is None else self.priors

    def to_json(self, crop: Crop) -> dict[str, Any]:
        """The parts in words, as their `repr` says them, for a unit that sees this part of the input."""
        return {
            "priors": [repr(prior) for prior in self.weighed(crop)],
            "parametrization": repr(self.held(crop)),
            "transforms": None if self.transforms is None else [repr(transform) for transform in self.transforms],
        }
