"""The settings of a maximization that are words and numbers, kept with every result."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

from marey.errors import MareyError
from marey.schema import SchemaError, typed

Precision = Literal["auto", "fp32", "bf16"]
Where = Literal["center", "everywhere"]
OfClass = Literal["score", "margin"]


@dataclass(frozen=True)
class Recipe:
    """How equation (1) is maximized; priors, parametrization and transforms are parts of their own, see `maximize`.

    slowness
        the chi sweep, relative to the kappa of `Variation`: 0 leaves the motion free, 10 makes it slow. It weighs the
        temporal variation of the flow streams; where the unit sees no flow, that of the velocities of moved clips, or
        else of the RGB streams.
    weight
        of the objective, whose score is relative to the unit's range, see `Maxima`; priors have weights of their own.
        None: 8 for class scores, which ask more of the whole input, else 2 (our choice, by measurement).
    where
        a unit without position stands for the neuron in the middle of its layer ("center") or for all ("everywhere").
    of_class
        what is maximized of a class: its "score", or its "margin" over all classes, which also lowers the scores of
        the others, see `Margin`. Results tell the score in any case. None: "margin" for networks that see several
        RGB frames and no flow, else "score" (our choice, by verifiers).
    bounds
        {stream: B} in physical units (distance from gray in 0..1, px/frame); "velocity" is the motion of moved clips.
        Of streams that are not named, B is that of the maxima, or else `default_bound`.
    steps
        of Adam, at most.
    step_size
        the first step of Adam relative to B; the last is a fiftieth of it. None: 0.1 where a unit sees 32 px or less,
        so that uniform motion is reached, else 0.045.
    noise
        the deviation of the start, relative to B.
    tolerance
        a run ends when the objective gained less than this part of itself over the last 32 steps; 0: never early.
    precision
        arithmetic of the network: "auto" times both. Inputs and Adam's state are always fp32.
    batch
        most inputs in one forward pass. None: as many as are quick, fewer where the memory of a pass, which is
        measured, asks for it. Values change by rounding only, as inputs of a sweep are optimized together in any case.
    seed
        of the noise at the start and of the transforms.
    """

    slowness: tuple[float, ...] = (0.0, 1.0, 5.0, 10.0)
    weight: float | None = None
    where: Where = "center"
    of_class: OfClass | None = None
    bounds: Mapping[str, float] = field(default_factory=dict)
    steps: int = 128
    step_size: float | None = None
    noise: float = 0.1
    tolerance: float = 1e-3
    precision: Precision = "auto"
    batch: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "slowness", tuple(self.slowness))  # a list would equal no saved result's
        for name in ("weight", "noise", "tolerance"):
            value = getattr(self, name)
            if value is not None and not value >= 0:
                raise MareyError(f"{name} is {value}; expected a number of at least 0.")
        if not self.slowness or not all(chi >= 0 for chi in self.slowness):
            raise MareyError(
                f"slowness is {self.slowness}; expected one or more numbers of at least 0, as in (0, 1, 5, 10)."
            )
        if self.steps < 1:
            raise MareyError(f"steps is {self.steps}; expected at least 1.")
        if self.step_size is not None and not self.step_size > 0:
            raise MareyError(f"step_size is {self.step_size}; expected a number above 0, or None.")
        for name, known in (("precision", Precision), ("where", Where), ("of_class", OfClass)):
            value = getattr(self, name)
            if value not in get_args(known) and not (value is None and name == "of_class"):
                raise MareyError(f"{name} is '{value}'; expected one of {', '.join(get_args(known))}.")
        if self.batch is not None and self.batch < 1:
            raise MareyError(f"batch is {self.batch}; expected at least 1.")
        for stream, bound in self.bounds.items():
            if not bound > 0:
                raise MareyError(f"the bound of stream '{stream}' is {bound}; expected a number above 0.")

    def to_json(self) -> dict[str, Any]:
        """The settings as plain values for JSON; `from_json` reads them."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Recipe":
        """The recipe that `to_json` gave; MareyError for values that are none."""
        try:
            return typed(dict(values), cls)
        except SchemaError as error:
            raise MareyError(f"a recipe cannot be described so: {error}.") from None
