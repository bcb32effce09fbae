"""The numbers in the names of files that follow each other: the place of each, and which are missing."""

import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path


def places(numbers: Sequence[int]) -> list[int] | None:
    """Convert numbers, as 1, 6, 16 of every fifth frame, to places 1, 2, 4 counted from the first number.

    The step is the most frequent one. None where numbers do not count, as those of time stamps: where they do not rise,
    some lie between the steps, or more are missing than there are.

    >>> places([1, 6, 16, 21])
    [1, 2, 4, 5]
    >>> places([1305031102, 1305031135, 1305031170]) is None
    True
    """
    gaps = Counter(after - before for before, after in pairwise(numbers))
    if not gaps:
        return list(numbers)
    if min(gaps) < 1:
        return None
    step = min(gaps, key=lambda gap: (-gaps[gap], gap))
    span = (numbers[-1] - numbers[0]) // step + 1
    if any(gap % step for gap in gaps) or span > 2 * len(numbers):
        return None
    return [numbers[0] + (number - numbers[0]) // step for number in numbers]


def numbers_in(names: Sequence[str]) -> list[int] | None:
    """Read the number that tells each name from the others; of several, the one that counts with the fewest gaps.

    The names differ by numbers alone, suffixes aside, and are in natural order. None where no number counts.

    >>> numbers_in(["v_Walk_g01_c01_0001.jpg", "v_Walk_g01_c01_0003.jpg"])
    [1, 3]
    >>> numbers_in(["first.jpg", "second.jpg"]) is None
    True
    """
    parts = [re.split("([0-9]+)", Path(name).stem) for name in names]
    if len({tuple(one[::2]) for one in parts}) != 1 or len(parts[0]) == 1:
        return None
    columns = [[int(number) for number in column] for column in zip(*(one[1::2] for one in parts), strict=True)]
    counting = [(found[-1] - found[0], column) for column in reversed(columns) if (found := places(column))]
    return min(counting, key=lambda one: one[0])[1] if counting else None


def spans(numbers: Sequence[int], most: int = 5) -> str:
    """Write rising numbers in words, the first runs of them.

    >>> spans([3, 5, 6, 7])
    '3, 5 to 7'
    """
    breaks = [k for k, (before, after) in enumerate(pairwise(numbers), start=1) if after != before + 1]
    runs = [numbers[first:stop] for first, stop in pairwise([0, *breaks, len(numbers)])]
    words = [str(run[0]) if len(run) == 1 else f"{run[0]} to {run[-1]}" for run in runs[:most]]
    return ", ".join(words) + (" and others" if len(runs) > most else "")
