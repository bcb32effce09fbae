"""How many classes and groups the clips span that drive a unit best."""

import numpy as np
from numpy.typing import NDArray

TOP = 20
"""So many best clips of a unit count, but at most a fifth of all."""


def top_clips(responses: NDArray[np.floating], *, seed: int) -> NDArray[np.intp]:
    """(place, unit): the best clips of each unit of `responses` (clip, unit); equal responses in random order."""
    order = np.random.default_rng(seed).permutation(len(responses))
    count = max(2, min(TOP, len(responses) // 5))
    return np.asarray(order[np.argsort(-responses[order], axis=0, kind="stable")[:count]])


def effective_number(labels: NDArray[np.intp], kinds: int) -> NDArray[np.float64]:
    """(unit): exp of the entropy of `labels` (place, unit): 1 where all are one, so many as there are where even."""
    shares = np.stack([(labels == kind).mean(0) for kind in range(kinds)])
    return np.asarray(np.exp(-(shares * np.log(np.where(shares > 0, shares, 1))).sum(0)))


def random_span(labels: NDArray[np.intp], kinds: int, *, count: int, seed: int, draws: int = 500) -> float:
    """The mean effective number of `count` clips drawn at random from `labels` (clip)."""
    random = np.random.default_rng(seed)
    drawn = np.stack([random.permutation(len(labels))[:count] for _ in range(draws)], 1)
    return float(effective_number(labels[drawn], kinds).mean())
