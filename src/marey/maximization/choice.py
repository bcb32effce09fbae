"""Which parametrization a word stands for, and which one a unit gets where none is named."""

from collections.abc import Sequence

from marey.errors import MareyError
from marey.maximization.moved import Moved
from marey.maximization.parametrizations import Fourier, Parametrization, Pixels
from marey.network.stream import Stream

PARAMETRIZATIONS: dict[str, Parametrization] = {"fourier": Fourier(), "moved": Moved(), "pixels": Pixels()}
"""The words for `parametrization=`."""


def parametrization_of(given: Parametrization | str) -> Parametrization:
    """The parametrization behind a word, or the one that is given; MareyError for a word that there is not."""
    if not isinstance(given, str):
        return given
    if given not in PARAMETRIZATIONS:
        raise MareyError(f"parametrization is '{given}'; expected {', '.join(PARAMETRIZATIONS)}, or one of your own.")
    return PARAMETRIZATIONS[given]


def usual(streams: Sequence[Stream]) -> Parametrization:
    """The parametrization of a unit that sees these streams: moved where it sees several RGB frames and no flow."""
    moves = len({time for stream in streams for time in stream.times}) > 1
    alone = all(stream.kind == "rgb" for stream in streams)
    return PARAMETRIZATIONS["moved" if moves and alone else "fourier"]
