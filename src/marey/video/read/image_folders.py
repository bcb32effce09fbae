"""Folders of frame images, the form in which many data sets keep their videos."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from marey.errors import VideoError
from marey.video.limits import LIMITS, Limits

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm"})


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


def read_image(path: Path, size: tuple[int, int] | None = None, *, limits: Limits = LIMITS) -> NDArray[np.uint8]:
    """Read an RGB picture (uint8: height width channel), upright, resized to `size` (height, width) if given."""
    try:
        with Image.open(path) as image:
            limits.check_size(path, image.height, image.width)
            upright = ImageOps.exif_transpose(image).convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise VideoError(f"frame image '{path}' cannot be read: {error}.") from None
    if size is not None and upright.size != size[::-1]:
        upright = upright.resize(size[::-1])
    return np.array(upright)


def shown_images(
    folder: Path, rate: float, limits: Limits = LIMITS
) -> Iterator[tuple[float, Callable[[], NDArray[np.uint8]]]]:
    """Yield for every image its second at `rate` images per second, and a call that reads its picture."""
    images = frame_images(folder)
    height, width = read_image(images[0], limits=limits).shape[:2]
    for index, path in enumerate(images):
        yield index / rate, lambda path=path: read_image(path, (height, width), limits=limits)  # type: ignore[misc]
