"""Packed values come back as the very same, whatever they are."""

import pytest
import torch

from marey.maximization.packed import Packed, packed, rounded, unpacked
from marey.network.stream import flow_stacks, rgb_frames
from marey.schema import SchemaError


@pytest.mark.parametrize("step", [1.0, 0.125, 2.0**-14])
@pytest.mark.parametrize("shape", [(1, 1), (2, 3, 5, 7), (4, 2, 10, 9, 16)])
def test_whole_steps_come_back_as_the_very_same(step: float, shape: tuple[int, ...]) -> None:
    counts = torch.randint(-(2**15) + 1, 2**15, shape, generator=torch.Generator().manual_seed(0))
    values = counts.float() * step  # neighbors that differ by more than 16 bits too
    small = packed(values)
    assert small is not None and small[1].shape == shape
    assert torch.equal(unpacked(*small), values)


def test_what_16_bits_do_not_hold_is_not_packed() -> None:
    for value in (1 / 3, 40_000.0, float("nan"), float("inf"), 2.0**-20):
        assert packed(torch.full((2, 2), value)) is None
    assert packed(torch.ones(2, 2, dtype=torch.float64)) is None


def test_smooth_frames_take_less_than_a_byte_each() -> None:
    x = torch.linspace(0, 3, 64)
    small = packed(rounded((torch.sin(x)[:, None] * torch.cos(x))[None, None], flow_stacks(1, length=1, size=64), 1.0))
    assert small is not None and small[0].numel() < 64 * 64


def test_frames_are_rounded_to_the_nearest_step() -> None:
    rgb, flow = rgb_frames(1, size=8), flow_stacks(1, length=1, size=8)
    values = torch.rand(1, 1, 512, generator=torch.Generator().manual_seed(0))
    assert float((rounded(values, rgb, 0.6) - values).abs().max()) <= 1 / 512
    for bound, step in ((3.66, 1 / 16), (2.0, 1 / 32), (20.0, 1 / 2), (0.1, 1 / 512)):
        made = rounded(values * bound, flow, bound)
        assert torch.equal(made / step, (made / step).round()), bound
        assert float((made - values * bound).abs().max()) <= step, bound


def test_no_vector_is_rounded_beyond_its_bound() -> None:
    angle = torch.arange(360) * torch.pi / 180
    vectors = 1.99 * torch.stack([angle.cos(), angle.sin()])[None]
    made = rounded(vectors, flow_stacks(1, length=1, size=8), 1.99)
    assert 1.9 < float(made.norm(dim=1).max()) <= 1.99
    assert float((made - vectors).abs().mean()) < 1 / 32 / 2


def test_bytes_that_do_not_fit_are_refused() -> None:
    content, how = packed(torch.ones(4, 4)) or pytest.fail("not packed")
    for shape in ((4, 5), (2, 2)):
        with pytest.raises(SchemaError):
            unpacked(content, Packed(shape, how.step))
