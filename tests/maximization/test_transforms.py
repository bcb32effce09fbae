"""Jitter moves all streams together and never pads."""

import pytest
import torch

from marey.maximization.transforms import Jitter, Shift
from marey.network.stream import flow_stacks, rgb_frames

RGB, FLOW = rgb_frames(2, step=5, size=6), flow_stacks(1, length=4, size=6)


def _numbered(jitter: Jitter) -> dict[str, torch.Tensor]:
    """Canvases whose values tell their row and column (10 * y + x), plus 100 for every frame."""
    canvases = {}
    for stream in (RGB, FLOW):
        _, t, h, w = jitter.canvas(stream)
        place = 10.0 * torch.arange(h)[:, None] + torch.arange(w)[None]
        frames = 100 * torch.arange(t).view(t, 1, 1) + place
        canvases[stream.name] = frames.expand(1, stream.channels, t, h, w)
    return canvases


def test_appearance_and_motion_shift_together_and_rgb_stays_in_time() -> None:
    jitter = Jitter(3, time=2)
    windows = jitter.windows(_numbered(jitter), (RGB, FLOW), Shift(2, 0.34, 1.0))
    assert windows["rgb"][0, 0, 0, 0, 0] == 13
    assert windows["flow"][0, 0, 0, 0, 0] == 213
    assert tuple(windows["rgb"].shape[1:]) == RGB.shape
    assert tuple(windows["flow"].shape[1:]) == FLOW.shape


def test_every_shift_up_to_the_largest_is_drawn_equally_often_and_none_beyond() -> None:
    jitter = Jitter(2, time=1)
    generator = torch.Generator().manual_seed(0)
    canvases = _numbered(jitter)
    counts: dict[int, int] = {}
    for _ in range(1800):
        corner = int(jitter.windows(canvases, (RGB, FLOW), jitter.draw(generator))["flow"][0, 0, 0, 0, 0])
        counts[corner] = counts.get(corner, 0) + 1
    assert set(counts) == {100 * t + 10 * y + x for t in range(2) for y in range(3) for x in range(3)}
    assert 60 <= min(counts.values()) <= max(counts.values()) <= 140


def test_the_result_is_the_middle_of_the_canvas() -> None:
    jitter = Jitter(4, time=2)
    windows = jitter.windows(_numbered(jitter), (RGB, FLOW), jitter.middle)
    assert windows["rgb"][0, 0, 0, 0, 0] == 22
    assert windows["flow"][0, 0, 0, 0, 0] == 122


def test_without_jitter_the_canvas_is_the_window() -> None:
    assert Jitter(0).canvas(FLOW) == FLOW.shape


@pytest.mark.parametrize("zoom", [0.8, 1.0, 1.2])
def test_a_zoom_keeps_the_size_of_the_window_and_changes_flow_as_it_changes_distances(zoom: float) -> None:
    jitter = Jitter(0, zoom=0.2)
    canvases = {stream.name: torch.full((1, *jitter.canvas(stream)), 3.0) for stream in (RGB, FLOW)}
    windows = jitter.windows(canvases, (RGB, FLOW), Shift(0, 0.5, 0.5, zoom))
    assert tuple(windows["rgb"].shape[1:]) == RGB.shape
    assert float(windows["rgb"].mean()) == pytest.approx(3.0)
    assert float(windows["flow"].mean()) == pytest.approx(3.0 / (round(6 * zoom) / 6), rel=0.06)
