"""Directions of a layer, as of a PCA or of a sparse autoencoder's decoder, which are asked what units are asked."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from marey.errors import MareyError
from marey.recording.read.recording import Recording

Directions = Mapping[str, NDArray[np.floating]]
"""{layer: (direction, unit)}."""


def along_directions(recording: Recording, layer: str, matrix: NDArray[np.floating]) -> NDArray[np.float32]:
    """(clip, direction): the recorded responses of a layer along each row of `matrix` (direction, unit).

    A recording keeps each unit's mean over positions, and the mean of a direction follows from it; the largest value of
    a direction at one position does not, so that means are used. Raises MareyError for a matrix of other units.
    """
    units = recording.layer(layer).units
    matrix = np.asarray(matrix, np.float32)
    if matrix.ndim != 2 or matrix.shape[1] != units:
        raise MareyError(
            f"directions of layer '{layer}' have the shape {matrix.shape}; expected (directions, {units}), a row for "
            "each direction and a column for each unit."
        )
    return np.asarray(recording.matrix(layer, field="mean").numpy() @ matrix.T, np.float32)


def principal_directions(recording: Recording, layer: str, count: int) -> NDArray[np.float32]:
    """The first `count` principal directions (direction, unit) of a layer's mean responses over the recorded clips."""
    values = recording.matrix(layer, field="mean").numpy().astype(np.float64)
    _, _, rows = np.linalg.svd(values - values.mean(0), full_matrices=False)
    return np.asarray(rows[:count], np.float32)
