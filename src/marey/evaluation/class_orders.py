"""Other orders of class names under which a network's scores may be right."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

Rows = NDArray[np.intp]


def class_orders(classes: Sequence[str]) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """(name, what to write, names by score) of the orders that lists of classes usually have, but for that given."""
    given = tuple(classes)
    sorted_names = tuple(sorted(given))
    orders = {
        "classes by letter": ("classes=sorted(classes)", sorted_names),
        "classes by letter, whatever the case": (
            "classes=sorted(classes, key=str.casefold)",
            tuple(sorted(given, key=str.casefold)),
        ),
        "classes backward": ("classes=classes[::-1]", given[::-1]),
        "classes one further": ("classes=[*classes[1:], classes[0]]", (*given[1:], given[0])),
        "classes one before": ("classes=[classes[-1], *classes[:-1]]", (given[-1], *given[:-1])),
    }
    seen = {given}
    for name, (write, order) in orders.items():
        if order not in seen:
            seen.add(order)
            yield name, write, order


def fitted_order(labels: Rows, predicted: Rows, count: int) -> tuple[NDArray[np.bool_], Rows]:
    """Tell which clips are right where each score is given to the class that fits best, and the class of each score.

    Each half of the clips is judged by the order that fits the other half, so that chance gains nothing.
    """
    right = np.zeros(len(labels), bool)
    half = np.zeros(len(labels), bool)
    for label in range(count):
        half[np.flatnonzero(labels == label)[::2]] = True
    for fitted in (half, ~half):
        order = _fitting(labels[fitted], predicted[fitted], count)
        right[~fitted] = order[predicted[~fitted]] == labels[~fitted]
    return right, _fitting(labels, predicted, count)


def _fitting(labels: Rows, predicted: Rows, count: int) -> Rows:
    """The class of each score, so that as many clips as can be are right; what no clip tells stays as it is."""
    together = np.zeros((count, count))
    np.add.at(together, (predicted, labels), 1.0)
    together += 0.001 * np.eye(count)
    _, order = linear_sum_assignment(together, maximize=True)
    return np.asarray(order)
