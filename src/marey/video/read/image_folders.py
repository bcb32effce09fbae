"""Folders of frame images, the form in which many data sets keep their videos."""

import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from marey.errors import VideoError
from marey.video.images import IMAGE_SUFFIXES, read_image, white_of
from marey.video.limits import LIMITS, Limits


def frame_images(folder: str | Path) -> list[Path]:
    """List the frame images of a folder in natural order (frame2 before frame10), without `flow_*`.

    Raises VideoError for a folder without images.
    """
    found = [
        path
        for path in Path(folder).iterdir()
        if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith((".", "flow_")) and path.is_file()
    ]
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


def shown_images(
    folder: Path, rate: float, limits: Limits = LIMITS
) -> Iterator[tuple[float, Callable[[], NDArray[np.uint8]]]]:
    """Yield for every image its second at `rate` images per second, and a call that reads its picture."""
    images = frame_images(folder)
    white = white_of(images, limits)
    size = read_image(images[0], limits=limits, white=white).shape[:2]
    for index, path in enumerate(images):
        yield index / rate, partial(read_image, path, size=size, limits=limits, white=white)
