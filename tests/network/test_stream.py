"""Physical video goes into every layout that networks want, and comes back."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as some

from marey.errors import NetworkError
from marey.network.stream import Stream, flow_stacks, rgb_frames
from marey.network.windows import Windows
from tests.network.physical import physical

LAYOUTS = {
    "n c t h w": (2, 3, 4, 5, 6),
    "n t c h w": (2, 4, 3, 5, 6),
    "n 1 c t h w": (2, 1, 3, 4, 5, 6),
    "n (t c) h w": (2, 12, 5, 6),
    "n (c t) h w": (2, 12, 5, 6),
    "(n t) c h w": (8, 3, 5, 6),
    "n t h w c": (2, 4, 5, 6, 3),
}


@pytest.mark.parametrize(("layout", "shape"), LAYOUTS.items())
def test_every_layout_has_its_shape_and_comes_back(layout: str, shape: tuple[int, ...]) -> None:
    stream = rgb_frames(4, size=(5, 6), layout=layout, mean=(0.4, 0.5, 0.6), std=(0.1, 0.2, 0.3))
    clips = torch.rand(2, 3, 4, 5, 6)
    shown = stream.to_network(clips)
    assert tuple(shown.shape) == shape
    torch.testing.assert_close(physical(stream, shown, count=2), clips)


def test_stacked_flow_interleaves_u_and_v() -> None:
    stream = Stream("flow", "flow", times=tuple(range(3)), height=1, width=1, layout="n (t c) h w")
    clips = torch.arange(6.0).reshape(1, 2, 3, 1, 1)  # u: 0 1 2, v: 3 4 5
    assert stream.to_network(clips).flatten().tolist() == [0, 3, 1, 4, 2, 5]


def test_the_network_sees_values_less_the_mean_over_the_deviation() -> None:
    stream = rgb_frames(1, size=1, mean=(0.5, 0.0, 1.0), std=(0.5, 1.0, 2.0))
    assert stream.to_network(torch.ones(1, 3, 1, 1, 1)).flatten().tolist() == [1.0, 1.0, 0.0]


def test_values_are_scaled_before_they_are_rounded_to_the_networks_type() -> None:
    stream = rgb_frames(2, size=4, mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.4))
    clips = torch.rand(2, 3, 2, 4, 4)
    rounded = stream.to_network(clips, dtype=torch.bfloat16)
    assert torch.equal(rounded, stream.to_network(clips).to(torch.bfloat16))


def test_one_image_needs_no_time_in_its_layout() -> None:
    stream = rgb_frames(1, size=4, layout="n c h w")
    clips = torch.rand(2, 3, 1, 4, 4)
    assert tuple(stream.to_network(clips).shape) == (2, 3, 4, 4)
    torch.testing.assert_close(physical(stream, stream.to_network(clips), count=2), clips)


@given(some.integers(1, 4), some.integers(1, 5), some.integers(1, 7))
def test_stacks_of_flow_come_back_whether_they_overlap_or_not(count: int, length: int, step: int) -> None:
    stream = flow_stacks(count, length=length, step=step, size=2)
    clips = torch.randn(2, *stream.shape)
    shown = stream.to_network(clips)
    assert tuple(shown.shape) == (2, 2 * length, count, 2, 2)
    torch.testing.assert_close(physical(stream, shown, count=2), clips)
    assert stream.times == tuple(sorted({k * step + i for k in range(count) for i in range(length)}))


def test_overlapping_stacks_share_their_fields() -> None:
    stream = flow_stacks(2, length=3, step=2, size=1, scale=1.0)
    clips = torch.stack([torch.arange(5.0), -torch.arange(5.0)]).view(1, 2, 5, 1, 1)
    shown = stream.to_network(clips)[0, :, :, 0, 0]  # place-and-channel window
    assert shown[::2].T.tolist() == [[0, 1, 2], [2, 3, 4]]
    assert shown[1::2].T.tolist() == [[0, -1, -2], [-2, -3, -4]]


def test_the_gradient_reaches_every_physical_frame() -> None:
    stream = flow_stacks(2, length=3, step=2, size=2)
    clips = torch.zeros(1, *stream.shape, requires_grad=True)
    stream.to_network(clips).sum().backward()
    assert clips.grad is not None
    seen = (clips.grad[0, 0, :, 0, 0] * 20).round().tolist()
    assert seen == [1, 1, 2, 1, 1]


def test_a_cropped_stream_keeps_the_times_of_its_frames() -> None:
    stream = rgb_frames(5, step=3, size=8)
    part = stream.cropped(1, 2, 4, 5)
    assert (part.times, part.height, part.width) == ((3, 6), 4, 5)
    stacks = flow_stacks(3, length=4, step=4, size=8)
    assert stacks.cropped(4, 8, 8, 8).windows == Windows(2, 4, 4)
    with pytest.raises(NetworkError, match="cut a window"):
        stacks.cropped(1, 8, 8, 8)


def test_a_resized_stream_keeps_the_proportion_of_its_short_side() -> None:
    stream = rgb_frames(1, size=224, short_side=256).resized(112, 112)
    assert (stream.height, stream.width, stream.short_side) == (112, 112, 128)


def test_rest_lies_between_the_bounds() -> None:
    rgb, flow = rgb_frames(1), flow_stacks(1)
    assert (rgb.low, rgb.rest, rgb.high) == (0.0, 0.5, 1.0)
    assert (flow.low, flow.rest, flow.high) == (-20.0, 0.0, 20.0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "depth"}, "kind 'depth'; expected 'rgb' or 'flow'"),
        ({"times": ()}, "is empty: 0 frames"),
        ({"height": 0}, "is empty: 4 frames of 0 x 8"),
        ({"times": (0, 2, 1, 3)}, "must rise"),
        ({"times": (0, 1, 1, 3)}, "must rise"),
        ({"mean": (0.5,)}, "mean of stream 'rgb' has 1 values; kind 'rgb' has 3 channels"),
        ({"std": (0.5, 1.0)}, "std of stream 'rgb' has 2 values"),
        ({"layout": "n c h w"}, "layout 'n c h w' of stream 'rgb' does not fit"),
        ({"layout": "n q t h w"}, "layout 'n q t h w' of stream 'rgb' does not fit"),
        ({"layout": "n (c t h w"}, "does not fit"),
        ({"windows": Windows(2, 3, 3)}, "cover 6 frames, the stream has 4"),
    ],
)
def test_a_stream_that_cannot_be_is_refused(change: dict[str, object], message: str) -> None:
    settings: dict[str, object] = {"name": "rgb", "kind": "rgb", "times": (0, 1, 2, 3), "height": 8, "width": 8}
    with pytest.raises(NetworkError) as caught:
        Stream(**{**settings, **change})  # type: ignore[arg-type]
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_windows_that_leave_frames_unused_are_refused() -> None:
    with pytest.raises(NetworkError, match="leave frames unused"):
        Windows(2, 3, 4)
    with pytest.raises(NetworkError, match="at least 1"):
        Windows(0, 3, 1)
