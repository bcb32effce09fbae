"""The order of values, found only as far as it is asked for."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray


def descending(values: NDArray[np.float32], first: int) -> Iterator[int]:
    """The places of the values, largest first, equal ones in order.

    Sixteen times `first` values are sorted, and all of them only once more are asked for.
    """
    given = 0
    for count in (16 * first, len(values)):
        places = np.arange(len(values))
        if 0 < count < len(values):
            least = np.partition(values, len(values) - count)[len(values) - count]
            places = np.flatnonzero(values >= least)
        descending = places[np.argsort(-values[places], kind="stable")]
        yield from descending[given:].tolist()
        given = len(descending)
        if given == len(values):
            return
