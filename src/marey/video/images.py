"""Image files of any mode as 8-bit pictures: upright, scaled where they hold more than 8 bits."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from marey.errors import VideoError, first_line
from marey.files import regular_file
from marey.video.limits import LIMITS, Limits

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm"})

_BITS, _KIND, _UNSIGNED = 258, 339, 1  # tags of TIFF
_WHITES = (255.0, 65535.0, 2.0**31 - 1, 2.0**32 - 1)


def image_files(folder: Path) -> list[Path]:
    """List the regular files of a folder that are named as images, in no order."""
    with os.scandir(folder) as entries:
        named = [(Path(entry.path), entry) for entry in entries]
        return [path for path, entry in named if path.suffix.lower() in IMAGE_SUFFIXES and _is_file(entry)]


def _is_file(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a regular file; links are followed, and a link to itself leads nowhere."""
    try:
        return entry.is_file()
    except OSError:
        return False


def read_image(
    path: Path,
    mode: Literal["RGB", "L"] = "RGB",
    *,
    size: tuple[int, int] | None = None,
    limits: Limits = LIMITS,
    white: float | None = None,
    what: str = "frame image",
) -> NDArray[np.uint8]:
    """Read a picture (uint8: height width channel; without channel for "L"), upright, transparency ignored.

    It is resized to `size` (height, width) where that is given. More than 8 bits are scaled: `white` is the value that
    becomes 255, None as `white_of` says. Raises VideoError, which calls the file `what`.
    """
    try:
        with _opened(path) as image:
            limits.check_size(path, image.height, image.width)
            image.info.pop("transparency", None)
            ImageOps.exif_transpose(image, in_place=True)
            shown = _eight_bits(image, white).convert(mode)
    except VideoError:
        raise
    except Exception as error:  # noqa: BLE001 -- a damaged image may fail in any way
        raise VideoError(
            f"{what} '{path}' cannot be read: {getattr(error, 'strerror', None) or first_line(error)}."
        ) from None
    if size is not None and shown.size != size[::-1]:
        shown = shown.resize(size[::-1])
    return np.array(shown)


def white_of(paths: list[Path], limits: Limits = LIMITS) -> float | None:
    """Find the value that is white in images whose files leave it open; None where each file says it, as most do.

    That is the case for 32 bits. White is 1 for floats up to 1, else the first of 255, 65535 and the largest integer of
    31 and 32 bits that no value is above. At most eight of the images are read.
    """
    highest = 0.0
    for path in paths[:: max(1, len(paths) // 8)]:
        try:
            with _opened(path) as image:
                if _declared_white(image) is not None:
                    return None
                limits.check_size(path, image.height, image.width)
                highest = max(highest, _white(image, _values(image)))
        except Exception:  # noqa: BLE001 -- told where the image is read
            continue
    return highest or None


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    # Of a path Pillow maps some files into memory, and lays turned TIFFs out wrongly; of an open file it does not.
    with regular_file(path).open("rb") as file, Image.open(file) as image:
        yield image


def _eight_bits(image: Image.Image, white: float | None) -> Image.Image:
    if _declared_white(image) == 255:
        return image
    values = _values(image)
    scaled = values * (255 / (white or _declared_white(image) or _white(image, values)))
    return Image.fromarray(np.rint(scaled).clip(0, 255).astype(np.uint8))


def _declared_white(image: Image.Image) -> float | None:
    """Read from a file which value is white; None where it leaves that open."""
    if image.mode not in ("I", "F") and not image.mode.startswith("I;"):
        return 255
    bits, unsigned = _tags(image)
    if bits == 32:
        return 1.0 if image.format == "PPM" else None
    return 2.0 ** (bits if unsigned else bits - 1) - 1


def _tags(image: Image.Image) -> tuple[int, bool]:
    """Read how many bits a value has, and whether it has no sign; only TIFF has anything but 16 bits or floats."""
    tags: Any = getattr(image, "tag_v2", {})
    return tags.get(_BITS, (32 if image.mode == "F" else 16,))[0], tags.get(_KIND, (_UNSIGNED,))[0] == _UNSIGNED


def _values(image: Image.Image) -> NDArray[np.float64]:
    values = np.asarray(image)
    if image.mode == "I" and _tags(image)[1]:
        values = values.view(np.uint32)  # Pillow has no unsigned mode of 32 bits
    return np.nan_to_num(values.astype(np.float64))


def _white(image: Image.Image, values: NDArray[np.float64]) -> float:
    whites = (1.0, *_WHITES) if image.mode == "F" else _WHITES
    highest = float(values.max(initial=0.0))
    return next((white for white in whites if highest <= white), highest)
