"""Indices of the literature that say how unevenly a unit responds to classes; they prove nothing by themselves."""

import numpy as np
from numpy.typing import NDArray


def _class_means(responses: NDArray[np.floating], labels: NDArray[np.integer], classes: int) -> NDArray[np.float64]:
    """Mean response (unit, class) above the unit's smallest response to any clip."""
    above = (responses - responses.min(0)).astype(np.float64)
    return np.stack([above[labels == label].mean(0) for label in range(classes)], axis=1)


def selectivity(responses: NDArray[np.floating], labels: NDArray[np.integer], classes: int) -> NDArray[np.float64]:
    """(mu_best - mu_rest) / (mu_best + mu_rest) of every unit (Morcos et al., ICLR 2018): 0 is even, 1 one class only.

    `responses` are (clip, unit), taken above the unit's smallest one.
    """
    means = _class_means(responses, labels, classes)
    best = means.max(1)
    rest = (means.sum(1) - best) / (classes - 1)
    return np.asarray((best - rest) / np.maximum(best + rest, 1e-12))


def sparseness(responses: NDArray[np.floating], labels: NDArray[np.integer], classes: int) -> NDArray[np.float64]:
    """Lifetime sparseness over classes (Vinje and Gallant, Science 2000): 0 is even, 1 one class only."""
    means = _class_means(responses, labels, classes)
    square = np.maximum((means**2).mean(1), 1e-24)
    return np.asarray((1 - means.mean(1) ** 2 / square) / (1 - 1 / classes))
