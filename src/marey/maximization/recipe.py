"""All settings of a maximization in one place, kept with every result."""

from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

from marey.errors import MareyError
from marey.maximization.parametrizations import Name

Precision = Literal["auto", "fp32", "bf16"]
Where = Literal["center", "everywhere"]


@dataclass(frozen=True)
class Recipe:
    """How a preferred input is made: equation (1) is maximized by Adam.

    slowness
        the chi sweep, in multiples of `kappa`: 0 leaves the motion free, 10 makes it slow. It weighs the temporal
        variation of the flow streams; of the RGB streams where the unit sees no flow.
    stillness
        chi of the RGB streams where the unit sees flow as well.
    kappa
        weight of spatial variation in R_TV.
    equal_space
        the spatial weight of the slower inputs of a sweep is steered so that they vary in space as much as the
        fastest, and chi changes time only.
    strength, energy, variation
        weights of score / real maximum, of R_B and of R_TV, which is less for units that see less than 40 px.
    exponent
        alpha of R_B: 3 as published keeps all values small; 1 prefers few places with large values to many with
        small ones.
    target
        the score / real maximum to reach: the strength of every input rises while its score is below and falls while it
        is above, so that the result has the smallest priors among the inputs that excite the unit so much. Only where
        the maximum is that of real clips. None: the strength stays, and the score is maximized without end.
    bounds
        {stream: B} in physical units (distance from gray in 0..1, px/frame); streams not named have `default_bound`.
    where
        a unit without position stands for the neuron in the middle of its layer ("center") or for all ("everywhere").
    parametrization
        "pixels" (white noise start, projection to |x| <= B) or "fourier" (white noise in the spectrum's coordinates).
    coarse
        the frames are held at 1/factor of their size for an equal part of the steps each, the last factor being 1.
    steps, step_size, noise
        Adam's steps at most, its step and the start's deviation, both in units of B. The step falls to a fiftieth.
        None: 0.1 where a unit sees 32 px or less, so that uniform motion is reached, else 0.045.
    tolerance
        a run ends when the objective gained less than this part of itself over the last 32 steps; 0: never early.
    jitter, time_jitter, zoom
        largest random shift in pixels (None: the layer's stride) and in flow fields, and largest change of scale.
    input_noise
        deviation, in units of B, of white noise that is added to what the network sees at every step.
    precision
        arithmetic of the network: "auto" times both. Inputs and Adam's state are always fp32.
    batch
        most inputs in one forward pass, in whole sweeps where one fits (else `equal_space` does not work); halved when
        memory runs out. None: chosen by the input's size.
    """

    slowness: tuple[float, ...] = (0.0, 1.0, 5.0, 10.0)
    stillness: float = 10.0
    kappa: float = 1.0
    equal_space: bool = True
    strength: float = 2.0
    energy: float = 1.0
    variation: float = 3.0
    exponent: float = 3.0
    target: float | None = None
    bounds: dict[str, float] = field(default_factory=dict)
    where: Where = "center"
    parametrization: Name = "fourier"
    coarse: tuple[int, ...] = (1,)
    steps: int = 128
    step_size: float | None = None
    noise: float = 0.1
    tolerance: float = 1e-3
    jitter: int | None = None
    time_jitter: int = 1
    zoom: float = 0.0
    input_noise: float = 0.0
    precision: Precision = "auto"
    batch: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("stillness", "kappa", "strength", "energy", "exponent", "variation", "noise", "tolerance"):
            if not getattr(self, name) >= 0:
                raise MareyError(f"{name} is {getattr(self, name)}; expected a number of at least 0.")
        if not self.slowness or not all(chi >= 0 for chi in self.slowness):
            raise MareyError(
                f"slowness is {self.slowness}; expected one or more numbers of at least 0, as in 0 1 5 10."
            )
        if self.steps < 1:
            raise MareyError(f"steps is {self.steps}; expected at least 1.")
        if self.step_size is not None and not self.step_size > 0:
            raise MareyError(f"step_size is {self.step_size}; expected a number above 0, or None.")
        for name, known in (("parametrization", Name), ("precision", Precision), ("where", Where)):
            if getattr(self, name) not in get_args(known):
                raise MareyError(f"{name} is '{getattr(self, name)}'; expected one of {', '.join(get_args(known))}.")
        if not self.coarse or self.coarse[-1] != 1 or min(self.coarse) < 1:
            raise MareyError(f"coarse is {self.coarse}; expected factors of at least 1 that end in 1, as in (4, 2, 1).")
        if min(self.time_jitter, 0 if self.jitter is None else self.jitter) < 0:
            raise MareyError(f"jitter is {self.jitter} and time_jitter {self.time_jitter}; expected at least 0.")
        if self.batch is not None and self.batch < 1:
            raise MareyError(f"batch is {self.batch}; expected at least 1.")
        for stream, bound in self.bounds.items():
            if not bound > 0:
                raise MareyError(f"the bound of stream '{stream}' is {bound}; expected a number above 0.")

    def record(self) -> dict[str, Any]:
        """The settings as plain values for JSON."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> "Recipe":
        """The recipe behind `record`."""
        values: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in record.items()
        }
        return cls(**values)
