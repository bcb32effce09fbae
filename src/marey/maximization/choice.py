"""Which parts of equation (1) a word stands for, and which ones a unit gets where none are named."""

from marey.errors import MareyError
from marey.maximization.moved import Moved
from marey.maximization.parametrizations import FINE, Fourier, Parametrization, Pixels
from marey.maximization.priors import Energy, Prior, Variation
from marey.network.crop import Crop

PARAMETRIZATIONS: dict[str, Parametrization] = {"fourier": Fourier(), "moved": Moved(), "pixels": Pixels()}
"""The words for `parametrization=`."""

PRIORS: tuple[Prior, ...] = (Energy(), Variation())
"""The priors where none are named."""

_CLASS_PICTURE, _CLASS_VARIATION = Fourier(reach=1 / 3), Variation(kappa=3.0)
"""Of classes of networks that see RGB alone: no waves below 6 px, smoother. By verifiers, who know more of them."""


def parametrization_of(given: Parametrization | str) -> Parametrization:
    """The parametrization behind a word, or the one that is given; MareyError for a word that there is not."""
    if not isinstance(given, str):
        return given
    if given not in PARAMETRIZATIONS:
        raise MareyError(f"parametrization is '{given}'; expected {', '.join(PARAMETRIZATIONS)}, or one of your own.")
    return PARAMETRIZATIONS[given]


def usual_parametrization(crop: Crop) -> Parametrization:
    """The parametrization of a unit: moved where it sees several RGB frames and no flow."""
    if not moves_alone(crop):
        return PARAMETRIZATIONS["fourier"]
    return Moved(picture=_CLASS_PICTURE) if class_of_moving(crop) else PARAMETRIZATIONS["moved"]


def usual_priors(crop: Crop) -> tuple[Prior, ...]:
    """The priors of a unit."""
    return (Energy(), _CLASS_VARIATION) if class_of_moving(crop) else PRIORS


def moves_alone(crop: Crop) -> bool:
    """Whether several RGB frames are seen, and no flow."""
    times = {time for stream in crop.streams for time in stream.times}
    return len(times) > 1 and all(stream.kind == "rgb" for stream in crop.streams)


def class_of_moving(crop: Crop) -> bool:
    """Whether class scores are given for several RGB frames and no flow, which are large enough for figures."""
    scores = any(crop.network.gives_scores(layer) for layer in crop.layers)
    return scores and moves_alone(crop) and min(min(one.height, one.width) for one in crop.streams) > FINE
