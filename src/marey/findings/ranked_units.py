"""Units of many layers by the order in which clips drive them: a dropout, a ReLU or a pooling often repeats it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from marey.findings.average_precision import descending_ranks, ranks_among


@dataclass(frozen=True, eq=False)
class RankedUnits:
    """Of all units, what ranks tell is computed once for those that rank the clips alike.

    distinct
        (row, clip), see `descending_ranks`; no two rows are the same.
    rows
        {layer: (unit)}, the row of each unit.
    """

    distinct: NDArray[np.int32]
    rows: Mapping[str, NDArray[np.intp]]

    @classmethod
    def of_responses(cls, responses: Mapping[str, NDArray[np.float32]]) -> "RankedUnits":
        """The units of {layer: (clip, unit)}."""
        every = np.concatenate([descending_ranks(values) for values in responses.values()])
        as_one = every.view(np.dtype((np.void, every.itemsize * every.shape[1]))).ravel()
        _, first, place = np.unique(as_one, return_index=True, return_inverse=True)
        ends = np.cumsum([values.shape[1] for values in responses.values()])[:-1]
        return cls(every[first], dict(zip(responses, np.split(place, ends), strict=True)))

    def of(self, layer: str) -> NDArray[np.int32]:
        """The ranks (unit, clip) of a layer."""
        return self.distinct[self.rows[layer]]

    def among(self, chosen: NDArray[np.bool_]) -> "RankedUnits":
        """The same units, ranked by the `chosen` clips (clip) alone."""
        return replace(self, distinct=ranks_among(self.distinct, chosen))
