"""A shift moves all streams together and never pads; the result is the middle, of which no shift is seen."""

import pytest
import torch
from torch import Tensor

from marey.errors import MareyError
from marey.maximization.transforms import Shift, canvas, middle
from marey.network.stream import Stream, flow_stacks, rgb_frames

RGB, FLOW = rgb_frames(2, step=5, size=6), flow_stacks(1, length=4, size=6)


def _numbered(shift: Shift, stream: Stream) -> Tensor:
    """Frames whose values tell their row and column (10 * y + x), plus 100 for every frame."""
    _, t, h, w = canvas([shift], stream).shape
    place = 10.0 * torch.arange(h)[:, None] + torch.arange(w)[None]
    frames = 100 * torch.arange(t).view(t, 1, 1) + place
    return frames.expand(1, stream.channels, t, h, w)


def _corner(frames: Tensor) -> tuple[int, int, int]:
    """Where a window of numbered frames begins (t, y, x)."""
    first = int(frames[0, 0, 0, 0, 0])
    return first // 100, first // 10 % 10, first % 10


def test_frames_are_larger_than_the_window_by_the_margin() -> None:
    shift = Shift(3, time=2)
    assert (shift.margin(RGB), shift.margin(FLOW)) == ((0, 3, 3), (2, 3, 3))
    assert canvas([shift], RGB).shape == (3, 2, 9, 9)
    assert canvas([shift, Shift(1, time=1)], FLOW).shape == (2, 4 + 3, 10, 10)
    assert canvas([], FLOW).shape == FLOW.shape


def test_appearance_and_motion_shift_together_and_rgb_stays_in_time() -> None:
    shift, generator = Shift(3, time=2), torch.Generator().manual_seed(0)
    seen = set()
    for _ in range(60):
        view = shift.draw(generator)
        windows = {stream.name: view(_numbered(shift, stream), stream) for stream in (RGB, FLOW)}
        assert windows["rgb"].shape[1:] == RGB.shape and windows["flow"].shape[1:] == FLOW.shape
        rgb, flow = _corner(windows["rgb"]), _corner(windows["flow"])
        assert rgb == (0, *flow[1:])
        seen.add(flow)
        expected = _numbered(shift, FLOW)[:, :, flow[0] : flow[0] + 4, flow[1] : flow[1] + 6, flow[2] : flow[2] + 6]
        assert torch.equal(windows["flow"], expected), "a window, and nothing is wrapped or padded"
    assert len(seen) > 30


def test_every_shift_up_to_the_largest_is_drawn_equally_often_and_none_beyond() -> None:
    shift, generator = Shift(2, time=1), torch.Generator().manual_seed(0)
    frames = _numbered(shift, FLOW)
    counts: dict[tuple[int, int, int], int] = {}
    for _ in range(1800):
        corner = _corner(shift.draw(generator)(frames, FLOW))
        counts[corner] = counts.get(corner, 0) + 1
    assert set(counts) == {(t, y, x) for t in range(2) for y in range(3) for x in range(3)}
    assert 60 <= min(counts.values()) <= max(counts.values()) <= 140


def test_the_result_is_the_middle_of_the_canvas() -> None:
    shift = Shift(4, time=2)
    assert _corner(middle(_numbered(shift, RGB), RGB)) == (0, 2, 2)
    assert _corner(middle(_numbered(shift, FLOW), FLOW)) == (1, 2, 2)
    assert middle(_numbered(shift, FLOW), FLOW).shape[1:] == FLOW.shape


def test_the_gradient_of_a_view_lies_where_the_window_lay() -> None:
    shift = Shift(2, time=1)
    frames = torch.zeros(1, *canvas([shift], FLOW).shape, requires_grad=True)
    view = shift.draw(torch.Generator().manual_seed(3))
    t, y, x = _corner(view(_numbered(shift, FLOW), FLOW))
    (slope,) = torch.autograd.grad(view(frames, FLOW).sum(), frames)
    inside = slope[:, :, t : t + FLOW.frames, y : y + FLOW.height, x : x + FLOW.width]
    assert bool((inside == 1).all()) and float(slope.sum()) == inside.numel()


def test_a_negative_shift_is_refused() -> None:
    with pytest.raises(MareyError, match="a shift of -1 px and 1 fields was given; expected at least 0"):
        Shift(-1)
