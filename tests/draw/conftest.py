"""Rows to draw whose content is known, and the question whether something stands on a page."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from marey.draw.picture_row import PictureRow
from marey.draw.typeset import INK, text_block
from marey.video.encode import Picture

RowOf = Callable[..., PictureRow]
Holds = Callable[[Picture, Picture | Image.Image], bool]
Says = Callable[..., bool]


def _row(
    title: str = "fusion.conv5:21",
    *,
    chis: tuple[float, ...] = (0.0, 1.0, 10.0),
    time: int = 4,
    size: tuple[int, int] = (32, 32),
    streams: str = "both",
    captions: bool = True,
) -> PictureRow:
    generator = torch.Generator().manual_seed(1)
    count = len(chis)
    return PictureRow(
        title,
        "run",
        torch.rand(count, 3, 2, *size, generator=generator) if streams != "flow" else None,
        torch.randn(count, 2, time, *size, generator=generator) if streams != "rgb" else None,
        chis,
        tuple(f"{k}.1 of maximum\nrecognized as run" for k in range(count)) if captions else (),
    )


@pytest.fixture(scope="session")
def row_of() -> RowOf:
    """A row of noise, of any shape, with the streams asked for."""
    return _row


def _holds(page: Picture, block: Picture | Image.Image) -> bool:
    block = np.asarray(block)
    if any(part > whole for part, whole in zip(block.shape, page.shape, strict=True)):
        return False
    green = (np.ascontiguousarray(picture[..., 1]) for picture in (page, block))  # a third of the search
    found = cv2.matchTemplate(*green, cv2.TM_SQDIFF)
    # rounding of this search differs from processor to processor, so that the nearest of all may not come first
    for y, x in zip(*np.unravel_index(np.argsort(found, axis=None)[:200], found.shape), strict=True):
        if np.array_equal(page[y : y + block.shape[0], x : x + block.shape[1]], block):
            return True
    return False


@pytest.fixture(scope="session")
def holds() -> Holds:
    """Whether a block is somewhere on a page, pixel for pixel."""
    return _holds


@pytest.fixture(scope="session")
def says() -> Says:
    """Whether a text in letters of a size and color is somewhere on a page."""

    def says(page: Picture, text: str, size: int, color: tuple[int, int, int] = INK) -> bool:
        return _holds(page, text_block(text, size=size, color=color))

    return says
