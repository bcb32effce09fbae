"""The bound is a projection: no pixel is longer than B, and nothing is moved farther than it must be."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as some
from torch import Tensor

from marey.maximization.bound import RGB_BOUND, default_bound, projected
from marey.network.stream import Stream, flow_stacks, rgb_frames

FLOW = flow_stacks(1)
seeds = some.integers(0, 10_000)
sizes = some.floats(0.1, 30)


def _frames(seed: int, size: float) -> Tensor:
    """Distances from rest, physical."""
    return size * torch.randn(1, 2, 2, 3, 3, generator=torch.Generator().manual_seed(seed))


def _within(frames: Tensor, bound: float = 5.0) -> Tensor:
    return projected(frames / bound, FLOW, bound)


@given(seeds, sizes)
def test_no_pixel_is_above_the_bound_after_projection(seed: int, size: float) -> None:
    assert float(_within(_frames(seed, size)).square().sum(1).sqrt().max()) <= 5.0 * (1 + 1e-6)


@given(seeds, sizes)
def test_the_projection_is_idempotent_and_leaves_what_is_inside(seed: int, size: float) -> None:
    inside = _within(_frames(seed, size))
    torch.testing.assert_close(_within(inside), inside)
    torch.testing.assert_close(_within(inside * 0.99), inside * 0.99)


@given(seeds, seeds, sizes)
def test_the_projection_brings_no_two_inputs_farther_apart(one: int, other: int, size: float) -> None:
    a, b = _frames(one, size), _frames(other, 3.0)
    assert float((_within(a) - _within(b)).norm()) <= float((a - b).norm()) * (1 + 1e-5) + 1e-5


@given(seeds, sizes)
def test_the_projection_is_the_nearest_point_of_the_ball(seed: int, size: float) -> None:
    free = _frames(seed, size).clamp(-FLOW.bound, FLOW.bound)
    found = _within(free)
    aside = torch.randn(found.shape, generator=torch.Generator().manual_seed(seed + 1))
    other = _within(found + 0.1 * aside)
    assert float((free - found).norm()) <= float((free - other).norm()) + 1e-4


def test_values_never_leave_the_range_of_the_stream() -> None:
    frames = projected(3 * torch.randn(1, 3, 1, 8, 8), rgb_frames(1), 10.0)
    assert float(frames.abs().max()) == pytest.approx(0.5)


@pytest.mark.parametrize("stream", [rgb_frames(2, size=4), flow_stacks(1, length=2, size=4)])
@pytest.mark.parametrize("bound", [0.3, 5.0])
def test_the_gradient_through_the_projection_is_that_of_its_values(stream: Stream, bound: float) -> None:
    torch.manual_seed(0)
    frames = (0.9 * torch.randn(2, stream.channels, 2, 3, 3, dtype=torch.float64)).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: projected(x, stream, bound), (frames,))


def test_without_clips_the_bound_is_that_of_the_publication_or_a_quarter_of_the_range() -> None:
    assert default_bound(rgb_frames(1)) == RGB_BOUND == 160 / 255
    assert default_bound(FLOW) == FLOW.bound / 4 == 5.0
