"""Folders of frame images, the form in which many data sets keep their videos."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from marey.errors import VideoError
from marey.video.images import image_files, read_image, white_of
from marey.video.limits import Limits
from marey.video.numbering import numbers_in, places, spans


def frame_images(folder: str | Path) -> list[Path]:
    """List the frame images of a folder in natural order (frame2 before frame10), without `flow_*`.

    Raises VideoError for a folder without images.
    """
    found = [path for path in image_files(Path(folder)) if not path.name.startswith((".", "flow_"))]
    if not found:
        raise VideoError(f"folder '{folder}' holds no frame images; expected files such as img_00001.jpg.")
    return sorted(found, key=lambda path: natural_order(path.name))


def natural_order(name: str) -> list[tuple[bool, int, str]]:
    """Make a sort key that reads digits as numbers.

    >>> sorted(["frame10", "frame9"], key=natural_order)
    ['frame9', 'frame10']
    """
    parts = re.findall(r"[0-9]+|[^0-9]+", name)
    return [(not part[0].isdecimal(), int(part) if part[0].isdecimal() else 0, part) for part in parts]


@dataclass(frozen=True)
class FramePlaces:
    """The places of the frame images of a folder, by the numbers in their names.

    `first` is the first number and `step` that from one image to the next; `places` count steps from the first image.
    Where names have no number that counts, they are in natural order without gaps, from 0.
    """

    first: int
    step: int
    places: tuple[int, ...]

    @classmethod
    def of(cls, images: Sequence[Path]) -> "FramePlaces":
        """Find the places of images in natural order."""
        numbers = numbers_in([path.name for path in images])
        found = None if numbers is None else places(numbers)
        if numbers is None or found is None:
            return cls(0, 1, tuple(range(len(images))))
        step = (numbers[-1] - numbers[0]) // max(1, found[-1] - found[0])
        return cls(numbers[0], max(1, step), tuple(place - found[0] for place in found))

    @property
    def gaps(self) -> str | None:
        """Which images are missing between others, in words; None where there is no gap."""
        there = set(self.places)
        missing = self.numbers([place for place in range(self.places[-1]) if place not in there])
        if not missing:
            return None
        return f"missing frame images ({len(missing)}): {spans(missing)}; the nearest stands for each"

    def numbers(self, at: Iterable[int]) -> list[int]:
        """Convert places to the numbers in names."""
        return [self.first + place * self.step for place in at]


def shown_images(
    folder: Path, rate: float, limits: Limits, damaged: Callable[[str], None] | None
) -> Iterator[tuple[float, Callable[[], NDArray[np.uint8]]]]:
    """Yield for every image its second at `rate` images per second, and a call that reads its picture.

    Images that are missing between others leave a gap in time. `damaged` is called with their numbers after the last.
    """
    images = frame_images(folder)
    found = FramePlaces.of(images)
    white = white_of(images, limits)
    size = read_image(images[0], limits=limits, white=white).shape[:2]
    for place, path in zip(found.places, images, strict=True):
        yield place / rate, partial(read_image, path, size=size, limits=limits, white=white)
    if damaged is not None and found.gaps is not None:
        damaged(found.gaps)
