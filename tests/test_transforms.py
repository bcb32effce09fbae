"""Jitter moves all streams together and never pads."""

import torch

from marey.streams import flow_stacks, rgb_frames
from marey.transforms import Jitter

RGB, FLOW = rgb_frames(2, step=5, size=6), flow_stacks(1, length=4, size=6)


def _numbered(jitter: Jitter) -> dict[str, torch.Tensor]:
    """Canvases whose values tell their row and column (10 * y + x), plus 100 for every frame."""
    canvases = {}
    for stream in (RGB, FLOW):
        _, t, h, w = jitter.canvas(stream)
        place = 10 * torch.arange(h)[:, None] + torch.arange(w)[None]
        frames = 100 * torch.arange(t).view(t, 1, 1) + place
        canvases[stream.name] = frames.expand(1, stream.channels, t, h, w)
    return canvases


def test_appearance_and_motion_shift_together_and_rgb_stays_in_time() -> None:
    jitter = Jitter(3, time=2)
    windows = jitter.windows(_numbered(jitter), (RGB, FLOW), (2, 1, 3))
    assert windows["rgb"][0, 0, 0, 0, 0] == 13
    assert windows["flow"][0, 0, 0, 0, 0] == 213
    assert tuple(windows["rgb"].shape[1:]) == RGB.shape
    assert tuple(windows["flow"].shape[1:]) == FLOW.shape


def test_every_shift_up_to_the_largest_is_drawn_and_none_beyond() -> None:
    jitter = Jitter(2, time=1)
    generator = torch.Generator().manual_seed(0)
    drawn = {jitter.offsets(generator) for _ in range(400)}
    assert drawn == {(t, y, x) for t in range(2) for y in range(3) for x in range(3)}


def test_the_result_is_the_middle_of_the_canvas() -> None:
    assert Jitter(4, time=2).middle == (1, 2, 2)
    assert Jitter(0).middle == (0, 0, 0)


def test_without_jitter_the_canvas_is_the_window() -> None:
    assert Jitter(0).canvas(FLOW) == FLOW.shape
