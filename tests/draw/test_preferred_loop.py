"""The loop shows every field as long, at its place, and returns to its start."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from marey.draw.picture_row import PictureRow
from marey.draw.preferred_loop import preferred_loop
from marey.draw.typeset import QUIET

CELL = 160  # pictures of 16 px are enlarged ten times


def columns(frame: np.ndarray, color: tuple[int, int, int]) -> np.ndarray:
    """The places in x at which at least a cell's height has a color."""
    return np.flatnonzero((frame == color).all(-1).sum(0) >= CELL)


def test_the_video_shows_every_field_as_long() -> None:
    motion = torch.zeros(1, 2, 3, 16, 16)
    motion[0, 0, 1] = 1.0  # rest, right, rest
    frames = preferred_loop(PictureRow("a:0", motion=motion), max_px=1.0, steps=8)
    assert len(frames) == 24
    shown = [len(columns(frame, (255, 0, 0))) for frame in frames]
    assert shown == [0] * 8 + [CELL] * 8 + [0] * 8


def test_columns_run_from_slow_to_fast() -> None:
    motion = torch.zeros(2, 2, 1, 16, 16)
    motion[0, 0] = 1.0  # chi 0: to the right, red
    motion[1, 1] = 1.0  # chi 5: down, yellow
    frame = preferred_loop(PictureRow("a:0", motion=motion, chis=(0.0, 5.0)), max_px=1.0)[0]
    down, right = columns(frame, (255, 227, 0)), columns(frame, (255, 0, 0))
    assert len(right) == CELL
    yellow = np.flatnonzero(((frame[..., 0] == 255) & (frame[..., 1] > 200) & (frame[..., 2] < 9)).sum(0) >= CELL)
    assert len(yellow) == CELL and yellow.max() < right.min(), down


def test_frames_are_spread_evenly_over_the_loop() -> None:
    appearance = torch.zeros(1, 3, 2, 16, 16)
    appearance[0, 0, 0] = appearance[0, 2, 1] = 1.0  # red, then blue
    frames = preferred_loop(PictureRow("a:0", appearance=appearance))
    red, blue = (np.array([len(columns(frame, color)) for frame in frames]) for color in ((255, 0, 0), (0, 0, 255)))
    half = len(frames) // 2
    assert (red[:half] == CELL).all() and not red[half:].any()
    assert (blue[half:] == CELL).all() and not blue[:half].any()


def test_the_texture_moves_in_the_line_below_the_colors() -> None:
    motion = torch.zeros(1, 2, 2, 16, 16)
    motion[:, 0] = 0.5
    frames = preferred_loop(PictureRow("a:0", motion=motion), max_px=0.5, steps=12).astype(int)
    moving = np.abs(frames[1:] - frames[:-1]).max((0, -1)) > 0
    rows = np.flatnonzero(moving.sum(1) > CELL // 3)
    clock = 3
    assert CELL - 4 <= len(rows) - clock <= CELL
    red = np.flatnonzero((frames[0] == (255, 0, 0)).all(-1).sum(1) >= CELL)
    assert red.max() < rows.min()


@pytest.mark.parametrize(("streams", "lines"), [("flow", 2), ("rgb", 1), ("both", 3)])
def test_a_network_of_one_stream_has_its_loop(
    streams: str, lines: int, row_of: Callable[..., PictureRow], says: Callable[..., bool]
) -> None:
    frame = preferred_loop(row_of(streams=streams, chis=(0.0,), time=2, size=(16, 16)))[0]
    names = ("appearance", "motion", "texture moved by it")
    shown = [says(frame, name.split()[0], 13, QUIET) for name in names]
    assert shown == [streams != "flow", streams != "rgb", streams != "rgb"]
    assert sum(shown) == lines


def test_a_short_stack_still_gives_a_loop_of_a_second() -> None:
    assert len(preferred_loop(PictureRow("a:0", motion=torch.zeros(1, 2, 1, 16, 16)))) == 24
